// Direct convolution of one channel into at most 8 (the first layer of LeNet), where a vector of output channels would
// leave half of its 16 lanes empty: neighbouring output pixels share it. Their inputs are neighbours in memory too, so
// one broadcast of 64 bits feeds both. Lanes hold (channel, pixel of the pair). AVX-512 only.
#include <cstring>

#include "kernels/cpu/direct.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

#if defined(__AVX512F__)

using V = Vec<float>;

// Lane l of the result is lane order[l].
struct Order {
  __m512i lanes;
  V operator()(V v) const { return {_mm512_maskz_permutexvar_ps(0xffff, lanes, v.v)}; }

  // From (channel, pixel) to (pixel, channel), as y lies in memory; and back.
  static Order pixel_first(std::int64_t k) {
    return make([k](int l) { return l < 2 * k ? l % k * 2 + l / k : l; });
  }
  static Order channel_first(std::int64_t k) {
    return make([k](int l) { return l < 2 * k ? l % 2 * k + l / 2 : l; });
  }

 private:
  template <typename F>
  static Order make(F&& f) {
    alignas(64) int lanes[16];
    for (int l = 0; l < 16; ++l) lanes[l] = static_cast<int>(f(l));
    return {_mm512_load_si512(lanes)};
  }
};

struct Pairs {
  static constexpr int kVectors = 1;
  static V broadcast(const float* number) {
    double pair;
    std::memcpy(&pair, number, sizeof pair);
    return {_mm512_castpd_ps(_mm512_set1_pd(pair))};
  }
};
struct PairsToPixels : Pairs {
  Order order;
  static V arrange(V vector) { return vector; }
  V finish(V result) const { return order(result); }
};
struct PairsFromPixels : Pairs {
  Order order;
  V arrange(V vector) const { return order(vector); }
  static V finish(V result) { return result; }
};

// Rows of a tile: pairs of output pixels.
void forward(const DirectSizes& g, const float* x, const float* weight, const float* bias, float* y) {
  const std::int64_t taps = g.r * g.s, lanes = 2 * g.k;
  const Buffer<float> packed(taps * lanes), start(lanes);
  for (std::int64_t l = 0; l < lanes; ++l) {
    start[l] = bias ? bias[l / 2] : 0;
    for (std::int64_t tap = 0; tap < taps; ++tap) packed[tap * lanes + l] = weight[l / 2 * taps + tap];
  }
  const Walk walk{g.r, g.s, g.dilation.h * g.line, 1, g.s * lanes, lanes};
  const PairsToPixels access{{}, Order::pixel_first(g.k)};
  parallel_for(g.n, 1 + 100'000 / (g.p * g.q * g.k * taps + 1), [&](std::int64_t begin, std::int64_t end) {
    const Buffer<float> space(g.padded_elements());
    for (std::int64_t n = begin; n < end; ++n) {
      std::int64_t q = 0;
      const float* row = padded_image(g, x, n, space.data());
      const float* pixel = row;
      const auto next_pair = [&](std::int64_t) {
        const float* here = pixel;
        pixel += 2;
        if ((q += 2) == g.q) q = 0, pixel = row += g.row_segment();
        return here;
      };
      compute_tiles<float>(walk, g.p * g.q / 2, next_pair, packed.data(), lanes, y + n * g.p * g.q * g.k, lanes,
                           start.data(), 0, access);
    }
  });
}

// Rows of a tile: taps, and one row of ones for dbias. Even and odd pixels are summed in lanes of their own, and added
// at the end. Part i sums over its range of images; the parts are added in order.
void backward_weight(const DirectSizes& g, const float* x, const float* dy, float* dw, float* dbias) {
  const std::int64_t parts = std::clamp<std::int64_t>(g.n, 1, kWeightParts), taps = g.r * g.s, lanes = 2 * g.k;
  const std::int64_t rows = taps + (dbias ? 1 : 0), size = rows * lanes;
  const std::int64_t reach = dbias ? (g.p - 1) * g.row_segment() + g.q : 0;
  const Buffer<float> sums(parts * size), ones(reach);
  std::fill_n(ones.data(), reach, 1.0f);
  const Walk walk{g.p, g.q / 2, g.row_segment(), 2, g.q * g.k, lanes};
  const PairsFromPixels access{{}, Order::channel_first(g.k)};
  parallel_parts(parts, [&](std::int64_t part) {
    float* sum = sums.data() + part * size;
    std::fill_n(sum, size, 0.0f);
    const Buffer<float> space(g.padded_elements());
    for (std::int64_t n = g.n * part / parts; n < g.n * (part + 1) / parts; ++n) {
      const float* image = padded_image(g, x, n, space.data());
      const auto row = [&](std::int64_t i) {
        return i < taps ? image + i / g.s * g.dilation.h * g.line + i % g.s : ones.data();
      };
      compute_tiles<float>(walk, rows, row, dy + n * g.p * g.q * g.k, lanes, sum, lanes, sum, lanes, access);
    }
  });
  for (std::int64_t part = 1; part < parts; ++part)
    for (std::int64_t i = 0; i < size; ++i) sums[i] += sums[part * size + i];
  for (std::int64_t k = 0; k < g.k; ++k) {
    const auto both = [&](std::int64_t i) { return sums[i * lanes + 2 * k] + sums[i * lanes + 2 * k + 1]; };
    for (std::int64_t tap = 0; tap < taps; ++tap) dw[k * taps + tap] = both(tap);
    if (dbias) dbias[k] = both(taps);
  }
}

void run_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  forward(DirectSizes(x.shape(), weight.shape(), o), x.data<float>(), weight.data<float>(),
          bias.defined() ? bias.data<float>() : nullptr, y.data<float>());
}
void run_backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  backward_weight(DirectSizes(x.shape(), dw.shape(), o), x.data<float>(), dy.data<float>(), dw.data<float>(),
                  dbias.defined() ? dbias.data<float>() : nullptr);
}

std::string refuse(const Tensor& x, const Tensor& out, const Conv2dOptions& o) {
  if (x.dtype() != DType::f32) return message("x is ", x.dtype());
  if (x.size(1) != 1) return "more than one input channel";
  if (out.size(1) > V::kLanes / 2) return "more than 8 output channels";
  if (out.size(3) % 2 != 0 || o.stride.w != 1) return "output pixels do not come in pairs";
  return refuse_direct(x, out, o);
}
std::string refuse_forward(const Tensor& x, const Tensor&, const Tensor&, Conv2dOptions o, const Tensor& y) {
  return refuse(x, y, o);
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  return dw.contiguous_format() ? refuse(x, dy, o) : "dw is not contiguous";
}

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add(
        {.device = kThisDevice, .name = "cpu.pairs", .rank = 10, .refuse = refuse_forward, .run = run_forward}),
    conv2d_backward_weight.add(
        {.device = kThisDevice, .name = "cpu.pairs", .rank = 10, .refuse = refuse_weight, .run = run_backward_weight}),
};

#endif

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
