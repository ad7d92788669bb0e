// Layer and group normalisation: a thread owns whole rows, which stay in its cache while they are read two or three
// times (mean, deviations, result). Sums of weights' gradients: where rows share their weights, pieces of the rows are
// added row by row; where neighbours share one, each weight's own runs. Memory-bound.
#include "core/ops/layer_norm.h"

#include <cmath>

#include "kernels/cpu/channels.h"
#include "kernels/cpu/rows.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// The sum over i < n of f(i): chunks in the compute type, their sums in f64.
template <typename C, typename F>
double long_sum(std::int64_t n, F&& f) {
  double sum = 0;
  for (std::int64_t begin = 0; begin < n; begin += kRowChunk)
    sum += static_cast<double>(sum_of<C>(std::min(kRowChunk, n - begin), [&](std::int64_t i) { return f(begin + i); }));
  return sum;
}

// body(run, weight's number) for the pieces [begin, end) of a row whose elements share a weight, or body with a number
// that grows with the element where each has its own.
template <typename Body>
void each_run(const RowNorm& rows, std::int64_t row, std::int64_t columns, Body&& body) {
  const std::int64_t first = row % rows.groups * (columns / rows.span);
  if (rows.span == 1) return body(0, columns, first, std::int64_t{1});
  for (std::int64_t begin = 0; begin < columns; begin += rows.span)
    body(begin, begin + rows.span, first + begin / rows.span, std::int64_t{0});
}

template <typename C>
const C* numbers(const Tensor& v) {
  return v.defined() ? v.data<C>() : nullptr;
}

void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, RowNorm rows, const Tensor& mean,
             const Tensor& inverse, const Tensor& y) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "layer_norm", [&]<typename T>() {
    using C = Compute<T>;
    const C *const w = numbers<C>(weight), *const b = numbers<C>(bias);
    const std::int64_t columns = x.size(1);
    each_row(x.size(0), columns, [&](std::int64_t row) {
      const T* const in = x.data<T>() + row * columns;
      T* const out = y.data<T>() + row * columns;
      const double n = static_cast<double>(columns);
      const C pivot = static_cast<C>(in[0]);  // deviations keep the digits that sums of large numbers lose
      const double sum = long_sum<C>(columns, [&](std::int64_t i) { return static_cast<C>(in[i]) - pivot; });
      const C m = static_cast<C>(static_cast<double>(pivot) + sum / n);
      const double squares = long_sum<C>(columns, [&](std::int64_t i) {
        const C d = static_cast<C>(in[i]) - m;
        return d * d;
      });
      const C factor = static_cast<C>(1 / std::sqrt(squares / n + rows.eps));
      mean.data<C>()[row] = m;
      inverse.data<C>()[row] = factor;
      each_run(rows, row, columns, [&](std::int64_t begin, std::int64_t end, std::int64_t at, std::int64_t step) {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t c = at + (i - begin) * step;
          out[i] = static_cast<T>(std::fma((static_cast<C>(in[i]) - m) * factor, w ? w[c] : C(1), b ? b[c] : C(0)));
        }
      });
    });
  });
}

void backward_data(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse, const Tensor& weight,
                   RowNorm rows, const Tensor& dx) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "layer_norm", [&]<typename T>() {
    using C = Compute<T>;
    const C* const w = numbers<C>(weight);
    const std::int64_t columns = x.size(1);
    each_row(x.size(0), columns, [&](std::int64_t row) {
      const T *const in = x.data<T>() + row * columns, *const gradient = dy.data<T>() + row * columns;
      T* const out = dx.data<T>() + row * columns;
      const C m = mean.data<C>()[row], factor = inverse.data<C>()[row];
      double sum = 0, products = 0;
      each_run(rows, row, columns, [&](std::int64_t begin, std::int64_t end, std::int64_t at, std::int64_t step) {
        const auto g = [&](std::int64_t i) {
          return static_cast<C>(gradient[begin + i]) * (w ? w[at + i * step] : C(1));
        };
        sum += long_sum<C>(end - begin, g);
        products += long_sum<C>(end - begin,
                                [&](std::int64_t i) { return g(i) * ((static_cast<C>(in[begin + i]) - m) * factor); });
      });
      const C offset = static_cast<C>(sum / static_cast<double>(columns));
      const C slope = static_cast<C>(products / static_cast<double>(columns));
      each_run(rows, row, columns, [&](std::int64_t begin, std::int64_t end, std::int64_t at, std::int64_t step) {
        for (std::int64_t i = begin; i < end; ++i) {
          const C g = static_cast<C>(gradient[i]) * (w ? w[at + (i - begin) * step] : C(1));
          out[i] = static_cast<T>(factor * (g - std::fma(slope, (static_cast<C>(in[i]) - m) * factor, offset)));
        }
      });
    });
  });
}

