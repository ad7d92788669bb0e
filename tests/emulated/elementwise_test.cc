// Elementwise kernels on the emulated device give the CPU's bits: every function, dtype and way in which operands can
// lie in memory (packs, tails, rows of a wider buffer, misaligned addresses, broadcasting, in place).
#include "core/ops/elementwise.h"

#include <functional>

#include "core/ops/copy.h"
#include "core/ops/random.h"
#include "tests/catch.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::kEmulated;
using tests::same_bits;

namespace {

constexpr DType kFloating[] = {DType::f32, DType::f64, DType::f16, DType::bf16};
constexpr DType kWhole[] = {DType::i32, DType::i64, DType::u8};

// An operand: a slice of a buffer that is a little larger, or all of it.
struct Operand {
  Shape buffer;
  std::function<Tensor(const Tensor&)> look = [](const Tensor& x) { return x; };
};
struct Layouts {
  const char* name;
  Operand a, b, y;
};
const std::vector<Layouts> kLayouts = {
    {"dense, a whole number of packs", {{4, 64}}, {{4, 64}}, {{4, 64}}},
    {"dense, a few too many", {{7, 11}}, {{7, 11}}, {{7, 11}}},
    {"dense, large, a few too many", {{4103}}, {{4103}}, {{4103}}},
    {"a row for all rows", {{5, 32}}, {{32}}, {{5, 32}}},
    {"an odd row for all rows", {{5, 33}}, {{33}}, {{5, 33}}},
    {"a number for each row", {{3, 6, 32}}, {{6, 1}}, {{3, 6, 32}}},
    {"one number", {{2, 48}}, {Shape{}}, {{2, 48}}},
    {"one number, a few too many", {{4103}}, {Shape{}}, {{4103}}},
    {"both repeated", {{4, 1, 16}}, {{5, 1}}, {{4, 5, 16}}},
    {"scalars", {Shape{}}, {Shape{}}, {Shape{}}},
    {"empty", {{0, 3}}, {{3}}, {{0, 3}}},
    {"misaligned", {{65}, [](const Tensor& x) { return x.slice(0, 1, 65); }}, {{64}}, {{64}}},
    {"rows of a wider buffer",
     {{4, 32}},
     {{4, 48}, [](const Tensor& x) { return x.slice(1, 16, 48); }},
     {{4, 64}, [](const Tensor& x) { return x.slice(1, 0, 32); }}},
    {"rows that begin anywhere", {{4, 32}}, {{4, 32}}, {{4, 33}, [](const Tensor& x) { return x.slice(1, 1, 33); }}},
    {"transposed", {{16, 8}, [](const Tensor& x) { return x.transpose(); }}, {{8, 16}}, {{8, 16}}},
    {"every second", {{40}, [](const Tensor& x) { return x.slice(0, 0, 40, 2); }}, {{20}}, {{20}}},
};

Tensor numbers(const Shape& shape, DType dtype, std::uint64_t stream) {
  const Tensor x = empty(shape, {.dtype = DType::f64}), y = empty(shape, {.dtype = dtype});
  uniform_(x, is_floating(dtype) ? -3 : 0, is_floating(dtype) ? 3 : 9, {5, stream});
  copy_(y, x);
  return y;
}

using Call = std::function<void(const Tensor& a, const Tensor& b, const Tensor& y)>;

// The buffer of y after the call on the device.
Tensor result(const Layouts& layouts, DType dtype, DType y_dtype, Device device, const Call& call) {
  const Tensor a = numbers(layouts.a.buffer, dtype, 1).to(device), b = numbers(layouts.b.buffer, dtype, 2).to(device);
  const Tensor y = numbers(layouts.y.buffer, y_dtype, 3).to(device);
  call(layouts.a.look(a), layouts.b.look(b), layouts.y.look(y));
  return y;
}
void check(DType dtype, DType y_dtype, const Call& call) {
  for (const Layouts& layouts : kLayouts) {
    INFO(layouts.name << " " << to_string(dtype));
    CHECK(same_bits(result(layouts, dtype, y_dtype, Device{}, call), result(layouts, dtype, y_dtype, kEmulated, call)));
  }
}

template <typename Code, typename Body>
void for_each(Body body) {
  for (int i = 0; i < static_cast<int>(Code::count); ++i) {
    INFO("function " << i);
    body(static_cast<Code>(i));
  }
}
// a, expanded to the shape of y.
Tensor expanded(const Tensor& a, const Tensor& y) { return a.expand(y.shape()); }

bool takes_integers(Unary f) {
  switch (f) {
    case Unary::neg:
    case Unary::abs:
    case Unary::square:
    case Unary::relu:
    case Unary::clamp:
    case Unary::add_scalar:
    case Unary::scalar_sub:
    case Unary::mul_scalar:
    case Unary::maximum_scalar:
    case Unary::minimum_scalar: return true;
    default: return false;
  }
}

}  // namespace

