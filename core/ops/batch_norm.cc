#include "core/ops/batch_norm.h"

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/checkpoint.h"
#include "core/ops/concat.h"
#include "core/ops/copy.h"

namespace weft {
namespace {

double bytes_of_all(std::initializer_list<Input> tensors) {
  double bytes = 0;
  for (const Input& x : tensors)
    if (x.tensor->defined()) bytes += static_cast<double>(x.tensor->bytes());
  return bytes;
}
Cost statistics_cost(const Tensor& x, BatchNormOptions, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                     const Tensor&) {
  return {0, 3.0 * static_cast<double>(x.elements()), bytes_of_all({x})};
}
Cost forward_cost(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor& addend,
                  double, bool, const Tensor& y) {
  return {0, 4.0 * static_cast<double>(x.elements()), bytes_of_all({x, addend, y})};
}
Cost sums_cost(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor&, const Tensor&, double, const Tensor&,
               const Tensor&, const Tensor& dz) {
  return {0, 5.0 * static_cast<double>(x.elements()), bytes_of_all({x, y, dy, dz})};
}
Cost data_cost(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor&, const Tensor&, const Tensor&,
               const Tensor&, const Tensor&, double, const Tensor& dx) {
  return {0, 5.0 * static_cast<double>(x.elements()), bytes_of_all({x, y, dy, dx})};
}

DType statistics_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }
std::int64_t values_per_channel(const Tensor& x) { return x.size(1) == 0 ? 0 : x.elements() / x.size(1); }

// x in a form the slots take.
Tensor tagged(const Tensor& x) { return x.format() == MemoryFormat::strided ? x.contiguous() : x; }

void check_images(const char* op, const Tensor& x) {
  require(x.defined(), op, "x is undefined");
  require(x.rank() == 2 || x.rank() == 4, op, "x must be (N, C) or (N, C, H, W), not ", x.shape());
  if (!is_floating(x.dtype())) refuse_dtype(x.dtype(), op, "f32, f64, f16 or bf16");
}
void check_channels(const char* op, const char* name, const Tensor& v, const Tensor& x) {
  if (!v.defined()) return;
  require(v.rank() == 1 && v.size(0) == x.size(1), op, name, " must be ", Shape{x.size(1)}, " for x ", x.shape(),
          ", not ", v.shape());
  require(v.dtype() == x.dtype() || v.dtype() == statistics_dtype(x.dtype()), op, name, " is ", v.dtype(), " and x ",
          x.dtype(), "; convert one with .to(dtype)");
}

// Running statistics as the slots update them: dense and in their dtype. Others are copied, updated and copied back.
struct Updated {
  Tensor mean, variance, batches;
};
Updated begin_update(const RunningStatistics& running, DType dtype) {
  const auto working = [dtype](const Tensor& v) {
    if (!v.defined()) return v;
    begin_in_place("batch_norm", v);
    return v.detach().to(dtype).contiguous();
  };
  return {working(running.mean), working(running.variance), running.batches};
}
void end_update(const Updated& updated, const RunningStatistics& running) {
  const auto write = [](const Tensor& from, const Tensor& to) {
    if (!to.defined()) return;
    if (from.storage() != to.storage()) copy_forward(from, to);
    end_in_place("batch_norm", to);
  };
  write(updated.mean, running.mean);
  write(updated.variance, running.variance);
  write(updated.batches, running.batches);
}

// The statistics that a call normalises by, and in training the update of the running ones.
BatchStatistics statistics_of(const char* op, const Tensor& x, const RunningStatistics& running,
                              const BatchNormOptions& options, const BatchStatistics& known) {
  const DType dtype = statistics_dtype(x.dtype());
  const std::int64_t n = values_per_channel(x);
  if (!options.training) {
    require(running.mean.defined() && running.variance.defined(), op,
            "evaluation needs running statistics; train with some, or normalise by the batch with training = true");
    return {running.mean.detach().to(dtype).contiguous(), running.variance.detach().to(dtype).contiguous(), n};
  }
  require(n != 1, op, "training needs more than one value per channel, but x is ", x.shape(),
          "; use a larger batch, or evaluate");
  if (n == 0) return {zeros({x.size(1)}, {dtype, x.device()}), ones({x.size(1)}, {dtype, x.device()}), 0};
  const RunningStatistics moved = recomputing() ? RunningStatistics{} : running;
  const Updated update = begin_update(moved, dtype);
  BatchStatistics batch = known;
  if (known.defined()) {
    require(known.mean.size(0) == x.size(1) && known.values == n, op, "the known statistics are of ", known.values,
            " values in ", known.mean.size(0), " channels, but x is ", x.shape());
    batch_norm_running(known.mean, known.variance, n, options, update.mean, update.variance, update.batches);
  } else {
    batch = {empty({x.size(1)}, {dtype, x.device()}), empty({x.size(1)}, {dtype, x.device()}), n};
    batch_norm_statistics(x, options, batch.mean, batch.variance, update.mean, update.variance, update.batches);
  }
  end_update(update, moved);
  return batch;
}

// What backward keeps, and the gradients from it.
struct Saved {
  SavedTensor x, y, mean, variance, weight;  // y where a ReLU follows
  double eps;
  bool training;

