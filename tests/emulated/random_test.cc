// Random numbers, permutations and dropout on the emulated device: the CPU's bits, whatever the dtype, the length, the
// address and the memory format.
#include "core/ops/random.h"

#include <algorithm>

#include "core/ops/dropout.h"
#include "tests/catch.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::kEmulated;
using tests::same_bits;

namespace {

constexpr DType kFloating[] = {DType::f32, DType::f64, DType::f16, DType::bf16};
const Draw kDraws[] = {{Distribution::uniform, -1, 3},
                       {Distribution::uniform, 2, 2},
                       {Distribution::normal, 2, 0.5},
                       {Distribution::truncated_normal, 0, 1, -0.1f, 0.2f},
                       {Distribution::bernoulli, 0.3f}};
const RandomStream kStream{0x123456789abcdef0, stream_number(RandomPurpose::user, 77)};

Tensor drawn(const Draw& draw, std::int64_t n, std::int64_t offset, DType dtype, Device device) {
  const Tensor buffer = zeros({n + 9}, {.dtype = dtype, .device = device});
  random_forward(draw, kStream, buffer.slice(0, offset, offset + n));
  return buffer;
}
Tensor permuted(std::int64_t n, Device device) {
  const Tensor y = empty({n}, {.dtype = DType::i64, .device = device});
  permutation_forward(kStream, y);
  return y;
}
Tensor laid_out(const Tensor& x, bool channels_innermost, Device device) {
  if (!channels_innermost) return x.to(device);
  return x.permute({0, 2, 3, 1}).contiguous().to(device).permute({0, 3, 1, 2});
}
Tensor dropped(const Tensor& x, bool x_innermost, bool y_innermost, Device device) {
  const Tensor y = laid_out(zeros(x.shape(), {.dtype = x.dtype()}), y_innermost, device);
  dropout_forward(0.3, kStream, laid_out(x, x_innermost, device), y);
  return y;
}

}  // namespace

TEST_CASE("every distribution gives the CPU's bits") {
  for (const Draw& draw : kDraws)
    for (const DType dtype : kFloating)
      for (const std::int64_t n : {0, 1, 3, 4, 1023, 5000, 40'001})
        for (const std::int64_t offset : {0, 1, 8}) {
          INFO(int(draw.distribution) << " " << to_string(dtype) << " n " << n << " from " << offset);
          CHECK(same_bits(drawn(draw, n, offset, dtype, Device{}), drawn(draw, n, offset, dtype, kEmulated)));
        }
}

TEST_CASE("random numbers of a channels-last tensor are those of its row-major order") {
  const Tensor x = empty({2, 3, 4, 5}, {.device = kEmulated, .format = MemoryFormat::channels_last});
  const Tensor expected = empty({2, 3, 4, 5});
  normal_(x, 0, 1, kStream);
  normal_(expected, 0, 1, kStream);
  CHECK(same_bits(x, expected));
}

TEST_CASE("a permutation is the CPU's") {
  for (const std::int64_t n : {0, 1, 2, 31, 2047, 2048, 2049, 140'003}) {
    INFO(n);
    const Tensor y = permuted(n, kEmulated);
    CHECK(same_bits(permuted(n, Device{}), y));
    auto numbers = y.to_vector();
    std::sort(numbers.begin(), numbers.end());
    for (std::size_t i = 0; i < numbers.size(); ++i)
      if (numbers[i] != double(i)) FAIL("number " << i << " is missing");
  }
}

TEST_CASE("dropout gives the CPU's bits in any layout") {
  for (const DType dtype : kFloating)
    for (const Shape& shape :
         {Shape{2, 3, 5, 7}, Shape{2, 4, 4, 8}, Shape{1, 1, 1, 1}, Shape{0, 3, 2, 2}, Shape{2, 30, 11, 101}}) {
      const Tensor x = empty(shape, {.dtype = dtype});
      normal_(x, 0, 1, {3, 4});
      for (const bool from : {false, true})
        for (const bool to : {false, true}) {
          INFO(to_string(dtype) << " " << to_string(shape) << " channels innermost: " << from << to);
          CHECK(same_bits(dropped(x, from, to, Device{}), dropped(x, from, to, kEmulated)));
        }
    }
}

TEST_CASE("dropout of a tensor at a misaligned address gives the CPU's bits") {
  for (const DType dtype : kFloating) {
    const Tensor x = empty({1030}, {.dtype = dtype});
    normal_(x, 0, 1, {3, 4});
    const auto run = [&](Device device) {
      const Tensor y = zeros({1030}, {.dtype = dtype, .device = device});
      dropout_forward(0.6, kStream, x.to(device).slice(0, 1, 1028), y.slice(0, 3, 1030));
      return y;
    };
    CHECK(same_bits(run(Device{}), run(kEmulated)));
  }
}
