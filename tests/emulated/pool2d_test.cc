// Pooling kernels give the CPU's bits, since both add in one order: packs of channels and single ones, slices of wider
// buffers, windows that overlap, leave gaps or hang over the border, equals and NaN.
#include "core/ops/pool2d.h"

#include <cmath>

#include "core/ops/copy.h"
#include "tests/catch.h"
#include "tests/emulated/draws.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::integers;
using tests::kEmulated;
using tests::same_bits;
using tests::uniform;

namespace {

struct Window {
  const char* name;
  Pool2dOptions options;
};
const Window kWindows[] = {
    {"tiles", {.kernel = 2, .stride = 2}},
    {"overlapping", {.kernel = 3, .stride = 1, .padding = 1}},
    {"overlapping by steps", {.kernel = {3, 5}, .stride = 2, .padding = {1, 2}}},
    {"inside only", {.kernel = 3, .stride = 2, .padding = 1, .count_include_pad = false}},
    {"hanging over", {.kernel = 3, .stride = 2, .ceil_mode = true}},
    {"of more than 255 places", {.kernel = {16, 17}, .stride = 3, .padding = 8}},
    {"gaps", {.kernel = {1, 2}, .stride = {3, 4}}},
};

// x, and the same elements on the device, where they may be a slice of wider pixels.
struct Images {
  Tensor here, there;
  Images(const Shape& shape, DType dtype, MemoryFormat format, std::int64_t pitch, std::uint64_t seed) {
    here = integers(shape, -9, 9, seed).to(dtype).to(format);  // with equals
    Shape wide = shape;
    wide[1] = pitch;
    there = empty(wide, {.dtype = dtype, .device = kEmulated, .format = format}).slice(1, 0, shape[1]);
    copy_forward(here.to(kEmulated), there);
  }
};

void check_max(const Images& x, const Images& dy, const Pool2dOptions& o) {
  const Tensor y = empty_like(x.here, dy.here.shape()), y_there = empty_like(dy.there);
  const DType places = pool2d_index_dtype(o);
  const Tensor index = empty(dy.here.shape(), {places, Device{}, x.here.format()});
  const Tensor index_there = empty(dy.here.shape(), {places, kEmulated, x.here.format()});
  max_pool2d_forward(x.here, o, y, index);
  max_pool2d_forward(x.there, o, y_there, index_there);
  CHECK(same_bits(y, y_there));
  CHECK(same_bits(index, index_there));
  max_pool2d_forward(x.there, o, y_there, {});
  CHECK(same_bits(y, y_there));
  const Tensor dx = empty_like(x.here), dx_there = empty_like(x.there);
  max_pool2d_backward(dy.here, index, o, dx);
  max_pool2d_backward(dy.there, index_there, o, dx_there);
  CHECK(same_bits(dx, dx_there));
}
void check_average(const Images& x, const Images& dy, const Pool2dOptions& o) {
  const Tensor y = empty_like(x.here, dy.here.shape()), y_there = empty_like(dy.there);
  avg_pool2d_forward(x.here, o, y);
  avg_pool2d_forward(x.there, o, y_there);
  CHECK(same_bits(y, y_there));
  const Tensor dx = empty_like(x.here), dx_there = empty_like(x.there);
  avg_pool2d_backward(dy.here, o, dx);
  avg_pool2d_backward(dy.there, o, dx_there);
  CHECK(same_bits(dx, dx_there));
}

}  // namespace

TEST_CASE("pooling kernels give the CPU's bits") {
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16})
    for (const auto& [format, channels, pitch] :
         {std::tuple{MemoryFormat::contiguous, 3, 3}, std::tuple{MemoryFormat::channels_last, 16, 16},
          std::tuple{MemoryFormat::channels_last, 16, 24}, std::tuple{MemoryFormat::channels_last, 8, 13},
          std::tuple{MemoryFormat::channels_last, 5, 5}})
      for (const Window& window : kWindows) {
        INFO(message(dtype, " ", format, " channels ", channels, " pitch ", pitch, " ", window.name));
        Pool2dOptions o = window.options;
        const Shape shape = {2, channels, 7, 9}, pooled = pool2d_shape(shape, o, "test");
        const Images x(shape, dtype, format, pitch, 1), dy(pooled, dtype, format, pitch, 2);
        check_max(x, dy, o);
        check_average(x, dy, o);
      }
}

TEST_CASE("max pooling kernels let NaN win and start below every number") {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  const Tensor x = tensor({1, 1, 2, 4}, {1, nan, -infinity, -infinity, 5, 2, -infinity, -infinity});
  const std::vector<double> y = max_pool2d(x.to(kEmulated), {.kernel = 2}).to_vector();
  CHECK(std::isnan(y[0]));
  CHECK(y[1] == -infinity);
}

TEST_CASE("the average over whole images is a reduction, with or without packs") {
  for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
    const Tensor x = uniform({2, 8, 5, 6}, -1, 1, DType::f64, 1).to(format);
    const std::vector<double> here = global_avg_pool2d(x).to_vector();
    const std::vector<double> there = global_avg_pool2d(x.to(kEmulated)).to_vector();
    for (std::size_t i = 0; i < here.size(); ++i) CHECK(there[i] == Approx(here[i]).epsilon(1e-14));
  }
}
