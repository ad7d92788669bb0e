// Copies on the emulated device give the CPU's bits: all pairs of dtypes, all ways two layouts can meet, addresses that
// are no multiples of a pack, and nothing outside the target is touched.
#include "core/ops/copy.h"

#include <cmath>
#include <functional>

#include "tests/catch.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::kEmulated;
using tests::same_bits;

namespace {

constexpr DType kDTypesToTest[] = {DType::f32, DType::f64, DType::f16, DType::bf16,
                                   DType::i32, DType::i64, DType::u8,  DType::boolean};

// Values that round, overflow, saturate or are not numbers, in some order that never repeats along an axis.
Tensor awkward(const Shape& shape, DType dtype) {
  const double special[] = {0,        -0.0,   1,    -1,    0.1,      65519.99,  65520, 1e30,        -1e30,
                            3.0e9,    -3.0e9, 1e19, -7.9,  255.5,    256,       1e-7,  6e-8,        1.00049,
                            2049.001, 1e300,  -129, 3e-39, INFINITY, -INFINITY, NAN,   2147483647.5};
  constexpr std::size_t count = std::size(special);
  std::vector<double> values(std::size_t(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = i % 3 == 0 ? special[i / 3 % count] : double(i % 251) - 99;
  const Tensor y = empty(shape, {.dtype = dtype});
  copy_(y, tensor(shape, values, {.dtype = DType::f64}));
  return y;
}

// A way to look at a buffer as a tensor (n, c, h, w).
struct View {
  const char* name;
  std::function<Shape(const Shape& shape)> buffer;
  std::function<Tensor(const Tensor& buffer, const Shape& shape)> look;
};
const std::vector<View> kViews = {
    {"contiguous", [](const Shape& s) { return s; }, [](const Tensor& b, const Shape&) { return b; }},
    {"channels innermost",
     [](const Shape& s) {
       return Shape{s[0], s[2], s[3], s[1]};
     },
     [](const Tensor& b, const Shape&) {
       return b.permute({0, 3, 1, 2});
     }},
    {"transposed",
     [](const Shape& s) {
       return Shape{s[3], s[2], s[1], s[0]};
     },
     [](const Tensor& b, const Shape&) {
       return b.permute({3, 2, 1, 0});
     }},
    {"rows of a wider buffer",
     [](const Shape& s) {
       return Shape{s[0], s[1], s[2], s[3] + 5};
     },
     [](const Tensor& b, const Shape& s) { return b.slice(3, 1, 1 + s[3]); }},
    {"aligned rows of a wider buffer",
     [](const Shape& s) {
       return Shape{s[0], s[1], s[2], s[3] + 16};
     },
     [](const Tensor& b, const Shape& s) { return b.slice(3, 16, 16 + s[3]); }},
    {"every second",
     [](const Shape& s) {
       return Shape{s[0], s[1], s[2], 2 * s[3]};
     },
     [](const Tensor& b, const Shape& s) { return b.slice(3, 0, 2 * s[3], 2); }},
    {"misaligned", [](const Shape& s) { return Shape{s.elements() + 1}; },
     [](const Tensor& b, const Shape& s) { return b.slice(0, 1, 1 + s.elements()).reshape(s); }},
};

// What is in y's buffer after y = x, on the device.
Tensor copied(const Tensor& x_buffer, const View& x, DType to, const View& y, const Shape& shape, Device device) {
  const Tensor target = awkward(y.buffer(shape), to).to(device);
  copy_(y.look(target, shape), x.look(x_buffer.to(device), shape));
  return target.to(Device{});
}
void check_copies(DType from, DType to, const Shape& shape) {
  for (const View& x : kViews)
    for (const View& y : kViews) {
      INFO(to_string(from) << " " << x.name << " to " << to_string(to) << " " << y.name << " " << to_string(shape));
      const Tensor source = awkward(x.buffer(shape), from);
      CHECK(same_bits(copied(source, x, to, y, shape, Device{}), copied(source, x, to, y, shape, kEmulated)));
    }
}

}  // namespace

TEST_CASE("copies between all dtypes and layouts give the CPU's bits") {
  for (const DType from : kDTypesToTest)
    for (const DType to : kDTypesToTest) check_copies(from, to, {2, 3, 4, 7});
}

TEST_CASE("copies through tiles give the CPU's bits") {
  for (const DType dtype : kDTypesToTest) check_copies(dtype, dtype, {2, 33, 5, 13});
  for (const DType from : {DType::f32, DType::f64, DType::f16, DType::bf16})
    for (const DType to : {DType::f32, DType::f64, DType::f16, DType::bf16}) check_copies(from, to, {1, 67, 1, 66});
  check_copies(DType::f32, DType::f32, {2, 16, 8, 32});
  check_copies(DType::bf16, DType::bf16, {2, 16, 8, 32});
}

TEST_CASE("copies larger than a grid give the CPU's bits") {
  for (const DType to : {DType::f32, DType::bf16, DType::i32}) check_copies(DType::f32, to, {2, 200, 3, 301});
}

TEST_CASE("a repeated source and an empty one are copied") {
  const Tensor row = awkward({1, 5, 1, 16}, DType::f32);
  const Tensor x = row.expand({3, 5, 4, 16}), y = row.to(kEmulated).expand({3, 5, 4, 16});
  CHECK(same_bits(x.contiguous(), y.contiguous()));
  CHECK(same_bits(x.to(MemoryFormat::channels_last), y.to(MemoryFormat::channels_last)));
  CHECK(same_bits(empty({0, 3}).to(DType::f16), empty({0, 3}, {.device = kEmulated}).to(DType::f16)));
}

TEST_CASE("fills give the CPU's bits and touch nothing else") {
  const Shape shape{2, 3, 4, 7};
  for (const DType dtype : kDTypesToTest)
    for (const View& view : kViews)
      for (const double value : {2.5, -1e30, 65519.99, double(NAN)}) {
        INFO(to_string(dtype) << " " << view.name << " " << value);
        const Tensor expected = awkward(view.buffer(shape), dtype), y = expected.to(kEmulated);
        fill_(view.look(expected, shape), value);
        fill_(view.look(y, shape), value);
        CHECK(same_bits(expected, y));
      }
  CHECK(same_bits(full({150'003}, 1.5), full({150'003}, 1.5, {.device = kEmulated})));
}
