// Our exp, log, sin, cos and tanh against the C library in double, in units of the last place.
#include "kernels/elementary.h"

#include <bit>
#include <cmath>

#include "tests/catch.h"

using namespace weft;

namespace {

// How many units in the last place of `want` the value is off; 0 for equal infinities and NaN.
double error_in_ulp(float got, double want) {
  const float rounded = float(want);
  if (std::isnan(rounded)) return std::isnan(got) ? 0 : INFINITY;
  if (std::isinf(rounded) || rounded == got) return got == rounded ? 0 : INFINITY;
  const float magnitude = std::fabs(rounded);
  return std::fabs(double(got) - want) / double(std::nextafter(magnitude, INFINITY) - magnitude);
}

// The largest error over floats of all sizes and signs, special values included.
template <typename F, typename G>
double worst_error(F ours, G reference) {
  double worst = 0;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 4099) {
    const float x = std::bit_cast<float>(std::uint32_t(bits));
    worst = std::fmax(worst, error_in_ulp(ours(x), reference(double(x))));
  }
  for (const float x : {0.0f, -0.0f, 1.0f, INFINITY, -INFINITY, NAN, 88.72f, 88.73f, -103.9f, -104.1f, 1e-45f})
    worst = std::fmax(worst, error_in_ulp(ours(x), reference(double(x))));
  return worst;
}

}  // namespace

TEST_CASE("f32 elementary functions err by less than 1.5 units in the last place") {
  CHECK(worst_error([](float x) { return functors::exp(x); }, [](double x) { return std::exp(x); }) < 1.1);
  CHECK(worst_error([](float x) { return functors::log(x); }, [](double x) { return std::log(x); }) < 1);
  CHECK(worst_error([](float x) { return functors::tanh(x); }, [](double x) { return std::tanh(x); }) < 1.5);
  CHECK(worst_error([](float x) { return functors::exp_minus_1(x); }, [](double x) { return std::expm1(x); }) < 1.5);
}

TEST_CASE("sin and cos of turns err by less than 1.2e-7") {
  double worst = 0;
  for (int i = 0; i <= 1 << 24; i += 37) {
    const float u = float(i) * 0x1p-24f;
    const functors::SinCos t = functors::sin_cos_of_turns(u);
    worst = std::fmax(worst, std::fabs(t.sin - std::sin(2 * M_PI * double(u))));
    worst = std::fmax(worst, std::fabs(t.cos - std::cos(2 * M_PI * double(u))));
  }
  CHECK(worst < 1.2e-7);
}
