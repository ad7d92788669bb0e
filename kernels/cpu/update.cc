// Parameter updates on the CPU: one pass over the flat ranges, all operands at once. Memory-bound; each thread owns a
// range of elements, so the split cannot change a bit. Sums of squares are taken in blocks of fixed size, in f64.

#include "core/ops/update.h"

#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

constexpr std::int64_t kGrain = 16 * 1024;

template <typename T>
T* pointer(const Tensor& x) {
  return x.defined() ? static_cast<T*>(x.raw()) : nullptr;
}

// values[i] -= …, with the kind of step known to the compiler, so that the loop has no branches.
template <bool kMomentum, bool kNesterov, typename T>
void sgd_range(const Tensor& gradients, const double* dynamics, SGDUpdate o, const Tensor& momentum,
               const Tensor& values) {
  using C = Compute<T>;
  if (std::isnan(dynamics[0])) return;
  const C lr = static_cast<C>(dynamics[0]), decay = static_cast<C>(o.weight_decay), mu = static_cast<C>(o.momentum);
  const T* __restrict g = pointer<T>(gradients);
  T* __restrict v = pointer<T>(momentum);
  T* __restrict w = pointer<T>(values);
  parallel_for(values.elements(), kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const C wi = static_cast<C>(w[i]);
      C d = static_cast<C>(g[i]) + decay * wi;
      if constexpr (kMomentum) {
        const C vi = mu * static_cast<C>(v[i]) + d;
        v[i] = static_cast<T>(vi);
        d = kNesterov ? d + mu * vi : vi;
      }
      w[i] = static_cast<T>(wi - lr * d);
    }
  });
}

void sgd(const Tensor& gradients, const Tensor& dynamics, SGDUpdate o, const Tensor& momentum, const Tensor& values) {
  const auto* d = dynamics.data<double>();
  visit_floating(values.dtype(), "sgd_step", [&]<typename T>() {
    if (!momentum.defined())
      sgd_range<false, false, T>(gradients, d, o, momentum, values);
    else if (o.nesterov)
      sgd_range<true, true, T>(gradients, d, o, momentum, values);
    else
      sgd_range<true, false, T>(gradients, d, o, momentum, values);
  });
}

void adam(const Tensor& gradients, const Tensor& dynamics, AdamUpdate o, const Tensor& mean, const Tensor& mean_square,
          const Tensor& values) {
  const double lr = dynamics.data<double>()[0], step = dynamics.data<double>()[1];
  if (std::isnan(lr)) return;
  const double rate = lr / (1 - std::pow(o.beta1, step));
  const double root = std::sqrt(1 - std::pow(o.beta2, step));
  visit_floating(values.dtype(), "adam_step", [&]<typename T>() {
    using C = Compute<T>;
    const C b1 = static_cast<C>(o.beta1), b2 = static_cast<C>(o.beta2), eps = static_cast<C>(o.eps);
    const C c1 = static_cast<C>(1 - o.beta1), c2 = static_cast<C>(1 - o.beta2);
    const C step_size = static_cast<C>(rate), correction = static_cast<C>(root);
    const C joined = static_cast<C>(o.decoupled ? 0 : o.weight_decay);
    const C shrink = static_cast<C>(o.decoupled ? 1 - lr * o.weight_decay : 1);
    const T* __restrict g = pointer<T>(gradients);
    T* __restrict m = pointer<T>(mean);
    T* __restrict s = pointer<T>(mean_square);
    T* __restrict w = pointer<T>(values);
    parallel_for(values.elements(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const C wi = static_cast<C>(w[i]);
        const C d = static_cast<C>(g[i]) + joined * wi;
        const C mi = b1 * static_cast<C>(m[i]) + c1 * d;
        const C si = b2 * static_cast<C>(s[i]) + c2 * d * d;
        m[i] = static_cast<T>(mi);
        s[i] = static_cast<T>(si);
        w[i] = static_cast<T>(shrink * wi - step_size * mi / (std::sqrt(si) / correction + eps));
      }
    });
  });
}

// 16 sums side by side, then added in order: vectorises without changing the order of anything.
template <typename T>
double square_sum_of(const T* x, std::int64_t n) {
  constexpr std::int64_t kLanes = 16;
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(static_cast<Compute<T>>(x[i + lane]));
      lanes[lane] += value * value;
    }
  for (std::int64_t lane = 0; i < n; ++i, ++lane) {
    const auto value = static_cast<double>(static_cast<Compute<T>>(x[i]));
    lanes[lane] += value * value;
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

void sum_squares(const Tensor& x, const Tensor& y) {
  constexpr std::int64_t kBlock = 16 * 1024;
  const std::int64_t n = x.elements();
  const std::int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  visit_floating(x.dtype(), "square_sum", [&]<typename T>() {
    const T* from = pointer<T>(x);
    parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        sums[static_cast<std::size_t>(b)] = square_sum_of(from + b * kBlock, std::min(kBlock, n - b * kBlock));
    });
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  *y.data<double>() = total;
}

void root(const Tensor& squares, const Tensor& y) {
  double total = 0;
  for (std::int64_t i = 0; i < squares.elements(); ++i) total += squares.data<double>()[i];
  *y.data<double>() = std::sqrt(total);
}

void scale(const Tensor& norm, double max_norm, const Tensor& x) {
  const double length = *norm.data<double>();
  if (!(length > max_norm) || std::isinf(length)) return;
  visit_floating(x.dtype(), "scale_to_norm", [&]<typename T>() {
    const auto factor = static_cast<Compute<T>>(max_norm / length);
    T* to = pointer<T>(x);
    parallel_for(x.elements(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(static_cast<Compute<T>>(to[i]) * factor);
    });
  });
}

void clamp(double bound, const Tensor& x) {
  visit_floating(x.dtype(), "clamp_values", [&]<typename T>() {
    using C = Compute<T>;
    const C high = static_cast<C>(bound);
    T* to = pointer<T>(x);
    parallel_for(x.elements(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const C value = static_cast<C>(to[i]);
        to[i] = value > high ? static_cast<T>(high) : value < -high ? static_cast<T>(-high) : to[i];
      }
    });
  });
}

const bool registered[] = {
    sgd_step.add({.device = kThisDevice, .name = "cpu.flat", .rank = 100, .run = sgd}),
    adam_step.add({.device = kThisDevice, .name = "cpu.flat", .rank = 100, .run = adam}),
    square_sum.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = sum_squares}),
    root_of_sum.add({.device = kThisDevice, .name = "cpu.serial", .rank = 100, .run = root}),
    scale_to_norm.add({.device = kThisDevice, .name = "cpu.flat", .rank = 100, .run = scale}),
    clamp_values.add({.device = kThisDevice, .name = "cpu.flat", .rank = 100, .run = clamp}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