  Tensors gradients(const Tensor& dy_in, Needs needs) const {
    const Tensor& like = x.get();
    const bool pitched = dy_in.channels_last() && like.channels_last();  // kernels take a slice of wider pixels
    Tensor dy = pitched ? dy_in : dy_in.to(like.format()), mask = y.get();
    Tensor dweight, dbias, dx, dz;
    if (mask.defined() && needs[3]) dz = empty_like(like);
    if (needs[1] || needs[2] || dz.defined() || (needs[0] && training)) {
      dweight = needs[1] ? needs.gradient(1, mean.get()) : empty_like(mean.get());
      dbias = needs[2] ? needs.gradient(2, mean.get()) : empty_like(mean.get());
      batch_norm_backward_sums(like, mask, dy, mean.get(), variance.get(), eps, dweight, dbias, dz);
    }
    if (dz.defined()) dy = dz, mask = {};
    if (needs[0]) {
      dx = empty_like(like);
      const Tensor none;
      batch_norm_backward_data(like, mask, dy, mean.get(), variance.get(), weight.get(), training ? dweight : none,
                               training ? dbias : none, eps, dx);
    }
    return {dx, dweight, dbias, dy};
  }
};

Tensor normalized(const char* op, bool relu, const Tensor& x_in, const Tensor& addend_in, const Tensor& weight_in,
                  const Tensor& bias_in, const RunningStatistics& running, const BatchNormOptions& options,
                  const BatchStatistics& known, const Tensor& out = {}) {
  require(x_in.defined(), op, "x is undefined");
  const Tensor x = tagged(x_in);
  const BatchStatistics batch = normalizing_statistics(op, x, weight_in, bias_in, running, options, known);
  const auto per_channel = [&](const Tensor& v) { return v.defined() ? v.to(batch.mean.dtype()).contiguous() : v; };
  const Tensor weight = per_channel(weight_in), bias = per_channel(bias_in);
  const Tensor addend = addend_in.defined() ? addend_in.to(x.format()) : addend_in;
  Tensor y = output_tensor(op, x.shape(), x, out);
  batch_norm_forward(x, batch.mean, batch.variance, weight, bias, addend, options.eps, relu, y);
  const Tensor* const inputs[] = {&x, &weight, &bias, &addend};
  if (!wants_graph(inputs)) return y;
  Saved saved{SavedTensor(x),          relu ? SavedTensor(y) : SavedTensor(),
              SavedTensor(batch.mean), SavedTensor(batch.variance),
              SavedTensor(weight),     options.eps,
              options.training};
  return differentiable(op, {x, weight, bias, addend}, y, [saved = std::move(saved)](const Tensor& dy, Needs needs) {
    return saved.gradients(dy, needs);
  });
}

}  // namespace

constinit KernelSlot<void(const Tensor&, BatchNormOptions, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                          const Tensor&)>
    batch_norm_statistics{"batch_norm_statistics", statistics_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, std::int64_t, BatchNormOptions, const Tensor&, const Tensor&,
                          const Tensor&)>
    batch_norm_running{"batch_norm_running"};
