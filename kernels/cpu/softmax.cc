// Softmax and log-softmax over rows: a thread owns whole rows, read two or three times while they are in its cache.
#include "core/ops/softmax.h"

#include "kernels/cpu/rows.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// Calls body(columns, row pointers …) for each row of the tensors, which have one shape and dtype.
template <typename F, typename... Rest>
void over_rows(const char* op, const Tensor& first, F&& body, const Rest&... rest) {
  if (first.elements() == 0) return;
  visit_floating(first.dtype(), op, [&]<typename T>() {
    const std::int64_t columns = first.size(-1), rows = first.elements() / columns;
    each_row(rows, columns, [&](std::int64_t row) {
      body(columns, first.data<T>() + row * columns, (rest.template data<T>() + row * columns)...);
    });
  });
}

void forward(const Tensor& x, const Tensor& y) {
  over_rows(
      "softmax", x,
      []<typename T>(std::int64_t n, const T* in, T* out) {
        using C = Compute<T>;
        const Normalizer<C> row = row_normalizer<C>(in, n);
        for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(row.probability(static_cast<C>(in[i])));
      },
      y);
}

void backward(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  over_rows(
      "softmax", y,
      []<typename T>(std::int64_t n, const T* y, const T* dy, T* dx) {
        using C = Compute<T>;
        const C dot = sum_of<C>(n, [&](std::int64_t i) { return static_cast<C>(y[i]) * static_cast<C>(dy[i]); });
        for (std::int64_t i = 0; i < n; ++i)
          dx[i] = static_cast<T>(static_cast<C>(y[i]) * (static_cast<C>(dy[i]) - dot));
      },
      dy, dx);
}

void log_forward(const Tensor& x, const Tensor& y) {
  over_rows(
      "log_softmax", x,
      []<typename T>(std::int64_t n, const T* in, T* out) {
        using C = Compute<T>;
        const Normalizer<C> row = row_normalizer<C>(in, n);
        for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(row.log_probability(static_cast<C>(in[i])));
      },
      y);
}

void log_backward(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  over_rows(
      "log_softmax", y,
      []<typename T>(std::int64_t n, const T* y, const T* dy, T* dx) {
        using C = Compute<T>;
        const C sum = sum_of<C>(n, [&](std::int64_t i) { return static_cast<C>(dy[i]); });
        for (std::int64_t i = 0; i < n; ++i)
          dx[i] = static_cast<T>(static_cast<C>(dy[i]) - functors::exp(static_cast<C>(y[i])) * sum);
      },
      dy, dx);
}

[[maybe_unused]] const bool registered[] = {
    softmax_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = forward}),
    softmax_backward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = backward}),
    log_softmax_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = log_forward}),
    log_softmax_backward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = log_backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
