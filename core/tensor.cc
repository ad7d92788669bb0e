#include "core/tensor.h"

#include <new>

#include "core/autograd.h"
#include "core/leaf.h"
#include "core/memory_observer.h"
#include "core/ops/copy.h"

namespace weft {
namespace {

// Freed tensor bodies of this thread, linked through their first word. Bodies may be freed on another thread than
// the one that made them; each thread keeps at most kKeep.
struct BodyCache {
  static constexpr int kKeep = 256;
  void* first = nullptr;
  int kept = 0;
  ~BodyCache() {
    kept = kKeep;  // bodies freed from now on go straight back
    while (first) ::operator delete(std::exchange(first, *static_cast<void**>(first)));
  }
};
thread_local BodyCache bodies;

Tensor make_tensor(Layout layout, DType dtype, Ref<Storage> storage) {
  Ref<TensorBody> body(new TensorBody);
  body->layout = layout;
  body->dtype = dtype;
  body->storage = std::move(storage);
  return Tensor(std::move(body));
}

void check_sizes(const Shape& shape, const char* op) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape)
    require(size >= 0 && !__builtin_mul_overflow(product, size > 0 ? size : 1, &product) &&
                product <= (std::int64_t{1} << 58),
            op, "shape ", shape, " is negative or too large");
}

}  // namespace

TensorBody::TensorBody() = default;
TensorBody::~TensorBody() = default;

void* TensorBody::operator new(std::size_t bytes) {
  if (!bodies.first) return ::operator new(bytes);
  --bodies.kept;
  return std::exchange(bodies.first, *static_cast<void**>(bodies.first));
}

void TensorBody::operator delete(void* memory, std::size_t) noexcept {
  if (bodies.kept >= BodyCache::kKeep) return ::operator delete(memory);
  ++bodies.kept;
  *static_cast<void**>(memory) = std::exchange(bodies.first, memory);
}

Tensor empty(const Shape& shape, TensorOptions options) {
  check_sizes(shape, "empty");
  const auto bytes = static_cast<std::size_t>(shape.elements()) * bytes_of(options.dtype);
  Ref<Storage> storage = allocate_storage(bytes, options.device);
  if (MemoryObserver* observer = MemoryObserver::current()) [[unlikely]]
    observer->allocated(*storage, shape, options.dtype);
  return make_tensor(dense_layout(shape, options.format), options.dtype, std::move(storage));
}

Tensor empty_like(const Tensor& x) { return empty_like(x, x.shape()); }

Tensor empty_like(const Tensor& x, const Shape& shape) {
  const bool keep = x.channels_last() && shape.rank() == 4;
  return empty(shape, {x.dtype(), x.device(), keep ? MemoryFormat::channels_last : MemoryFormat::contiguous});
}

Tensor full(const Shape& shape, double value, TensorOptions options) {
  Tensor y = empty(shape, options);
  fill_forward(value, y);
  return y;
}
Tensor zeros(const Shape& shape, TensorOptions options) { return full(shape, 0, options); }
Tensor ones(const Shape& shape, TensorOptions options) { return full(shape, 1, options); }

Tensor tensor(const Shape& shape, std::span<const double> values, TensorOptions options) {
  require(shape.elements() == static_cast<std::int64_t>(values.size()), "tensor", "shape ", shape, " holds ",
          shape.elements(), " values, got ", values.size());
  const Tensor host = empty(shape, {.dtype = DType::f64});
  std::copy(values.begin(), values.end(), host.values<double>().begin());
  return host.to(options.dtype).to(options.format).to(options.device);
}

Tensor arange(std::int64_t n, TensorOptions options) {
  require(n >= 0, "arange", "needs a count, got ", n);
  const Tensor host = empty({n}, {.dtype = DType::i64});
  std::int64_t next = 0;
  for (std::int64_t& v : host.values<std::int64_t>()) v = next++;
  return host.to(options.dtype).to(options.device);
}

Tensor from_memory(void* data, const Shape& shape, TensorOptions options, std::function<void()> release) {
  check_sizes(shape, "from_memory");
  Ref<Storage> storage(new Storage);
  storage->data = data;
  storage->bytes = static_cast<std::size_t>(shape.elements()) * bytes_of(options.dtype);
  storage->device = options.device;
  storage->release = std::move(release);
  return make_tensor(dense_layout(shape, options.format), options.dtype, std::move(storage));
}

Tensor make_view(const Tensor& x, const Layout& layout) { return make_tensor(layout, x.dtype(), x.storage()); }

std::int64_t Tensor::size(int axis) const { return shape()[normalize_axis(axis, rank(), "size")]; }

void Tensor::refuse_access(DType wanted) const {
  fail(ErrorKind::usage, "data", "the tensor holds ", dtype(), ", not ", wanted, "; convert with .to(DType)");
}

void Tensor::check_host_access(DType wanted) const {
  if (dtype() != wanted) refuse_access(wanted);
  require(device().kind == DeviceKind::cpu, "values", "the tensor is on ", device(), "; move it with .to(Device{})");
  require(contiguous_format(), "values", "the tensor is ", format(), "; use .contiguous()");
}

std::vector<double> Tensor::to_vector() const {
  const NoGrad guard;
  const Tensor host = detach().to(Device{}).to(DType::f64).contiguous();
  const auto values = host.values<double>();
  return {values.begin(), values.end()};
}

double Tensor::item() const {
  NoSync::check("item");
  require(elements() == 1, "item", "needs a tensor with one element, got shape ", shape());
  if (device().kind == DeviceKind::cpu) {
    if (dtype() == DType::f32) return *static_cast<const float*>(raw());
    if (dtype() == DType::f64) return *static_cast<const double*>(raw());
  }
  return to_vector()[0];
}

Tensor Tensor::detach() const {
  Tensor y = make_view(*this, layout());
  return y;
}

}  // namespace weft
