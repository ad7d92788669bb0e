// The arena: flat, in reverse member order, aligned, keeping values and gradients, noticing a moved module.

#include "core/arena.h"

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor parameter(const Shape& shape, double value) {
  Tensor p = full(shape, value);
  p.set_requires_grad();
  return p;
}

}  // namespace

TEST_CASE("parameters and gradients lie flat, in reverse member order, group after group") {
  const Tensor a = parameter({3}, 1), b = parameter({2, 5}, 2), c = parameter({20}, 3);
  sum(b * 4.0).backward();
  const std::vector<Tensor> groups[] = {{a, b}, {c}};
  const Arena arena{groups};
  REQUIRE(arena.parameters().size() == 3);
  const auto values = arena.values().values<float>();
  const auto& ranges = arena.parameters();
  for (const ArenaRange& r : ranges) CHECK(r.begin % 16 == 0);
  CHECK(values[static_cast<std::size_t>(ranges[0].begin)] == 2);  // b, the last of its group, comes first
  CHECK(values[static_cast<std::size_t>(ranges[1].begin)] == 1);
  CHECK(values[static_cast<std::size_t>(ranges[2].begin)] == 3);
  CHECK(arena.groups()[1].begin == ranges[2].begin);
  CHECK(b.raw() == static_cast<const void*>(values.data() + ranges[0].begin));
  CHECK(b.grad().to_vector() == std::vector<double>(10, 4));
  CHECK(a.storage()->version == 0);

  arena.zero_grad();
  sum(a * a).backward();
  arena.complete_gradients();
  const auto gradients = arena.gradients().values<float>();
  CHECK(gradients[static_cast<std::size_t>(ranges[1].begin)] == 2);
  CHECK(gradients[static_cast<std::size_t>(ranges[0].begin)] == 0);
  CHECK(gradients[static_cast<std::size_t>(ranges[2].begin)] == 0);
  CHECK_NOTHROW(arena.check_in_place("step"));
  const_cast<Tensor&>(a).body()->storage = empty({3}).storage();
  CHECK_THROWS_WITH(arena.check_in_place("step"), contains("was moved after the optimizer was built"));
}

TEST_CASE("what cannot share an arena is refused") {
  const Tensor a = parameter({3}, 1);
  Tensor d = zeros({2}, {.dtype = DType::f64});
  d.set_requires_grad();
  const auto build = [](std::vector<Tensor> parameters) { return Arena(std::span(&parameters, 1)); };
  CHECK_THROWS_WITH(build({a, d}), contains("share dtype and device"));
  CHECK_THROWS_WITH(build({a, a}), contains("given twice"));
  CHECK_THROWS_WITH(build({zeros({2})}), contains("must be leaves"));
}
