// What the op table does not say of picking and joining: values to read, bounds, repeated indices, error texts.
#include "core/ops/index.h"

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "tests/catch.h"

using namespace weft;

namespace {

using Values = std::vector<double>;
Tensor indices(std::initializer_list<double> values) {
  return tensor({std::int64_t(values.size())}, values, {.dtype = DType::i64});
}

}  // namespace

TEST_CASE("one_hot of 0 and 2 over 28 classes", "[L10]") {
  const Tensor y = one_hot(indices({0, 2}), 28);
  CHECK(y.shape() == Shape{2, 28});
  CHECK(sum(y).item() == 2);
  CHECK(y.select(0, 0).to_vector()[0] == 1);
  CHECK(y.select(0, 1).to_vector()[2] == 1);
  CHECK(one_hot(indices({1}), 2, DType::i64).dtype() == DType::i64);
}

TEST_CASE("an index out of range is named with its position") {
  const Tensor x = ones({3, 4});
  CHECK_THROWS_WITH(one_hot(indices({0, 5}), 3), contains("one_hot: index 5 at position 1 is outside [0, 3)"));
  CHECK_THROWS_WITH(index_select(x, 0, indices({0, -1})), contains("index -1 at position 1 is outside [0, 3)"));
  CHECK_THROWS_WITH(gather(x, 1, indices({4}).reshape({1, 1})), contains("index 4 at position 0 is outside [0, 4)"));
  CHECK_THROWS_WITH(index_select(x, 0, ones({2})), contains("index_select: needs an index of an integer type"));
  CHECK_THROWS_WITH(gather(x, 0, indices({0})), contains("must have the rank of x (3, 4)"));
}

TEST_CASE("a row picked twice gets both gradients") {
  const Tensor x = ones({3, 2}, {.dtype = DType::f64});
  x.set_requires_grad();
  sum(index_select(x, 0, indices({2, 0, 2}))).backward();
  CHECK(x.grad().to_vector() == Values{1, 1, 0, 0, 2, 2});
}

TEST_CASE("split gives views, concat puts them together again") {
  const Tensor x = arange(24).reshape({2, 6, 2});
  const Tensors parts = split(x, {1, 2, 3}, 1);
  CHECK(parts[1].shape() == Shape{2, 2, 2});
  CHECK(parts[1].storage() == x.storage());
  CHECK(concat(parts, 1).to_vector() == x.to_vector());
  CHECK_THROWS_WITH(split(x, {1, 2}, 1), contains("split: the sizes add up to 3 but axis 1 of (2, 6, 2) has 6"));
  CHECK_THROWS_WITH(split(x, {4, 4}, 1), contains("split: the sizes exceed axis 1"));
}

TEST_CASE("a split of which one part is used gives zero gradients elsewhere") {
  const Tensor x = ones({5}, {.dtype = DType::f64});
  x.set_requires_grad();
  sum(split(x, {2, 3}, 0)[0] * 3).backward();
  CHECK(x.grad().to_vector() == Values{3, 3, 0, 0, 0});
}

TEST_CASE("concat keeps channels-last when all have it, and refuses what does not fit") {
  const Tensor x = ones({2, 3, 4, 4}), last = x.to(MemoryFormat::channels_last);
  CHECK(concat({last, last}, 1).channels_last());
  CHECK(concat({last, x}, 1).contiguous_format());
  CHECK_THROWS_WITH(concat({x, ones({2, 3, 4, 5})}, 1), contains("concat: tensor 1 is (2, 3, 4, 5)"));
  CHECK_THROWS_WITH(concat({x, x.to(DType::f64)}, 1), contains("concat: tensor 1 is f64"));
}
