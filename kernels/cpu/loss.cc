// Losses: cross-entropy fused with the log-softmax over rows, and the elementwise losses. A thread owns whole rows or
// chunks; a sum is taken over what each row or chunk wrote down, in order.
#include "core/ops/loss.h"

#include "kernels/cpu/buffer.h"
#include "kernels/cpu/rows.h"
#include "kernels/loss_functors.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// What a mean or sum multiplies each of n terms with.
double scale_of(Reduction reduction, std::int64_t n) {
  return reduction == Reduction::mean ? 1.0 / static_cast<double>(n) : 1.0;
}

// The sum of partial losses, or their mean over n terms, into the scalar loss; the mean of nothing is NaN.
template <typename T, typename C>
void reduce_losses(const C* losses, std::int64_t count, std::int64_t n, Reduction reduction, T* loss) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(losses[i]);
  *loss = static_cast<T>(static_cast<C>(reduction == Reduction::mean ? sum / static_cast<double>(n) : sum));
}

// Class indices, checked as they are read.
template <typename I>
struct IndexTarget {
  const I* index;
  std::int64_t classes;
  std::int64_t of(std::int64_t row) const {
    const std::int64_t k = static_cast<std::int64_t>(index[row]);
    if (k < 0 || k >= classes) [[unlikely]]
      fail(ErrorKind::data, "cross_entropy", "class index ", k, " at position ", row, " is outside [0, ", classes, ")");
    return k;
  }
};

// Calls body with the typed target: IndexTarget, or a pointer to rows of probabilities.
template <typename T, typename F>
void visit_target(const Tensor& target, std::int64_t classes, F&& body) {
  if (is_floating(target.dtype())) return body(target.data<T>());
  visit_index(target.dtype(), "cross_entropy", [&]<typename I>() { body(IndexTarget<I>{target.data<I>(), classes}); });
}

// One row of logits, and what its softmax needs.
template <typename T, typename C = Compute<T>>
struct Row {
  const T* x;
  std::int64_t n;
  Normalizer<C> normalizer;
  C log_probability(std::int64_t k) const { return normalizer.log_probability(static_cast<C>(x[k])); }
  C probability(std::int64_t k) const { return normalizer.probability(static_cast<C>(x[k])); }
};

// -sum over k of q_k * log p_k, q = (1 - e) * target + e / K.
template <typename T, typename C, typename I>
C row_loss(const Row<T>& row, const IndexTarget<I>& target, std::int64_t index, C smoothing) {
  const C hard = -row.log_probability(target.of(index));
  if (smoothing == 0) return hard;
  const C even = -sum_of<C>(row.n, [&](std::int64_t k) { return row.log_probability(k); }) / static_cast<C>(row.n);
  return (1 - smoothing) * hard + smoothing * even;
}
template <typename T, typename C>
C row_loss(const Row<T>& row, const T* target, std::int64_t index, C smoothing) {
  const C even = smoothing / static_cast<C>(row.n);
  const T* t = target + index * row.n;
  return -sum_of<C>(
      row.n, [&](std::int64_t k) { return ((1 - smoothing) * static_cast<C>(t[k]) + even) * row.log_probability(k); });
}

// dx = scale * (p * sum(q) - q).
template <typename T, typename C, typename I>
void row_gradient(const Row<T>& row, const IndexTarget<I>& target, std::int64_t index, C smoothing, C scale, T* dx) {
  const C even = smoothing / static_cast<C>(row.n);
  const std::int64_t y = target.of(index);
  for (std::int64_t k = 0; k < row.n; ++k) dx[k] = static_cast<T>(scale * (row.probability(k) - even));
  dx[y] = static_cast<T>(scale * (row.probability(y) - even - (1 - smoothing)));
}
template <typename T, typename C>
void row_gradient(const Row<T>& row, const T* target, std::int64_t index, C smoothing, C scale, T* dx) {
  const C even = smoothing / static_cast<C>(row.n);
  const T* t = target + index * row.n;
  const C total = (1 - smoothing) * sum_of<C>(row.n, [&](std::int64_t k) { return static_cast<C>(t[k]); }) + smoothing;
  for (std::int64_t k = 0; k < row.n; ++k)
    dx[k] = static_cast<T>(scale * (row.probability(k) * total - ((1 - smoothing) * static_cast<C>(t[k]) + even)));
}

void forward(const Tensor& logits, const Tensor& target, CrossEntropyOptions o, const Tensor& loss,
             const Tensor& normalizer) {
  visit_floating(logits.dtype(), "cross_entropy", [&]<typename T>() {
    using C = Compute<T>;
    const std::int64_t rows = logits.size(0), n = logits.size(1);
    const Buffer<C> losses(rows);
    visit_target<T>(target, n, [&](auto typed_target) {
      each_row(rows, n, [&](std::int64_t i) {
        const T* x = logits.data<T>() + i * n;
        const Row<T> row{x, n, row_normalizer<C>(x, n)};
        normalizer.data<C>()[2 * i] = row.normalizer.peak;
        normalizer.data<C>()[2 * i + 1] = row.normalizer.log_sum;
        losses[i] = row_loss(row, typed_target, i, static_cast<C>(o.label_smoothing));
      });
    });
    T* out = loss.data<T>();
    if (o.reduction == Reduction::none)
      for (std::int64_t i = 0; i < rows; ++i) out[i] = static_cast<T>(losses[i]);
    else
      reduce_losses(losses.data(), rows, rows, o.reduction, out);
  });
}

