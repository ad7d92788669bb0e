// Batch normalisation. Forward reads x once for the statistics and once for y; backward reads its operands once for the
// sums and once for dx. Memory-bound. Threads own whole parts; the partition follows from the shape.
//
// Note [Shifted sums] The statistics are of deviations from a pivot: the mean of what the part has seen so far (at
// first, of its first block, which is read twice). A block of some 64 rows is summed in the compute type, then joined
// to the part's mean and squares in f64 (Chan, Golub, LeVeque, "Updating formulae", 1979). The rounding errors of a
// block are proportional to the square of its distance from the pivot, which is itself part of the result: digits are
// lost nowhere.
#include "core/ops/batch_norm.h"

#include <cmath>

#include "core/parallel.h"
#include "kernels/cpu/channels.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// Counts, means and sums of squared deviations that are joined one after another.
struct Moments {
  double values = 0;
  double *mean, *squares;  // per channel

  // n values per channel with these means and squared deviations come in.
  template <typename F>
  void join(double n, std::int64_t channels, F&& other) {
    const double share = n / (values + n), weight = values * share;
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto [m, s] = other(c);
      const double delta = m - mean[c];
      mean[c] += delta * share;
      squares[c] += s + delta * delta * weight;
    }
    values += n;
  }
};

// The two sums of the statistics: deviations from a pivot, and their squares.
template <typename T>
struct Deviations {
  using C = Compute<T>;
  Operand<T> x;
  const C* pivot;
  struct Row {
    const T* x;
    const C* pivot;
    void operator()(std::int64_t v, C& sum, C& squares) const {
      const C d = static_cast<C>(x[v]) - pivot[v];
      sum += d;
      squares = std::fma(d, d, squares);
    }
  };
  Row at(std::int64_t unit) const { return {x.at(unit), pivot}; }
};

// The moments of the units that walk names; `first` are the first of them.
template <typename T, typename F>
void part_moments(const Lanes& lanes, const Operand<T>& x, Block first, F&& walk, Moments& moments) {
  using C = Compute<T>;
  const std::int64_t channels = lanes.adjacent, span = lanes.span;
  const LaneSums<C> sums(lanes);
  const Buffer<C> pivot(lanes.width());
  for (std::int64_t c = 0; c < channels; ++c) {
    moments.mean[c] = moments.squares[c] = 0;
    pivot[c] = static_cast<C>(x.at(first.begin)[c * span]);
  }
  lanes.repeat(pivot.data());
  const Deviations<T> deviations{x, pivot.data()};
  sums.add(deviations, first.begin, first.end);
  sums.fold();
  for (std::int64_t c = 0; c < channels; ++c)
    pivot[c] = pivot[c * span] + static_cast<C>(sums.first[c] / static_cast<double>(first.values));
  lanes.repeat(pivot.data());
  walk([&](std::int64_t begin, std::int64_t end) { sums.add(deviations, begin, end); },
       [&](std::int64_t values) {
         sums.fold();
         const double n = static_cast<double>(values);
         moments.join(n, channels, [&](std::int64_t c) {
           const double sum = sums.first[c];
           return std::pair(static_cast<double>(pivot[c * span]) + sum / n,
                            std::max(0.0, sums.second[c] - sum * sum / n));
         });
         for (std::int64_t c = 0; c < channels; ++c) pivot[c] = static_cast<C>(moments.mean[c]);
         lanes.repeat(pivot.data());
       });
}

struct Running {
  Tensor mean, variance, batches;
  BatchNormOptions options;
};
template <typename C>
void update_running(const Running& running, std::int64_t channels, double n, const C* mean, const C* variance) {
  const double m = running.options.momentum;
  const double unbiased = running.options.moving == MovingVariance::unbiased ? n / (n - 1) : 1;
  const auto move = [m](C& value, double batch) {
    value = static_cast<C>((1 - m) * static_cast<double>(value) + m * batch);
  };
  if (running.mean.defined())
    for (std::int64_t c = 0; c < channels; ++c) move(running.mean.data<C>()[c], static_cast<double>(mean[c]));
  if (running.variance.defined())
    for (std::int64_t c = 0; c < channels; ++c)
      move(running.variance.data<C>()[c], unbiased * static_cast<double>(variance[c]));
  if (running.batches.defined()) ++*running.batches.data<std::int64_t>();
}

