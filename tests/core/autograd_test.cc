// The engine: order, accumulation, versions, lifetime of the graph, errors. Derivatives of single ops are the op
// table's business.

#include "core/autograd.h"

#include <thread>

#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "tests/catch.h"

using namespace weft;

namespace {

const TensorOptions kDouble{.dtype = DType::f64};

Tensor leaf(const Shape& shape, std::initializer_list<double> values) {
  Tensor x = tensor(shape, values, kDouble);
  x.set_requires_grad();
  return x;
}

}  // namespace

TEST_CASE("2 x.x at 0 1 2 3 is 28 with gradient 4x, then sum(x) gives ones", "[M1]") {
  const Tensor x = leaf({4}, {0, 1, 2, 3});
  const Tensor y = 2.0 * sum(x * x);
  CHECK(y.item() == 28);
  y.backward();
  CHECK(x.grad().to_vector() == std::vector<double>{0, 4, 8, 12});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  sum(x).backward();
  CHECK(x.grad().to_vector() == std::vector<double>{1, 1, 1, 1});
}

TEST_CASE("the gradient of x1^2 + 2 x2^2 at (1, 1) is (2, 4)", "[M1]") {
  const Tensor x = leaf({2}, {1, 1});
  sum(square(x) * tensor({2}, {1, 2}, kDouble)).backward();
  CHECK(x.grad().to_vector() == std::vector<double>{2, 4});
}

TEST_CASE("gradients accumulate until they are zeroed, over several uses and several backwards", "[M5]") {
  const Tensor x = leaf({2}, {3, 5});
  sum(x * x + x).backward();
  CHECK(x.grad().to_vector() == std::vector<double>{7, 11});
  sum(x).backward();
  CHECK(x.grad().to_vector() == std::vector<double>{8, 12});
}

TEST_CASE("backward of a non-scalar takes the vector it is multiplied with", "[M7]") {
  const Tensor x = leaf({4}, {0, 1, 2, 3});
  const Tensor y = x * x;
  CHECK_THROWS_WITH(y.backward(), contains("is no scalar"));
  CHECK_THROWS_WITH(y.backward(ones({3}, kDouble)), contains("dy (3,) must have the tensor's shape (4,)"));
  y.backward(ones({4}, kDouble));
  CHECK(x.grad().to_vector() == std::vector<double>{0, 2, 4, 6});
}

TEST_CASE("detach cuts the graph: the gradient of detach(x^2) x is u", "[M7]") {
  const Tensor x = leaf({4}, {0, 1, 2, 3});
  const Tensor u = (x * x).detach();
  sum(u * x).backward();
  CHECK(x.grad().to_vector() == u.to_vector());
}

TEST_CASE("control flow is just C++: f(a) = k a has gradient f(a) / a", "[M7]") {
  for (const double start : {0.3, -1.7, 20.0}) {
    const Tensor a = leaf({}, {start});
    Tensor b = 2.0 * a;
    while (std::abs(b.item()) < 1000) b = b * 2;
    const Tensor d = b.item() > 0 ? b : 100.0 * b;
    d.backward();
    CHECK(a.grad().item() == Approx(d.item() / start));
  }
}

TEST_CASE("nothing is recorded under NoGrad or without a leaf that wants it") {
  const Tensor x = leaf({}, {2}), c = tensor({}, {2}, kDouble);
  CHECK((x * c).requires_grad());
  CHECK_FALSE((c * c).requires_grad());
  {
    const NoGrad guard;
    CHECK_FALSE(grad_enabled());
    CHECK_FALSE((x * c).requires_grad());
  }
  CHECK(grad_enabled());
  CHECK_THROWS_WITH((c * c).backward(), contains("is not part of a graph"));
}

TEST_CASE("a chain of 100,000 ops runs backward, and is dropped without one, on a small stack") {
  const Tensor x = leaf({}, {1});
  const auto chain = [&] {
    Tensor y = x;
    for (int i = 0; i < 100000; ++i) y = y + 1.0;
    return y;
  };
  chain().backward();
  CHECK(x.grad().item() == 1);
  chain();  // dropped
  SUCCEED("no stack overflow");
}

