// Copies between layouts move bits: every size of word, every size of tile and its remainders, pitches on both sides.
#include "core/ops/copy.h"

#include <cstring>

#include "core/tensor.h"
#include "tests/catch.h"

using namespace weft;

namespace {

// Bytes that repeat nowhere near each other, NaNs of all kinds among them.
Tensor bits(const Shape& shape, DType dtype) {
  const Tensor x = empty(shape, {.dtype = dtype});
  auto* bytes = static_cast<unsigned char*>(x.raw());
  for (std::size_t i = 0; i < x.bytes(); ++i) bytes[i] = static_cast<unsigned char>((i * 0x9e3779b97f4a7c15u) >> 37);
  return x;
}

// How many words of y (rows, columns) are not those of x, both read through their strides.
std::int64_t differences(const Tensor& x, const Tensor& y) {
  const auto bytes = static_cast<std::int64_t>(bytes_of(x.dtype()));
  const auto word = [bytes](const Tensor& t, std::int64_t r, std::int64_t c) {
    return static_cast<const char*>(t.raw()) + (r * t.strides()[0] + c * t.strides()[1]) * bytes;
  };
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < x.size(0); ++r)
    for (std::int64_t c = 0; c < x.size(1); ++c)
      count += std::memcmp(word(x, r, c), word(y, r, c), std::size_t(bytes)) != 0;
  return count;
}

const std::int64_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 70};

}  // namespace

TEST_CASE("a transposed copy has the bits of its source") {
  for (const DType dtype : {DType::u8, DType::bf16, DType::f32, DType::f64})
    for (const std::int64_t rows : kSizes)
      for (const std::int64_t columns : kSizes) {
        const Tensor x = bits({columns, rows}, dtype).transpose();
        const Tensor y = x.contiguous();
        INFO(to_string(dtype) << ' ' << rows << " x " << columns);
        REQUIRE(differences(x, y) == 0);
      }
}

TEST_CASE("a transposed copy between slices writes nothing beside them") {
  for (const DType dtype : {DType::u8, DType::f16, DType::f32, DType::i64})
    for (const std::int64_t rows : kSizes)
      for (const std::int64_t columns : kSizes) {
        const Tensor x =
            bits({columns + 3, rows + 5}, dtype).slice(0, 2, columns + 2).slice(1, 1, rows + 1).transpose();
        const Tensor whole = bits({rows + 2, columns + 7}, dtype), before = whole.clone();
        const auto middle = [&](const Tensor& t) { return t.slice(0, 1, rows + 1).slice(1, 4, columns + 4); };
        copy_(middle(whole), x);
        INFO(to_string(dtype) << ' ' << rows << " x " << columns);
        REQUIRE(differences(x, middle(whole)) == 0);
        copy_(middle(whole), middle(before));
        REQUIRE(differences(whole, before) == 0);
      }
}

TEST_CASE("large matrices and batches of them are transposed part by part") {
  for (const Shape& shape : {Shape{1, 3000, 20}, Shape{1, 20, 3000}, Shape{1, 1100, 1050}, Shape{40, 70, 90}}) {
    const Tensor x = bits(shape, DType::f32).transpose();
    const Tensor y = x.contiguous();
    INFO(to_string(shape));
    for (std::int64_t n = 0; n < shape[0]; ++n) REQUIRE(differences(x.select(0, n), y.select(0, n)) == 0);
  }
}
