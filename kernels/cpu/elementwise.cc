// Elementwise loops: one contiguous loop per function and compute type (f32, f64, i64), run over any layout and dtype
// by blocks.h. Memory-bound but for exp, log and pow: reads each input and writes the output once.
#include "core/ops/elementwise.h"

#include <utility>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/level.h"
#include "kernels/functors.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

using functors::Function;

// Pointers may be equal (in place) but never overlap otherwise, which `omp simd` states.
template <typename F, typename C>
void unary_value(const void* scalars, const void* const* in, void* out, std::int64_t n) {
  const Scalars& s = *static_cast<const Scalars*>(scalars);
  const C a = C(s.a), b = C(s.b);
  const C* x = static_cast<const C*>(in[0]);
  C* y = static_cast<C*>(out);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = F::template value<C>(x[i], a, b);
}
template <typename F, typename C>
void unary_gradient(const void* scalars, const void* const* in, void* out, std::int64_t n) {
  const Scalars& s = *static_cast<const Scalars*>(scalars);
  const C a = C(s.a), b = C(s.b);
  const C* saved = static_cast<const C*>(in[0]);
  const C* dy = static_cast<const C*>(in[1]);
  C* dx = static_cast<C*>(out);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) dx[i] = F::template gradient<C>(saved[i], dy[i], a, b);
}
template <typename F, typename C>
void binary_value(const void* scalars, const void* const* in, void* out, std::int64_t n) {
  const C scale = C(static_cast<const Scalars*>(scalars)->a);
  const C* a = static_cast<const C*>(in[0]);
  const C* b = static_cast<const C*>(in[1]);
  C* y = static_cast<C*>(out);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = F::template value<C>(a[i], b[i], scale);
}
template <typename F, typename C, Side side>
void binary_gradient(const void*, const void* const* in, void* out, std::int64_t n) {
  const C* a = static_cast<const C*>(in[0]);
  const C* b = static_cast<const C*>(in[1]);
  const C* dy = static_cast<const C*>(in[2]);
  C* dx = static_cast<C*>(out);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (side == Side::left)
      dx[i] = F::template left<C>(a[i], b[i], dy[i]);
    else
      dx[i] = F::template right<C>(a[i], b[i], dy[i]);
  }
}
template <typename F, typename C>
void compare(const void*, const void* const* in, void* out, std::int64_t n) {
  const C* a = static_cast<const C*>(in[0]);
  const C* b = static_cast<const C*>(in[1]);
  bool* y = static_cast<bool*>(out);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = F::template value<C>(a[i], b[i]);
}
template <typename C>
void choose(const void*, const void* const* in, void* out, std::int64_t n) {
  const std::uint8_t* condition = static_cast<const std::uint8_t*>(in[0]);
  const C* a = static_cast<const C*>(in[1]);
  const C* b = static_cast<const C*>(in[2]);
  C* y = static_cast<C*>(out);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const C left = a[i], right = b[i];  // both read first: a conditional load would not vectorise
    y[i] = condition[i] != 0 ? left : right;
  }
}

// The loops of one function; i64 is null where it needs fractions.
struct Bodies {
  Body f32 = nullptr, f64 = nullptr, i64 = nullptr;
};
Body pick(const Bodies& bodies, DType dtype, const char* op) {
  const DType block = compute_dtype(dtype);
  const Body body = block == DType::f32 ? bodies.f32 : block == DType::f64 ? bodies.f64 : bodies.i64;
  if (!body) refuse_dtype(dtype, op, "f32, f64, f16 or bf16");
  return body;
}

template <typename F>
constexpr Bodies unary_values() {
  Bodies bodies{unary_value<F, float>, unary_value<F, double>, nullptr};
  if constexpr (F::kIntegers) bodies.i64 = unary_value<F, std::int64_t>;
  return bodies;
}
template <typename F>
constexpr Bodies binary_values() {
  Bodies bodies{binary_value<F, float>, binary_value<F, double>, nullptr};
  if constexpr (F::kIntegers) bodies.i64 = binary_value<F, std::int64_t>;
  return bodies;
}
template <typename F, Side side>
constexpr Bodies binary_gradients() {
  if constexpr (requires { F::template left<float>(0, 0, 0); })
    return {binary_gradient<F, float, side>, binary_gradient<F, double, side>, nullptr};
  return {};
}