TEST_CASE("a tensor overwritten after an op saved it is reported with both ops") {
  const Tensor x = leaf({2}, {1, 2});
  const Tensor y = exp(x);
  const Tensor z = sum(y * y);
  {
    const NoGrad guard;
    mul_(y, 3.0);
  }
  CHECK_THROWS_WITH(z.backward(),
                    "backward: 'mul' saved a tensor (2,) that 'mul_' has overwritten since; clone() "
                    "before the in-place op");
}

TEST_CASE("in-place ops take part in the graph, and a leaf that wants a gradient refuses them") {
  const Tensor x = leaf({2}, {1, 2});
  CHECK_THROWS_WITH(add_(x, x), contains("would overwrite a leaf that wants a gradient"));
  const Tensor y = x * 2.0;
  add_(y, x * x);
  sum(y).backward();
  CHECK(x.grad().to_vector() == std::vector<double>{4, 6});
  // A view's write would leave its base with a history that no longer describes it.
  const Tensor base = x * 1.0;
  fill_(base.slice(0, 0, 1), 0);
  CHECK_THROWS_WITH(sum(base), contains("was overwritten by 'fill_' through another view"));
}

TEST_CASE("a second backward and a gradient of a gradient are refused, keep_graph allows the first") {
  const Tensor x = leaf({}, {3});
  const Tensor y = x * x;
  y.backward({}, true);
  y.backward();
  CHECK(x.grad().item() == 12);
  CHECK_THROWS_WITH(y.backward(), contains("the graph of 'mul' was freed by an earlier backward"));
  CHECK_THROWS_WITH(x.grad().backward(), contains("first derivatives only"));
}

TEST_CASE("a hook hears of a parameter's gradient once, when its last contribution has arrived") {
  const Tensor w = leaf({}, {2}), v = leaf({}, {5});
  std::vector<std::pair<char, double>> heard;
  on_gradient_complete(w, [&](const Tensor& p) { heard.emplace_back('w', p.grad().item()); });
  on_gradient_complete(v, [&](const Tensor& p) { heard.emplace_back('v', p.grad().item()); });
  const Tensor first = w * 3.0;
  (first * w + v).backward();  // v is used last, so its gradient is complete first
  CHECK(heard == std::vector<std::pair<char, double>>{{'v', 1}, {'w', 12}});
}

TEST_CASE("memory falls while backward proceeds") {
  Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
  const std::int64_t n = 100000;
  Tensor x = full({n}, 0.5);
  x.set_requires_grad();
  Tensor y = x;
  for (int i = 0; i < 50; ++i) y = exp(y) * 0.1;
  const std::size_t before = allocator.statistics().live_bytes;
  allocator.reset_peak();
  sum(y).backward();
  y = {};
  const std::size_t layer = n * sizeof(float);
  // Each of 50 layers keeps its exp; backward holds a few gradients at a time and frees the layers as it goes.
  CHECK(allocator.statistics().peak_bytes < before + 5 * layer);
  CHECK(allocator.statistics().live_bytes < before - 40 * layer);
}

TEST_CASE("a gradient that nobody else holds is masked in place, one that somebody holds is not") {
  Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
  Tensor x = full({1 << 20}, 0.5);
  x.set_requires_grad();
  const auto peak_of = [&](const Tensor& y, const Tensor& dy) {
    const std::size_t before = allocator.statistics().live_bytes;
    allocator.reset_peak();
    y.backward(dy);
    return static_cast<double>(allocator.statistics().peak_bytes - before) / static_cast<double>(x.bytes());
  };
  const Tensor dy = full({1 << 20}, 2);
  // One gradient for all four, and one that is handed to x.
  CHECK(peak_of(relu(relu(relu(relu(x) * 3) * 3) * 3), dy) < 1.5);
  CHECK(dy.to_vector() == std::vector<double>(1 << 20, 2));  // the caller's
  CHECK(x.grad().to_vector() == std::vector<double>(1 << 20, 54));
  x.zero_grad();
  // add gives both its inputs the same dy; one of the two ReLUs masks it.
  const Tensor negative = relu(x * -1.0), positive = relu(x * 1.0);
  (negative + positive).backward(dy);
  CHECK(x.grad().to_vector() == std::vector<double>(1 << 20, 2));
}