constinit KernelSlot<void(const Tensor&, const Tensor&, std::int64_t, const Tensor&, const Tensor&)> batch_norm_moments{
    "batch_norm_moments"};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, double, const Tensor&,
                          const Tensor&)>
    batch_norm_affine{"batch_norm_affine"};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                          double, bool, const Tensor&)>
    batch_norm_forward{"batch_norm_forward", forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, double,
                          const Tensor&, const Tensor&, const Tensor&)>
    batch_norm_backward_sums{"batch_norm_backward_sums", sums_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                          const Tensor&, const Tensor&, double, const Tensor&)>
    batch_norm_backward_data{"batch_norm_backward_data", data_cost};

BatchStatistics normalizing_statistics(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                       const RunningStatistics& running, const BatchNormOptions& options,
                                       const BatchStatistics& known) {
  check_images(op, x);
  check_channels(op, "weight", weight, x);
  check_channels(op, "bias", bias, x);
  check_channels(op, "the running mean", running.mean, x);
  check_channels(op, "the running variance", running.variance, x);
  return statistics_of(op, x, running, options, known);
}

BatchStatistics batch_statistics(const Tensor& x_in) {
  check_images("batch_statistics", x_in);
  const Tensor x = tagged(x_in);
  const TensorOptions options = {statistics_dtype(x.dtype()), x.device()};
  const BatchStatistics batch = {empty({x.size(1)}, options), empty({x.size(1)}, options), values_per_channel(x)};
  if (batch.values == 0) return {zeros({x.size(1)}, options), zeros({x.size(1)}, options), 0};
  batch_norm_statistics(x, {}, batch.mean, batch.variance, {}, {}, {});
  return batch;
}

BatchStatistics concat(std::span<const BatchStatistics> parts) {
  require(!parts.empty(), "concat", "there are no statistics to join");
  std::int64_t channels = 0;
  for (const BatchStatistics& part : parts) {
    require(part.defined() && part.values == parts[0].values, "concat", "all statistics must be of the same batch");
    channels += part.mean.size(0);
  }
  const TensorOptions options = {parts[0].mean.dtype(), parts[0].mean.device()};
  const BatchStatistics all = {empty({channels}, options), empty({channels}, options), parts[0].values};
  std::int64_t begin = 0;
  for (const BatchStatistics& part : parts) {
    const std::int64_t end = begin + part.mean.size(0);
    copy_forward(part.mean, all.mean.slice(0, begin, end));
    copy_forward(part.variance, all.variance.slice(0, begin, end));
    begin = end;
  }
  return all;
}

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const RunningStatistics& running,
                  BatchNormOptions options, const BatchStatistics& known, const Tensor& out) {
  return normalized("batch_norm", false, x, {}, weight, bias, running, options, known, out);
}

Tensor batch_norm_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const RunningStatistics& running,
                       BatchNormOptions options, const BatchStatistics& known, const Tensor& out) {
  return normalized("batch_norm_relu", true, x, {}, weight, bias, running, options, known, out);
}

Tensor batch_norm_add_relu(const Tensor& x, const Tensor& addend, const Tensor& weight, const Tensor& bias,
                           const RunningStatistics& running, BatchNormOptions options, const BatchStatistics& known) {
  if (addend.defined() && autocast_differ(x, addend)) [[unlikely]] {
    const Tensors both = autocast_alike({x, addend});
    return batch_norm_add_relu(both[0], both[1], weight, bias, running, options, known);
  }
  require(addend.defined() && addend.shape() == x.shape() && addend.dtype() == x.dtype(), "batch_norm_add_relu",
          "addend must have the shape and dtype of x ", x.shape(), " ", x.dtype(), ", not ",
          addend.defined() ? addend.shape() : Shape{}, " ", addend.defined() ? addend.dtype() : x.dtype());
  return normalized("batch_norm_add_relu", true, x, addend, weight, bias, running, options, known);
}

}  // namespace weft
