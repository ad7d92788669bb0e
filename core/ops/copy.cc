#include "core/ops/copy.h"

#include "core/autograd.h"

namespace weft {
namespace {

Cost copy_cost(const Tensor& x, const Tensor& y) { return {.bytes = double(x.bytes()) + double(y.bytes())}; }
Cost fill_cost(double, const Tensor& y) { return {.bytes = double(y.bytes())}; }

// y = x between devices: both dense and alike, so that one transfer does it.
void transfer(const Tensor& x, const Tensor& y) {
  const bool to_host = y.device().kind == DeviceKind::cpu;
  if (to_host) NoSync::check("to(cpu)");
  const Device device = to_host ? x.device() : y.device();
  Runtime& backend = runtime(device.kind);
  backend.copy(y.raw(), y.device(), x.raw(), x.device(), y.bytes(), backend.current_stream(device.index));
  if (!to_host) return;
  backend.synchronize(device.index);
  backend.before_reading(x);
}

// A dense copy with another dtype or format, without history.
Tensor converted(const Tensor& x, DType dtype, MemoryFormat format) {
  const Tensor y = empty(x.shape(), {dtype, x.device(), format});
  copy_forward(x, y);
  return y;
}

MemoryFormat dense_format(const Tensor& x) {
  return x.channels_last() ? MemoryFormat::channels_last : MemoryFormat::contiguous;
}

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&)> copy_forward{"copy_forward", copy_cost};
constinit KernelSlot<void(double, const Tensor&)> fill_forward{"fill_forward", fill_cost};

void copy_(const Tensor& y, const Tensor& x) {
  require(x.shape() == y.shape(), "copy_", "shapes differ: ", x.shape(), " into ", y.shape());
  begin_in_place("copy_", y);
  if (x.device() == y.device())
    copy_forward(x, y);
  else if (x.dtype() == y.dtype() && x.format() == y.format() && x.layout().dense() && y.layout().dense())
    transfer(x, y);
  else
    copy_forward(x.detach().to(y.dtype()).to(y.device()), y);
  differentiable("copy_", {y, x}, y, [dtype = x.dtype(), from = x.device()](const Tensor& dy, Needs needs) -> Tensors {
    return {{}, needs[1] ? dy.to(dtype).to(from) : Tensor{}};
  });
  end_in_place("copy_", y);
}

void fill_(const Tensor& y, double value) {
  begin_in_place("fill_", y);
  fill_forward(value, y);
  differentiable("fill_", {y}, y, [](const Tensor&, Needs) -> Tensors { return {{}}; });
  end_in_place("fill_", y);
}

Tensor Tensor::to(Device target) const {
  if (device() == target) return *this;
  const Tensor x = layout().dense() ? *this : converted(*this, dtype(), dense_format(*this));
  Tensor y = empty(shape(), {dtype(), target, x.format()});
  transfer(x, y);
  return differentiable("to", {*this}, y,
                        [from = device()](const Tensor& dy, Needs) -> Tensors { return {dy.to(from)}; });
}

Tensor Tensor::to(DType target) const {
  if (dtype() == target) return *this;
  Tensor y = converted(*this, target, dense_format(*this));
  if (!is_floating(target)) return y;
  return differentiable("to", {*this}, y,
                        [from = dtype()](const Tensor& dy, Needs) -> Tensors { return {dy.to(from)}; });
}

Tensor Tensor::to(MemoryFormat target) const {
  require(target != MemoryFormat::strided, "to", "strided is not a format to convert to");
  if (format() == target && layout().dense()) return *this;
  // Images of one channel or one pixel lie in memory alike in both formats: another tag does it.
  const Layout relabelled = view_layout(shape(), strides(), layout().offset, target);
  const bool alike = relabelled.format == target && relabelled.dense();
  return differentiable("to", {*this}, alike ? make_view(*this, relabelled) : converted(*this, dtype(), target),
                        [](const Tensor& dy, Needs) -> Tensors { return {dy}; });
}

Tensor Tensor::clone() const {
  return differentiable("clone", {*this}, converted(*this, dtype(), dense_format(*this)),
                        [](const Tensor& dy, Needs) -> Tensors { return {dy}; });
}

}  // namespace weft