void statistics(const Tensor& x, BatchNormOptions options, const Tensor& mean, const Tensor& variance,
                const Tensor& running_mean, const Tensor& running_variance, const Tensor& batches) {
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Channels in(x);
    const Parts parts(in);
    const Buffer<double> means(parts.count), squares(parts.count), values(parts.count);
    const Operand<T> data(x);
    parts.each(in, in.dense, [&](std::int64_t slot, const Lanes& lanes, Block first, auto&& walk) {
      Moments moments{0, means.data() + slot, squares.data() + slot};
      part_moments<T>(lanes, data, first, walk, moments);
      for (std::int64_t c = 0; c < lanes.adjacent; ++c) values[slot + c] = moments.values;
    });
    C *const mean_to = mean.data<C>(), *const variance_to = variance.data<C>();
    const double n = static_cast<double>(in.values());
    Moments all{values[0], means.data(), squares.data()};
    for (std::int64_t slot = in.channels; slot < parts.count; slot += in.channels)
      all.join(values[slot], in.channels,
               [&](std::int64_t c) { return std::pair(means[slot + c], squares[slot + c]); });
    for (std::int64_t c = 0; c < in.channels; ++c) {
      mean_to[c] = static_cast<C>(means[c]);
      variance_to[c] = static_cast<C>(squares[c] / n);
    }
    update_running({running_mean, running_variance, batches, options}, in.channels, n, mean_to, variance_to);
  });
}

void running(const Tensor& mean, const Tensor& variance, std::int64_t n, BatchNormOptions options,
             const Tensor& running_mean, const Tensor& running_variance, const Tensor& batches) {
  visit_floating(mean.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    update_running<C>({running_mean, running_variance, batches, options}, mean.elements(), static_cast<double>(n),
                      mean.data<C>(), variance.data<C>());
  });
}

void moments_from_sums(const Tensor& sum, const Tensor& squares, std::int64_t n, const Tensor& mean,
                       const Tensor& variance) {
  visit_floating(sum.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    for (std::int64_t c = 0; c < sum.elements(); ++c) {
      const double m = static_cast<double>(sum.data<C>()[c]) / static_cast<double>(n);
      const double v = static_cast<double>(squares.data<C>()[c]) / static_cast<double>(n) - m * m;
      mean.data<C>()[c] = static_cast<C>(m);
      variance.data<C>()[c] = static_cast<C>(v < 0 ? 0 : v);  // a NaN stays
    }
  });
}

// --- y ---------------------------------------------------------------------------------------------------------------

// 1 / sqrt(variance + eps) of a channel.
template <typename C>
double inverse_deviation(const Tensor& variance, std::int64_t c, double eps) {
  return 1 / std::sqrt(static_cast<double>(variance.data<C>()[c]) + eps);
}
template <typename C>
double value_or(const Tensor& v, std::int64_t c, double otherwise) {
  return v.defined() ? static_cast<double>(v.data<C>()[c]) : otherwise;
}

void affine(const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias, double eps,
            const Tensor& scale, const Tensor& shift) {
  visit_floating(mean.dtype(), "batch_norm", [&]<typename S>() {
    using C = Compute<S>;
    visit_floating(scale.dtype(), "batch_norm", [&]<typename T>() {
      for (std::int64_t c = 0; c < mean.elements(); ++c) {
        const double slope = value_or<C>(weight, c, 1) * inverse_deviation<C>(variance, c, eps);
        const double offset = value_or<C>(bias, c, 0) - static_cast<double>(mean.data<C>()[c]) * slope;
        scale.data<T>()[c] = static_cast<T>(static_cast<C>(slope));
        if (shift.defined()) shift.data<T>()[c] = static_cast<T>(static_cast<C>(offset));
      }
    });
  });
}