TEST_CASE("several threads run the same parameters forward at once") {
  Tensor w = full({64}, 2);
  w.set_requires_grad();
  std::vector<std::thread> threads;
  std::vector<double> results(8);
  for (std::size_t t = 0; t < results.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const NoGrad guard;
        results[t] = sum(w * double(t)).item();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < results.size(); ++t) CHECK(results[t] == 128. * double(t));
}

TEST_CASE("gradients flow through views and copies to the elements they came from") {
  const Tensor x = leaf({2, 3}, {1, 2, 3, 4, 5, 6});
  sum(x.select(0, 1) * tensor({3}, {1, 10, 100}, kDouble)).backward();
  CHECK(x.grad().to_vector() == std::vector<double>{0, 0, 0, 1, 10, 100});
  x.zero_grad();
  sum(x.transpose().reshape({6}).slice(0, 1, 4)).backward();
  CHECK(x.grad().to_vector() == std::vector<double>{0, 1, 0, 1, 1, 0});
  x.zero_grad();
  sum(x.unsqueeze(0).expand({4, 2, 3}).to(DType::f32)).backward();
  CHECK(x.grad().to_vector() == std::vector<double>(6, 4));
  CHECK(x.grad().dtype() == DType::f64);
}

TEST_CASE("one leaf as both inputs of an op gets both gradients, in its own memory too") {
  const Tensor x = leaf({2}, {3, 5});
  const Tensor memory = zeros({2}, kDouble);
  set_gradient_memory(x, memory);
  sum(x * x).backward();
  CHECK(memory.to_vector() == std::vector<double>{6, 10});
  sum(x).backward();
  CHECK(memory.to_vector() == std::vector<double>{7, 11});
  x.zero_grad();
  sum(x).backward();
  CHECK(memory.to_vector() == std::vector<double>{1, 1});
  CHECK(x.grad().raw() == memory.raw());
}

namespace {

// y = x, noting its name when its backward runs and writing its gradient where the engine says.
Tensor noted(const char* name, const Tensor& a, const Tensor& b, std::vector<std::string>& ran) {
  return differentiable(name, {a, b}, a.detach().clone(), [=, &ran](const Tensor& dy, Needs needs) -> Tensors {
    ran.emplace_back(name);
    Tensors gradients(2);
    for (int i = 0; i < 2; ++i) {
      if (!needs[i]) continue;
      gradients[static_cast<std::size_t>(i)] = needs.gradient(i, dy);
      copy_forward(i == 0 ? dy : dy * 10.0, gradients[static_cast<std::size_t>(i)]);
    }
    return gradients;
  });
}

}  // namespace

TEST_CASE("nodes run by falling sequence number, whatever the shape of the graph") {
  std::vector<std::string> ran;
  const Tensor x = leaf({}, {1}), none;
  const Tensor a = noted("a", x, none, ran), b = noted("b", x, none, ran), c = noted("c", a, none, ran);
  noted("d", b, c, ran).backward();
  CHECK(ran == std::vector<std::string>{"d", "c", "b", "a"});
}

TEST_CASE("an op that writes both gradients of one leaf into offered memory gets two places") {
  std::vector<std::string> ran;
  const Tensor x = leaf({}, {1});
  set_gradient_memory(x, zeros({}, kDouble));
  noted("both", x, x, ran).backward();
  CHECK(x.grad().item() == 11);
}

TEST_CASE("what an op saved is freed by backward though its result lives on") {
  Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
  const Tensor x = leaf({1}, {2});
  const Tensor y = square(x.expand({100000}) * 1.0);
  const std::size_t before = allocator.statistics().live_bytes;
  sum(y).backward();
  CHECK(allocator.statistics().live_bytes + 800000 <= before);
}

TEST_CASE("an op whose backward threw is no longer named as the one that runs") {
  const Tensor x = leaf({2}, {1, 2});
  const Tensor y = exp(x);
  const SavedTensor saved(y);
  const Tensor z = sum(y * y);
  {
    const NoGrad guard;
    mul_(y, 3.0);
  }
  CHECK_THROWS_WITH(z.backward(), contains("'mul' saved a tensor"));
  CHECK_THROWS_WITH(saved.get(), contains("'an op' saved a tensor"));
}
