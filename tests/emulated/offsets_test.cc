// The index arithmetic of kernels over strided tensors: sizes that no test has the memory for.
#include "kernels/offsets.h"

#include <set>

#include "core/random.h"
#include "tests/catch.h"

using namespace weft;

namespace {

constexpr std::int64_t kLimit = std::int64_t{1} << 31;

using Axes = MergedAxes<2>;
// What the pieces of two tensors say: their elements, and where each begins.
struct Pieces {
  std::int64_t elements = 0;
  std::set<std::array<std::int64_t, 2>> starts;
};
Pieces cut(const Axes& axes) {
  Pieces pieces;
  for_each_piece(axes, [&](const Axes& piece, const std::array<std::int64_t, 2>& start) {
    pieces.elements += piece.elements();
    CHECK(pieces.starts.insert(start).second);
    for (int k = 0; k < 2; ++k) {
      std::int64_t last = 0;
      for (int i = 0; i < piece.axes; ++i) last += (piece.size[i] - 1) * piece.stride[k][i];
      CHECK(last < kLimit);
    }
  });
  return pieces;
}
Strides row_major(const Shape& shape) { return canonical_strides(shape, MemoryFormat::contiguous); }

}  // namespace

TEST_CASE("division by multiplication is exact below 2^31") {
  const RandomStream stream{1, 2};
  std::vector<unsigned> numbers{0, 1,   2,     3,     4,     5,          7,          8,
                                9, 641, 65535, 65536, 65537, 0x3fffffff, 0x40000000, 0x7fffffff};
  for (std::uint64_t i = 0; i < 300; ++i) numbers.push_back(random_word(stream, i) >> (1 + i % 31));
  for (const unsigned divisor : numbers) {
    if (divisor == 0) continue;
    const Divisor by(divisor);
    for (unsigned n : numbers)
      for (const unsigned near : {n, n - n % divisor, n - n % divisor - 1})
        if (near < kLimit && by.quotient(near) != near / divisor) FAIL(near << " / " << divisor);
  }
}

TEST_CASE("a linear index leads to the element's place") {
  const Shape shape{3, 4, 5, 6};
  const Strides x{200, 1, 40, 5}, y{1, 3, 12, 60};
  const Axes axes(shape, {x, y}, 1);
  const Offsets<2> offsets(axes);
  CHECK(offsets.items == 360);
  std::set<std::pair<unsigned, unsigned>> found, expected;
  for (unsigned item = 0; item < offsets.items; ++item) {
    unsigned at[2];
    offsets.locate(item, at);
    CHECK(at[1] == item);  // y's memory order
    found.insert({at[0], at[1]});
  }
  for (unsigned i = 0; i < 360; ++i) {
    const unsigned n = i / 120, c = i / 30 % 4, h = i / 6 % 5, w = i % 6;
    expected.insert({n * 200 + c + h * 40 + w * 5, n + c * 3 + h * 12 + w * 60});
  }
  CHECK(found == expected);
}

TEST_CASE("tensors beyond 2^31 elements are cut into pieces that fit") {
  const Shape large{5, 1 << 20, 1 << 12};
  const Pieces dense = cut(Axes(large, {row_major(large), row_major(large)}, 1));
  CHECK(dense.elements == large.elements());
  CHECK(dense.starts.size() <= 16);
  for (const auto& start : dense.starts) CHECK(start[0] % 64 == 0);

  // A transposed view: the axis that reaches furthest in x is the innermost of y.
  const Shape square{70000, 70000};
  const Pieces transposed = cut(Axes(square, {Strides{1, 70000}, Strides{70000, 1}}, 1));
  CHECK(transposed.elements == square.elements());

  // Few elements, far apart.
  const Shape few{3, 5};
  const Pieces sparse = cut(Axes(few, {Strides{kLimit, 1}, row_major(few)}, 1));
  CHECK(sparse.elements == 15);
  CHECK(sparse.starts == std::set<std::array<std::int64_t, 2>>{{0, 0}, {kLimit, 5}, {2 * kLimit, 10}});

  CHECK(cut(Axes(Shape{0, 5}, {row_major({0, 5}), row_major({0, 5})}, 1)).starts.empty());
}