template <typename T, bool kAdd, bool kRelu>
struct Normalize {
  using C = Compute<T>;
  Operand<T> x, addend;
  OutputOf<T> y;
  void operator()(std::int64_t unit, std::int64_t n, const C* mean, const C* scale, const C* bias) const {
    const T* const from = x.at(unit);
    const T* const more = kAdd ? addend.at(unit) : nullptr;
    T* const to = y.at(unit);
#pragma omp simd
    for (std::int64_t v = 0; v < n; ++v) {
      C z = std::fma(static_cast<C>(from[v]) - mean[v], scale[v], bias[v]);
      if constexpr (kAdd) z += static_cast<C>(more[v]);
      if constexpr (kRelu) z = z < 0 ? C(0) : z;
      to[v] = static_cast<T>(z);
    }
  }
};

void forward(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias,
             const Tensor& addend, double eps, bool relu, const Tensor& y) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Channels in(x);
    const auto run = [&]<bool kAdd, bool kRelu>() {
      const Normalize<T, kAdd, kRelu> normalize{Operand<T>(x), Operand<T>(addend), OutputOf<T>(y)};
      each_row<C, 3>(
          in, all_dense({&x, &addend, &y}),
          [&](std::int64_t c, C* numbers) {
            numbers[0] = mean.data<C>()[c];
            numbers[1] = static_cast<C>(value_or<C>(weight, c, 1) * inverse_deviation<C>(variance, c, eps));
            numbers[2] = static_cast<C>(value_or<C>(bias, c, 0));
          },
          normalize);
    };
    if (addend.defined())
      relu ? run.template operator()<true, true>() : run.template operator()<true, false>();
    else
      relu ? run.template operator()<false, true>() : run.template operator()<false, false>();
  });
}

// --- gradients -------------------------------------------------------------------------------------------------------

// The gradient of z where a ReLU made y of it: as functors::Function<Unary::relu>.
template <bool kMask, typename C, typename T>
C masked(const T* y, std::int64_t v, C dy) {
  if constexpr (kMask) return static_cast<C>(y[v]) <= 0 ? C(0) : dy;
  return dy;
}

// The two sums of the gradients: dz, and dz * (x - mean). Writes dz where it is asked for.
template <typename T, bool kMask, bool kWrite>
struct Products {
  using C = Compute<T>;
  Operand<T> x, y, dy;
  OutputOf<T> dz;
  const C* mean;
  struct Row {
    const T *x, *y, *dy;
    T* dz;
    const C* mean;
    void operator()(std::int64_t v, C& sum, C& products) const {
      const C d = masked<kMask>(y, v, static_cast<C>(dy[v]));
      if constexpr (kWrite) dz[v] = static_cast<T>(d);
      sum += d;
      products = std::fma(d, static_cast<C>(x[v]) - mean[v], products);
    }
  };
  Row at(std::int64_t unit) const {
    return {x.at(unit), kMask ? y.at(unit) : nullptr, dy.at(unit), kWrite ? dz.at(unit) : nullptr, mean};
  }
};

template <typename T, bool kMask, bool kWrite>
void part_products(const Lanes& lanes, Products<T, kMask, kWrite> products, const Compute<T>* mean, auto&& walk,
                   double* sums_to, double* products_to) {
  using C = Compute<T>;
  const LaneSums<C> sums(lanes);
  const Buffer<C> means(lanes.width());
  for (std::int64_t c = 0; c < lanes.adjacent; ++c) {
    means[c] = mean[c];
    sums_to[c] = products_to[c] = 0;
  }
  lanes.repeat(means.data());
  products.mean = means.data();
  walk([&](std::int64_t begin, std::int64_t end) { sums.add(products, begin, end); },
       [&](std::int64_t) {
         sums.fold();
         for (std::int64_t c = 0; c < lanes.adjacent; ++c) {
           sums_to[c] += sums.first[c];
           products_to[c] += sums.second[c];
         }
       });
}

