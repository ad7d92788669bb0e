// Index kernels where the op table's rows do not lead: indices that do not fit, and sums of what was picked many times,
// which have the CPU's bits because both add in the order of the index.
#include "core/ops/index.h"

#include "tests/catch.h"
#include "tests/emulated/draws.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::error_of;
using tests::integers;
using tests::kEmulated;
using tests::same_bits;
using tests::uniform;

namespace {

Tensor indices(const Shape& shape, std::int64_t size, std::uint64_t seed) { return integers(shape, 0, size, seed); }

}  // namespace

TEST_CASE("an index out of range is reported in the CPU's words when the device is waited for") {
  const Tensor x = ones({3, 4}), bad = tensor({4}, {0, 2, -1, 1}, {.dtype = DType::i64});
  const Tensor high = tensor({2}, {0, 3}, {.dtype = DType::u8}), table = bad.reshape({1, 4});
  const auto both = [](const auto& run) {
    const std::string wanted = error_of([&] { run(Device{}); });
    REQUIRE(wanted.starts_with("usage: "));
    REQUIRE(wanted.find("is outside [0, 3)") != wanted.npos);
    Tensor y;
    CHECK(error_of([&] { y = run(kEmulated); }) == "none");
    CHECK(error_of([&] { y.to_vector(); }) == wanted);
    CHECK(error_of([&] { y.to_vector(); }) == "none");  // reported once
  };
  both([&](Device device) { return one_hot(bad.to(device), 3); });
  both([&](Device device) { return one_hot(high.to(device), 3, DType::u8); });
  both([&](Device device) { return index_select(x.to(device), 0, bad.to(device)); });
  both([&](Device device) { return index_select(x.to(device), 0, high.to(device)); });
  both([&](Device device) { return gather(x.to(device), 0, table.to(device)); });
}

TEST_CASE("slices picked many times add up to the CPU's bits") {
  struct Case {
    Shape dx;
    int axis;
    std::int64_t picks;
  };
  // Fewer slices than ranges, more, slices of more than one chunk, all picks in one range, several outer slices.
  for (const Case& c : {Case{{7, 3}, 0, 1000}, Case{{3000, 1}, 0, 700}, Case{{20, 300}, 0, 257}, Case{{1, 5}, 0, 600},
                        Case{{3, 50, 40}, 1, 300}, Case{{4, 600}, 1, 900}, Case{{300, 5}, 0, 0}})
    for (const DType dtype : {DType::f32, DType::f64}) {
      INFO(message(c.dx, " axis ", c.axis, " picks ", c.picks));
      Shape picked = c.dx;
      picked[c.axis] = c.picks;
      const Tensor index = indices({c.picks}, c.dx[c.axis], 1);
      const Tensor dy = uniform(picked, -1, 1, dtype, 2);
      const Tensor here = zeros(c.dx, {.dtype = dtype}), there = zeros(c.dx, {.dtype = dtype, .device = kEmulated});
      index_select_backward(c.axis, index, dy, here);
      index_select_backward(c.axis, index.to(kEmulated), dy.to(kEmulated), there);
      CHECK(same_bits(here, there));
      const Tensor x = uniform(c.dx, -1, 1, dtype, 3);
      CHECK(same_bits(index_select(x, c.axis, index), index_select(x.to(kEmulated), c.axis, index.to(kEmulated))));
    }
}

TEST_CASE("elements gathered many times add up to the CPU's bits") {
  struct Case {
    Shape dx;
    int axis;
    Shape index;
  };
  // Few long lines, which blocks share out by ranges; many lines, and short ones, which threads walk along.
  for (const Case& c : {Case{{500}, 0, {3000}}, Case{{2, 2100, 3}, 1, {2, 300, 2}}, Case{{5000, 2}, 1, {4500, 70}},
                        Case{{6, 3, 11}, 2, {5, 3, 64}}, Case{{9, 4}, 0, {65, 4}}, Case{{9, 4}, 0, {0, 4}}}) {
    INFO(message(c.dx, " axis ", c.axis, " index ", c.index));
    const Tensor index = indices(c.index, c.dx[c.axis], 1), dy = uniform(c.index, -1, 1, DType::f32, 2);
    const Tensor here = zeros(c.dx), there = zeros(c.dx, {.device = kEmulated});
    gather_backward(c.axis, index, dy, here);
    gather_backward(c.axis, index.to(kEmulated), dy.to(kEmulated), there);
    CHECK(same_bits(here, there));
    const Tensor x = uniform(c.dx, -1, 1, DType::f32, 3);
    CHECK(same_bits(gather(x, c.axis, index), gather(x.to(kEmulated), c.axis, index.to(kEmulated))));
  }
}

TEST_CASE("picking moves every dtype and any address") {
  const Tensor index = indices({5}, 6, 1), there = index.to(kEmulated);
  for (const DType dtype :
       {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::i64, DType::u8, DType::boolean})
    for (const std::int64_t width : {1, 3, 8, 16}) {
      INFO(message(dtype, " ", width));
      const Tensor x = integers({6, width}, 0, 2, 4).to(dtype);
      CHECK(same_bits(index_select(x, 0, index), index_select(x.to(kEmulated), 0, there)));
      const Tensor across = index.reshape({5, 1});
      CHECK(same_bits(gather(x, 0, across), gather(x.to(kEmulated), 0, across.to(kEmulated))));
      CHECK(same_bits(one_hot(index, 6, dtype), one_hot(there, 6, dtype)));
    }
}