// Tables indexed by the enumerator, filled from Function<…>: a new function needs no line here.
template <typename Code, typename Make, std::size_t... I>
constexpr auto make_table(Make make, std::index_sequence<I...>) {
  struct Table {
    Bodies bodies[sizeof...(I)];
    const Bodies& operator[](Code code) const { return bodies[static_cast<std::size_t>(code)]; }
  };
  return Table{{make.template operator()<Function<static_cast<Code>(I)>>()...}};
}
template <typename Code, typename Make>
constexpr auto table_of(Make make) {
  return make_table<Code>(make, std::make_index_sequence<static_cast<std::size_t>(Code::count)>());
}

constexpr auto kUnaryValues = table_of<Unary>([]<typename F>() { return unary_values<F>(); });
constexpr auto kUnaryGradients = table_of<Unary>([]<typename F>() {
  return Bodies{unary_gradient<F, float>, unary_gradient<F, double>, nullptr};
});
constexpr auto kBinaryValues = table_of<Binary>([]<typename F>() { return binary_values<F>(); });
constexpr auto kLefts = table_of<Binary>([]<typename F>() { return binary_gradients<F, Side::left>(); });
constexpr auto kRights = table_of<Binary>([]<typename F>() { return binary_gradients<F, Side::right>(); });
constexpr auto kComparisons = table_of<Comparison>([]<typename F>() {
  return Bodies{compare<F, float>, compare<F, double>, compare<F, std::int64_t>};
});

void run_unary_forward(Unary f, Scalars scalars, const Tensor& x, const Tensor& y) {
  const DType block = compute_dtype(x.dtype());
  run_elementwise<2>(pick(kUnaryValues[f], x.dtype(), "unary_forward"), &scalars, {&x, &y}, {block, block});
}
void run_unary_backward(Unary f, Scalars scalars, const Tensor& saved, const Tensor& dy, const Tensor& dx) {
  const DType block = compute_dtype(dy.dtype());
  run_elementwise<3>(pick(kUnaryGradients[f], dy.dtype(), "unary_backward"), &scalars, {&saved, &dy, &dx},
                     {block, block, block});
}
void run_binary_forward(Binary f, Scalars scalars, const Tensor& a, const Tensor& b, const Tensor& y) {
  const DType block = compute_dtype(y.dtype());
  run_elementwise<3>(pick(kBinaryValues[f], y.dtype(), "binary_forward"), &scalars, {&a, &b, &y},
                     {block, block, block});
}
void run_binary_backward(Binary f, Side side, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx) {
  const DType block = compute_dtype(dy.dtype());
  const Bodies& bodies = side == Side::left ? kLefts[f] : kRights[f];
  run_elementwise<4>(pick(bodies, dy.dtype(), "binary_backward"), nullptr, {&a, &b, &dy, &dx},
                     {block, block, block, block});
}
void run_compare(Comparison f, const Tensor& a, const Tensor& b, const Tensor& y) {
  const DType block = compute_dtype(a.dtype());
  run_elementwise<3>(pick(kComparisons[f], a.dtype(), "compare_forward"), nullptr, {&a, &b, &y},
                     {block, block, DType::boolean});
}
void run_where(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y) {
  constexpr Bodies bodies{choose<float>, choose<double>, choose<std::int64_t>};
  const DType block = compute_dtype(y.dtype());
  run_elementwise<4>(pick(bodies, y.dtype(), "where_forward"), nullptr, {&condition, &a, &b, &y},
                     {DType::boolean, block, block, block});
}

[[maybe_unused]] const bool registered[] = {
    unary_forward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_unary_forward}),
    unary_backward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_unary_backward}),
    binary_forward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_binary_forward}),
    binary_backward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_binary_backward}),
    compare_forward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_compare}),
    where_forward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_where}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