// dy * normalised x and dy, of rows that share their weights: the units of LaneSums are rows.
template <typename T>
struct RowProducts {
  using C = Compute<T>;
  const T *x, *dy;
  const C *mean, *inverse;
  std::int64_t columns;
  struct Row {
    const T *x, *dy;
    C mean, inverse;
    void operator()(std::int64_t v, C& products, C& sum) const {
      const C d = static_cast<C>(dy[v]);
      products = std::fma(d, (static_cast<C>(x[v]) - mean) * inverse, products);
      sum += d;
    }
  };
  Row at(std::int64_t row) const { return {x + row * columns, dy + row * columns, mean[row], inverse[row]}; }
};

template <typename T>
void shared_weights(const RowProducts<T>& products, std::int64_t rows, const Tensor& dweight, const Tensor& dbias) {
  using C = Compute<T>;
  const std::int64_t columns = products.columns;
  const std::int64_t parts = std::clamp<std::int64_t>(rows * columns / Parts::kWork, 1, Parts::kMost);
  const Buffer<double> partial(2 * parts * columns);
  parallel_parts(parts, [&](std::int64_t part) {
    double* const a = partial.data() + 2 * part * columns;
    double* const b = a + columns;
    std::fill_n(a, 2 * columns, 0.0);
    const LaneSums<C> sums(Lanes{columns, 1});
    const std::int64_t end = rows * (part + 1) / parts;
    for (std::int64_t row = rows * part / parts; row < end; row += Parts::kBlockRows) {
      sums.add(products, row, std::min(end, row + Parts::kBlockRows));
      sums.fold();
      for (std::int64_t c = 0; c < columns; ++c) a[c] += sums.first[c], b[c] += sums.second[c];
    }
  });
  for (std::int64_t c = 0; c < columns; ++c) {
    double a = 0, b = 0;
    for (std::int64_t part = 0; part < parts; ++part) {
      a += partial[2 * part * columns + c];
      b += partial[(2 * part + 1) * columns + c];
    }
    dweight.data<C>()[c] = static_cast<C>(a);
    dbias.data<C>()[c] = static_cast<C>(b);
  }
}

void backward_weight(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse, RowNorm rows,
                     const Tensor& dweight, const Tensor& dbias) {
  visit_floating(x.dtype(), "layer_norm", [&]<typename T>() {
    using C = Compute<T>;
    const RowProducts<T> products{x.data<T>(), dy.data<T>(), mean.data<C>(), inverse.data<C>(), x.size(1)};
    if (rows.groups == 1 && rows.span == 1) return shared_weights(products, x.size(0), dweight, dbias);
    const std::int64_t weights = dweight.elements(), images = x.size(0) / rows.groups, columns = x.size(1);
    const std::int64_t per_group = weights / rows.groups, work = images * rows.span + 1;
    parallel_for(weights, 1 + Parts::kWork / work, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) {
        double a = 0, b = 0;
        for (std::int64_t image = 0; image < images; ++image) {
          const std::int64_t row = image * rows.groups + c / per_group;
          const std::int64_t first = row * columns + c % per_group * rows.span;
          const C m = products.mean[row], factor = products.inverse[row];
          b += long_sum<C>(rows.span, [&](std::int64_t i) { return static_cast<C>(products.dy[first + i]); });
          a += long_sum<C>(rows.span, [&](std::int64_t i) {
            return static_cast<C>(products.dy[first + i]) * ((static_cast<C>(products.x[first + i]) - m) * factor);
          });
        }
        dweight.data<C>()[c] = static_cast<C>(a);
        dbias.data<C>()[c] = static_cast<C>(b);
      }
    });
  });
}

[[maybe_unused]] const bool registered[] = {
    layer_norm_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = forward}),
    layer_norm_backward_data.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = backward_data}),
    layer_norm_backward_weight.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
