#include "core/ops/random.h"

#include <cmath>

#include "core/autograd.h"
#include "core/ops/copy.h"

namespace weft {
namespace {

Cost random_cost(Draw, RandomStream, const Tensor& y) { return {.bytes = double(y.bytes())}; }
Cost permutation_cost(RandomStream, const Tensor& y) { return {.bytes = double(y.bytes())}; }

void fill(const char* op, const Tensor& x, const Draw& draw, RandomStream stream) {
  require(x.defined(), op, "the tensor is undefined");
  if (!is_floating(x.dtype())) refuse_dtype(x.dtype(), op, "f32, f64, f16 or bf16");
  begin_in_place(op, x);
  if (x.contiguous_format()) {
    random_forward(draw, stream, x);
  } else {
    const Tensor numbers = empty(x.shape(), {x.dtype(), x.device()});
    random_forward(draw, stream, numbers);
    copy_forward(numbers, x);
  }
  differentiable(op, {x}, x, [](const Tensor&, Needs) -> Tensors { return {{}}; });
  end_in_place(op, x);
}

// Probability that a standard normal lies below z.
double normal_below(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

}  // namespace

constinit KernelSlot<void(Draw, RandomStream, const Tensor&)> random_forward{"random_forward", random_cost};
constinit KernelSlot<void(RandomStream, const Tensor&)> permutation_forward{"permutation_forward", permutation_cost};

void uniform_(const Tensor& x, double low, double high, RandomStream stream) {
  require(low <= high, "uniform_", "low ", low, " is above high ", high);
  fill("uniform_", x, {Distribution::uniform, float(low), float(high)}, stream);
}

void normal_(const Tensor& x, double mean, double std, RandomStream stream) {
  require(std >= 0, "normal_", "std must not be negative, got ", std);
  fill("normal_", x, {Distribution::normal, float(mean), float(std)}, stream);
}

void truncated_normal_(const Tensor& x, double mean, double std, double low, double high, RandomStream stream) {
  require(std > 0, "truncated_normal_", "std must be positive, got ", std);
  const double mass = normal_below((high - mean) / std) - normal_below((low - mean) / std);
  require(mass >= 1e-3, "truncated_normal_", "[", low, ", ", high, "] holds only ", mass,
          " of the distribution; widen it or move the mean");
  fill("truncated_normal_", x, {Distribution::truncated_normal, float(mean), float(std), float(low), float(high)},
       stream);
}

void bernoulli_(const Tensor& x, double p, RandomStream stream) {
  require(p >= 0 && p <= 1, "bernoulli_", "p must be in [0, 1], got ", p);
  fill("bernoulli_", x, {Distribution::bernoulli, float(p)}, stream);
}

Tensor permutation(std::int64_t n, RandomStream stream, Device device) {
  require(n >= 0, "permutation", "n must not be negative, got ", n);
  Tensor y = empty({n}, {DType::i64, device});
  permutation_forward(stream, y);
  return y;
}

}  // namespace weft