TEST_CASE("functions of one tensor and their gradients give the CPU's bits") {
  for_each<Unary>([](Unary f) {
    for (const DType dtype : kFloating) {
      check(dtype, dtype, [f](const Tensor& a, const Tensor&, const Tensor& y) {
        unary_forward(f, {0.75, 1.5}, expanded(a, y), y);
      });
      check(dtype, dtype, [f](const Tensor& a, const Tensor& b, const Tensor& y) {
        unary_backward(f, {0.75, 1.5}, a, b, y);
      });
    }
    for (const DType dtype : kWhole) {
      const Call call = [f](const Tensor& a, const Tensor&, const Tensor& y) { unary_forward(f, {2, 5}, a, y); };
      if (takes_integers(f))
        check(dtype, dtype, call);
      else
        CHECK_THROWS_WITH(result(kLayouts[0], dtype, dtype, kEmulated, call), contains("f32, f64, f16 or bf16"));
    }
  });
}

TEST_CASE("functions of two tensors and their gradients give the CPU's bits") {
  for_each<Binary>([](Binary f) {
    for (const DType dtype : kFloating) {
      check(dtype, dtype,
            [f](const Tensor& a, const Tensor& b, const Tensor& y) { binary_forward(f, {0.75}, a, b, y); });
      // In place only, and one whose gradient is made from its result: binary_backward has none of them.
      if (f == Binary::add_scaled || f == Binary::add_relu) continue;
      for (const Side side : {Side::left, Side::right})
        check(dtype, dtype, [f, side](const Tensor& a, const Tensor& b, const Tensor& y) {
          const Tensor dy = numbers(y.shape(), y.dtype(), 4).to(y.device());
          binary_backward(f, side, a, b, dy, y);
        });
    }
    for (const DType dtype : kWhole)
      if (f != Binary::div && f != Binary::pow)
        check(dtype, dtype,
              [f](const Tensor& a, const Tensor& b, const Tensor& y) { binary_forward(f, {3}, a, b, y); });
  });
}

TEST_CASE("comparisons and where give the CPU's bits") {
  for (const DType dtype :
       {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::i64, DType::u8, DType::boolean}) {
    for_each<Comparison>([dtype](Comparison f) {
      check(dtype, DType::boolean,
            [f](const Tensor& a, const Tensor& b, const Tensor& y) { compare_forward(f, a, b, y); });
    });
    check(dtype, dtype, [](const Tensor& a, const Tensor& b, const Tensor& y) {
      const Tensor condition = greater(numbers(y.shape(), DType::f32, 5), 0.0).to(y.device());
      where_forward(condition, a, b, y);
    });
    check(dtype, dtype, [](const Tensor& a, const Tensor& b, const Tensor& y) {
      where_forward(full({}, 1, {.dtype = DType::boolean, .device = y.device()}), a, b, y);
    });
  }
}

TEST_CASE("operands larger than a grid give the CPU's bits") {
  for (const DType dtype : kFloating)
    for (const Shape& shape : {Shape{140'003}, Shape{300, 400}, Shape{301, 33, 7}})
      for (const bool repeated : {false, true}) {
        INFO(to_string(dtype) << " " << to_string(shape) << " " << repeated);
        const Tensor a = numbers(shape, dtype, 1), b = numbers(repeated ? Shape{shape.back()} : shape, dtype, 2);
        CHECK(same_bits(mul(a, b), mul(a.to(kEmulated), b.to(kEmulated))));
      }
}

TEST_CASE("an output may be one of its inputs") {
  for (const DType dtype : kFloating)
    check(dtype, dtype, [](const Tensor& a, const Tensor& b, const Tensor& y) {
      binary_forward(Binary::mul, {}, y, b, y);
      unary_forward(Unary::exp, {}, y, y);
      unary_backward(Unary::square, {}, expanded(a, y), y, y);
    });
}
