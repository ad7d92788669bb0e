// Tensor: a handle on storage + layout + dtype, with an optional place in an autograd graph. Copying a Tensor copies
// the handle. Methods are structure (shape, views, device, dtype); mathematics is free functions in core/ops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/dtype.h"
#include "core/layout.h"
#include "core/ref.h"
#include "core/storage.h"

namespace weft {

class Tensor;
class GradNode;
struct Leaf;

using Tensors = std::vector<Tensor>;

struct WEFT_API TensorBody final : Counted {
  Layout layout;
  DType dtype = DType::f32;
  Ref<Storage> storage;
  Ref<GradNode> node;          // the op that made this tensor, when it takes part in a graph
  int output = 0;              // which of that op's outputs
  std::uint32_t version = 0;   // of the storage when that op wrote it
  std::unique_ptr<Leaf> leaf;  // gradient and hooks of a tensor whose gradient the user wants

  TensorBody();
  ~TensorBody();
  static void* operator new(std::size_t bytes);  // from a free list: every op makes one
  static void operator delete(void* memory, std::size_t bytes) noexcept;
};

class WEFT_API Tensor {
 public:
  Tensor() = default;  // undefined: holds nothing
  explicit Tensor(Ref<TensorBody> body) : body_(std::move(body)) {}

  bool defined() const { return static_cast<bool>(body_); }
  const Layout& layout() const { return body_->layout; }
  const Shape& shape() const { return body_->layout.shape; }
  const Strides& strides() const { return body_->layout.strides; }
  MemoryFormat format() const { return body_->layout.format; }
  bool contiguous_format() const { return format() == MemoryFormat::contiguous; }
  bool channels_last() const { return format() == MemoryFormat::channels_last; }
  int rank() const { return body_->layout.shape.rank(); }
  std::int64_t size(int axis) const;  // a negative axis counts from the end
  std::int64_t elements() const { return body_->layout.shape.elements(); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * bytes_of(dtype()); }
  DType dtype() const { return body_->dtype; }
  Device device() const { return body_->storage->device; }
  const Ref<Storage>& storage() const { return body_->storage; }
  TensorBody* body() const { return body_.get(); }
  bool same_as(const Tensor& other) const { return body_ == other.body_; }  // the same handle target

  // Address of the first element, on the tensor's device.
  void* raw() const {
    return static_cast<std::byte*>(body_->storage->data) +
           static_cast<std::size_t>(body_->layout.offset) * bytes_of(body_->dtype);
  }
  // The same, typed; the dtype must match.
  template <typename T>
  T* data() const {
    if (dtype() != kDTypeOf<T>) [[unlikely]]
      refuse_access(kDTypeOf<T>);
    return static_cast<T*>(raw());
  }
  // All elements in row-major order, readable and writable in place: a contiguous tensor on the CPU of dtype T.
  template <typename T>
  std::span<T> values() const {
    check_host_access(kDTypeOf<T>);
    return {static_cast<T*>(raw()), static_cast<std::size_t>(elements())};
  }
  // All elements in row-major logical order, copied to the host and converted to double. Waits for the device.
  std::vector<double> to_vector() const;
  // The only element. Waits for the device.
  double item() const;

  // Views: no copy, differentiable.
  Tensor reshape(const Shape& shape) const;  // one size may be -1; copies only when the strides leave no other way
  Tensor permute(std::initializer_list<int> axes) const { return permute(std::span(axes.begin(), axes.size())); }
  Tensor permute(std::span<const int> axes) const;
  Tensor transpose(int axis_a = -2, int axis_b = -1) const;
  // Elements begin, begin + step, … below end along the axis; negative begin and end count from the end.
  Tensor slice(int axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1) const;
  Tensor select(int axis, std::int64_t index) const;  // one index of the axis, which disappears
  Tensor expand(const Shape& shape) const;            // axes of size 1 repeat (stride 0); -1 keeps a size
  Tensor squeeze(int axis) const;                     // the axis must have size 1
  Tensor unsqueeze(int axis) const;
  Tensor flatten(int first_axis = 0, int last_axis = -1) const;
  Tensor detach() const;  // the same data outside the graph

  // Copies where needed, differentiable; return *this when nothing changes.
  Tensor to(Device device) const;
  Tensor to(DType dtype) const;
  Tensor to(MemoryFormat format) const;
  Tensor contiguous() const { return to(MemoryFormat::contiguous); }
  Tensor clone() const;  // always a copy, dense, in the same format

  // Autograd (core/autograd.h has the rest).
  bool requires_grad() const;
  // Makes this leaf collect a gradient, or stop doing so. Returns *this.
  const Tensor& set_requires_grad(bool wanted = true) const;
  // The gradient collected so far; undefined when there is none.
  Tensor grad() const;
  // Forgets the gradient. Costs nothing: the next one overwrites it.
  void zero_grad() const;
  // Adds d(this)/d(leaf) to the gradient of every leaf this depends on. dy, the gradient of this, is 1 by default
  // and must be given for a non-scalar. keep_graph allows a second call.
  void backward(const Tensor& dy = {}, bool keep_graph = false) const;

 private:
  [[noreturn]] void refuse_access(DType wanted) const;
  void check_host_access(DType wanted) const;

  Ref<TensorBody> body_;
};

struct TensorOptions {
  DType dtype = DType::f32;
  Device device = {};
  MemoryFormat format = MemoryFormat::contiguous;
};

WEFT_API Tensor empty(const Shape& shape, TensorOptions options = {});  // uninitialised
WEFT_API Tensor empty_like(const Tensor& x);                            // same shape, dtype, device; dense, same format
WEFT_API Tensor empty_like(const Tensor& x, const Shape& shape);        // same dtype and device; keeps channels-last
WEFT_API Tensor zeros(const Shape& shape, TensorOptions options = {});
WEFT_API Tensor ones(const Shape& shape, TensorOptions options = {});
WEFT_API Tensor full(const Shape& shape, double value, TensorOptions options = {});
WEFT_API Tensor arange(std::int64_t n, TensorOptions options = {});  // 0, 1, …, n - 1
// Values in row-major order: tensor({{2, 3}}, {1, 2, 3, 4, 5, 6}).
WEFT_API Tensor tensor(const Shape& shape, std::span<const double> values, TensorOptions options = {});
inline Tensor tensor(const Shape& shape, std::initializer_list<double> values, TensorOptions options = {}) {
  return tensor(shape, std::span(values.begin(), values.size()), options);
}
// A tensor over memory that the caller owns and keeps; `release` runs when the last view of it is gone.
WEFT_API Tensor from_memory(void* data, const Shape& shape, TensorOptions options, std::function<void()> release = {});

// A view that shares storage, without history: for op and kernel code.
WEFT_API Tensor make_view(const Tensor& x, const Layout& layout);

WEFT_API std::string to_string(const Tensor& x);  // as NumPy prints it (core/print.cc)

}  // namespace weft