void backward(const Tensor& logits, const Tensor& target, const Tensor& normalizer, CrossEntropyOptions o,
              const Tensor& dloss, const Tensor& dlogits) {
  visit_floating(logits.dtype(), "cross_entropy", [&]<typename T>() {
    using C = Compute<T>;
    const std::int64_t rows = logits.size(0), n = logits.size(1);
    const bool each = o.reduction == Reduction::none;
    const C mean = static_cast<C>(scale_of(o.reduction, rows));
    const C* normalizers = normalizer.data<C>();
    visit_target<T>(target, n, [&](auto typed_target) {
      each_row(rows, n, [&](std::int64_t i) {
        const Row<T> row{logits.data<T>() + i * n, n, {normalizers[2 * i], normalizers[2 * i + 1]}};
        const C scale = mean * static_cast<C>(dloss.data<T>()[each ? i : 0]);
        row_gradient(row, typed_target, i, static_cast<C>(o.label_smoothing), scale, dlogits.data<T>() + i * n);
      });
    });
  });
}

// Calls body.operator()<Kind>() for the loss.
template <typename F>
void visit_loss(LossKind kind, F&& body) {
  switch (kind) {
    case LossKind::squared: return body.template operator()<LossKind::squared>();
    case LossKind::mse: return body.template operator()<LossKind::mse>();
    case LossKind::l1: return body.template operator()<LossKind::l1>();
    case LossKind::huber: return body.template operator()<LossKind::huber>();
    case LossKind::binary_cross_entropy: return body.template operator()<LossKind::binary_cross_entropy>();
  }
}

constexpr std::int64_t kLossChunk = 4096;  // elements that one partial sum covers

void element_forward(const Tensor& x_in, const Tensor& target_in, ElementLoss kind, const Tensor& loss) {
  visit_floating(x_in.dtype(), "loss", [&]<typename T>() {
    using C = Compute<T>;
    const T *x = x_in.data<T>(), *target = target_in.data<T>();
    T* out = loss.data<T>();
    const C delta = static_cast<C>(kind.delta);
    const std::int64_t n = x_in.elements(), chunks = (n + kLossChunk - 1) / kLossChunk;
    visit_loss(kind.kind, [&]<LossKind Kind>() {
      const auto value = [&](std::int64_t i) {
        return functors::loss_value<Kind>(static_cast<C>(x[i]), static_cast<C>(target[i]), delta);
      };
      if (kind.reduction == Reduction::none)
        return parallel_for(n, kLossChunk, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(value(i));
        });
      const Buffer<C> sums(chunks);
      parallel_for(chunks, 4, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t c = begin; c < end; ++c)
          sums[c] = sum_of<C>(std::min(kLossChunk, n - c * kLossChunk),
                              [&](std::int64_t i) { return value(c * kLossChunk + i); });
      });
      reduce_losses(sums.data(), chunks, n, kind.reduction, out);
    });
  });
}

void element_backward(const Tensor& x_in, const Tensor& target_in, ElementLoss kind, const Tensor& dloss_in,
                      const Tensor& dx_out, const Tensor& dtarget_out) {
  visit_floating(x_in.dtype(), "loss", [&]<typename T>() {
    using C = Compute<T>;
    const T *x = x_in.data<T>(), *target = target_in.data<T>(), *dloss = dloss_in.data<T>();
    const C delta = static_cast<C>(kind.delta);
    const bool each = kind.reduction == Reduction::none;
    const std::int64_t n = x_in.elements();
    const C scale = static_cast<C>(scale_of(kind.reduction, n));
    visit_loss(kind.kind, [&]<LossKind Kind>() {
      const auto write = [&](const Tensor& out_tensor, auto slope) {
        if (!out_tensor.defined()) return;
        T* out = out_tensor.data<T>();
        parallel_for(n, kLossChunk, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i)
            out[i] = static_cast<T>(scale * static_cast<C>(dloss[each ? i : 0]) *
                                    slope(static_cast<C>(x[i]), static_cast<C>(target[i]), delta));
        });
      };
      write(dx_out, functors::loss_slope<Kind, C>);
      write(dtarget_out, functors::loss_target_slope<Kind, C>);
    });
  });
}

[[maybe_unused]] const bool registered[] = {
    cross_entropy_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = forward}),
    cross_entropy_backward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = backward}),
    element_loss_forward.add({.device = kThisDevice, .name = "cpu.chunks", .rank = 100, .run = element_forward}),
    element_loss_backward.add({.device = kThisDevice, .name = "cpu.chunks", .rank = 100, .run = element_backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