void backward_sums(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& mean, const Tensor& variance,
                   double eps, const Tensor& dweight, const Tensor& dbias, const Tensor& dz) {
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Channels in(x);
    const Parts parts(in);
    const bool dense = all_dense({&x, &y, &dy, &dz});
    const Buffer<double> sums(parts.count), products(parts.count);
    const auto run = [&]<bool kMask, bool kWrite>() {
      const Products<T, kMask, kWrite> row{Operand<T>(x), Operand<T>(y), Operand<T>(dy), OutputOf<T>(dz), nullptr};
      parts.each(in, dense, [&](std::int64_t slot, const Lanes& lanes, Block, auto&& walk) {
        part_products<T, kMask, kWrite>(lanes, row, mean.data<C>() + slot % in.channels, walk, sums.data() + slot,
                                        products.data() + slot);
      });
    };
    if (y.defined())
      dz.defined() ? run.template operator()<true, true>() : run.template operator()<true, false>();
    else
      dz.defined() ? run.template operator()<false, true>() : run.template operator()<false, false>();
    for (std::int64_t c = 0; c < in.channels; ++c) {
      double sum = 0, product = 0;
      for (std::int64_t slot = c; slot < parts.count; slot += in.channels) {
        sum += sums[slot];
        product += products[slot];
      }
      dbias.data<C>()[c] = static_cast<C>(sum);
      dweight.data<C>()[c] = static_cast<C>(product * inverse_deviation<C>(variance, c, eps));
    }
  });
}

// dx = scale * dz - (slope * (x - mean) + offset).
template <typename T, bool kMask, bool kStatistics>
struct DataGradient {
  using C = Compute<T>;
  Operand<T> x, y, dy;
  OutputOf<T> dx;
  void operator()(std::int64_t unit, std::int64_t n, const C* scale, const C* mean, const C* slope,
                  const C* offset) const {
    const T* const from = kStatistics ? x.at(unit) : nullptr;
    const T* const sign = kMask ? y.at(unit) : nullptr;
    const T* const gradient = dy.at(unit);
    T* const to = dx.at(unit);
#pragma omp simd
    for (std::int64_t v = 0; v < n; ++v) {
      C d = scale[v] * masked<kMask>(sign, v, static_cast<C>(gradient[v]));
      if constexpr (kStatistics) d -= std::fma(slope[v], static_cast<C>(from[v]) - mean[v], offset[v]);
      to[v] = static_cast<T>(d);
    }
  }
};

void backward_data(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& mean, const Tensor& variance,
                   const Tensor& weight, const Tensor& dweight, const Tensor& dbias, double eps, const Tensor& dx) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Channels in(x);
    const double n = static_cast<double>(in.values());
    const auto run = [&]<bool kMask, bool kStatistics>() {
      const DataGradient<T, kMask, kStatistics> gradient{Operand<T>(x), Operand<T>(y), Operand<T>(dy), OutputOf<T>(dx)};
      each_row<C, 4>(
          in, all_dense({&x, &y, &dy, &dx}),
          [&](std::int64_t c, C* numbers) {
            const double inverse = inverse_deviation<C>(variance, c, eps);
            const double scale = value_or<C>(weight, c, 1) * inverse;
            numbers[0] = static_cast<C>(scale);
            numbers[1] = mean.data<C>()[c];
            numbers[2] = static_cast<C>(scale * inverse * value_or<C>(dweight, c, 0) / n);
            numbers[3] = static_cast<C>(scale * value_or<C>(dbias, c, 0) / n);
          },
          gradient);
    };
    if (y.defined())
      dweight.defined() ? run.template operator()<true, true>() : run.template operator()<true, false>();
    else
      dweight.defined() ? run.template operator()<false, true>() : run.template operator()<false, false>();
  });
}

[[maybe_unused]] const bool registered[] = {
    batch_norm_statistics.add({.device = kThisDevice, .name = "cpu.channels", .rank = 100, .run = statistics}),
    batch_norm_running.add({.device = kThisDevice, .name = "cpu.channels", .rank = 100, .run = running}),
    batch_norm_moments.add({.device = kThisDevice, .name = "cpu.channels", .rank = 100, .run = moments_from_sums}),
    batch_norm_affine.add({.device = kThisDevice, .name = "cpu.channels", .rank = 100, .run = affine}),
    batch_norm_forward.add({.device = kThisDevice, .name = "cpu.channels", .rank = 100, .run = forward}),
    batch_norm_backward_sums.add({.device = kThisDevice, .name = "cpu.channels", .rank = 100, .run = backward_sums}),
    batch_norm_backward_data.add({.device = kThisDevice, .name = "cpu.channels", .rank = 100, .run = backward_data}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
