// Views, layouts, dtypes and memory of Tensor, against indices computed by hand.

#include "core/tensor.h"

#include <cmath>
#include <limits>

#include "core/ops/copy.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor counting(const Shape& shape) { return arange(shape.elements()).reshape(shape); }

}  // namespace

TEST_CASE("views share memory and address the elements NumPy would") {
  const Tensor x = counting({2, 3, 4});
  CHECK(x.transpose(0, 2).shape() == Shape{4, 3, 2});
  CHECK(x.transpose(0, 2).to_vector()[1] == 12);
  CHECK(x.permute({2, 0, 1}).to_vector()[3] == 12);
  CHECK(x.slice(2, 1, 4, 2).to_vector() == std::vector<double>{1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23});
  CHECK(x.slice(0, -1, 100).shape() == Shape{1, 3, 4});
  CHECK(x.slice(1, 2, 1).shape() == Shape{2, 0, 4});
  CHECK(x.select(1, -1).to_vector() == std::vector<double>{8, 9, 10, 11, 20, 21, 22, 23});
  CHECK(x.select(0, 1).select(0, 2).select(0, 3).item() == 23);
  CHECK(x.unsqueeze(1).squeeze(1).shape() == x.shape());
  CHECK(x.flatten(1).shape() == Shape{2, 12});
  CHECK(x.reshape({-1, 6}).shape() == Shape{4, 6});
  CHECK(counting({1, 3}).expand({2, 2, 3}).to_vector() == std::vector<double>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2});
  for (const Tensor& view :
       {x.transpose(0, 2), x.slice(2, 1, 3), x.select(1, 0), x.reshape({6, 4}), x.expand({5, 2, 3, 4})})
    CHECK(view.storage() == x.storage());
}

TEST_CASE("reshape of a strided tensor is a view where strides allow it and a copy where not") {
  const Tensor x = counting({4, 6});
  CHECK(x.slice(1, 0, 3).reshape({2, 2, 3}).storage() == x.storage());
  const Tensor y = x.transpose().reshape({24});
  CHECK(y.storage() != x.storage());
  CHECK(y.to_vector()[1] == 6);
  CHECK(x.slice(1, 0, 0).reshape({0, 7}).shape() == Shape{0, 7});
}

TEST_CASE("a bad view is refused in one line that names shapes") {
  const Tensor x = counting({2, 3});
  CHECK_THROWS_WITH(x.reshape({4, 2}), "reshape: (2, 3) has 6 elements, (4, 2) has 8");
  CHECK_THROWS_WITH(x.reshape({-1, 4}), "reshape: cannot infer -1 in (-1, 4) from (2, 3)");
  CHECK_THROWS_WITH(x.select(0, 2), "select: index 2 is out of range for axis 0 of (2, 3)");
  CHECK_THROWS_WITH(x.squeeze(1), "squeeze: axis 1 of (2, 3) has size 3, not 1");
  CHECK_THROWS_WITH(x.expand({2, 4}), "expand: (2, 3) cannot become (2, 4)");
  CHECK_THROWS_WITH(x.permute({0, 0}), "permute: axis 0 is named twice");
  CHECK_THROWS_WITH(x.size(2), "size: axis 2 is out of range for a tensor with 2 axes");
  CHECK_THROWS_WITH(x.data<double>(), "data: the tensor holds f32, not f64; convert with .to(DType)");
  CHECK_THROWS_WITH(x.item(), "item: needs a tensor with one element, got shape (2, 3)");
  CHECK_THROWS_WITH(tensor({2}, {1, 2, 3}), "tensor: shape (2,) holds 2 values, got 3");
}

TEST_CASE("channels-last is a format of memory, not of meaning") {
  const Tensor x = counting({2, 3, 4, 5});
  const Tensor y = x.to(MemoryFormat::channels_last);
  CHECK(y.channels_last());
  CHECK(y.strides() == Strides{60, 1, 15, 3});
  CHECK(y.to_vector() == x.to_vector());
  CHECK(y.contiguous().to_vector() == x.to_vector());
  CHECK(y.contiguous().format() == MemoryFormat::contiguous);
  // A slice of channels is channels-last with the pitch of its parent; a batch slice stays dense.
  const Tensor slice = y.slice(1, 1, 3);
  CHECK(slice.channels_last());
  CHECK(slice.layout().pitch() == 3);
  CHECK_FALSE(slice.layout().dense());
  CHECK(slice.clone().layout().dense());
  CHECK(slice.to_vector() == x.slice(1, 1, 3).to_vector());
  CHECK(y.slice(0, 1, 2).layout().dense());
  // NC11 and N1HW are not ambiguous: the tag decides.
  CHECK(counting({2, 3, 1, 1}).format() == MemoryFormat::contiguous);
  CHECK(counting({2, 1, 4, 5}).to(MemoryFormat::channels_last).strides() == Strides{20, 1, 5, 1});
}

TEST_CASE("images of one channel or one pixel change their format without a copy") {
  for (const Shape& shape : {Shape{2, 1, 4, 5}, Shape{2, 3, 1, 1}}) {
    const Tensor x = counting(shape);
    x.set_requires_grad();
    const Tensor y = x.to(MemoryFormat::channels_last);
    CHECK(y.channels_last());
    CHECK(y.raw() == x.raw());
    CHECK(y.to_vector() == x.to_vector());
    const Tensor z = y.to(MemoryFormat::contiguous);
    CHECK(z.contiguous_format());
    CHECK(z.raw() == x.raw());
    z.backward(counting(shape));
    CHECK(x.grad().to_vector() == counting(shape).to_vector());
  }
  const Tensor wide = counting({2, 3, 4, 5});
  CHECK(wide.to(MemoryFormat::channels_last).raw() != wide.raw());
}

TEST_CASE("every dtype converts to every other") {
  const double values[] = {0, 1, 2, 100, 250};
  for (int from = 0; from < kDTypes; ++from)
    for (int to = 0; to < kDTypes; ++to) {
      const Tensor x = tensor({5}, values, {.dtype = static_cast<DType>(from)});
      const auto got = x.to(static_cast<DType>(to)).to_vector();
      for (std::size_t i = 0; i < 5; ++i) {
        const bool flag = static_cast<DType>(from) == DType::boolean || static_cast<DType>(to) == DType::boolean;
        INFO(to_string(static_cast<DType>(from)) << " -> " << to_string(static_cast<DType>(to)));
        CHECK(got[i] == (flag ? double(values[i] != 0) : values[i]));
      }
    }
}

TEST_CASE("floats saturate when they become integers, and round once when they become 16-bit") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = tensor({6}, {-inf, -1.9, NAN, 1.9, 300, inf}, {.dtype = DType::f64});
  CHECK(x.to(DType::u8).to_vector() == std::vector<double>{0, 0, 0, 1, 255, 255});
  CHECK(x.to(DType::i32).to_vector() == std::vector<double>{-2147483648., -1, 0, 1, 300, 2147483647.});
  CHECK(x.to(DType::i64).values<std::int64_t>()[5] == std::numeric_limits<std::int64_t>::max());
  // 1 + 2^-11 + 2^-40 lies above the midpoint of two halves; rounding to float first would lose the 2^-40.
  CHECK(tensor({}, {1 + 0x1p-11 + 0x1p-40}, {.dtype = DType::f64}).to(DType::f16).item() == 1 + 0x1p-10);
  CHECK(tensor({}, {1 + 0x1p-11}, {.dtype = DType::f64}).to(DType::f16).item() == 1);
}

TEST_CASE("16-bit floats survive a round trip through f32 for every bit pattern") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    Half h;
    h.bits = static_cast<std::uint16_t>(bits);
    BFloat16 b;
    b.bits = static_cast<std::uint16_t>(bits);
    const float fh = static_cast<float>(h), fb = static_cast<float>(b);
    if (std::isnan(fh))
      REQUIRE(std::isnan(static_cast<float>(Half(fh))));
    else
      REQUIRE(Half(fh).bits == bits);
    if (std::isnan(fb))
      REQUIRE(std::isnan(static_cast<float>(BFloat16(fb))));
    else
      REQUIRE(BFloat16(fb).bits == bits);
  }
}

TEST_CASE("a tensor over the user's memory reads and writes it, and says when it is done") {
  float memory[6] = {0, 1, 2, 3, 4, 5};
  bool released = false;
  {
    const Tensor x = from_memory(memory, {2, 3}, {}, [&] { released = true; });
    CHECK(x.select(0, 1).select(0, 2).item() == 5);
    fill_(x.select(1, 0), 9);
  }
  CHECK(released);
  CHECK(memory[0] == 9);
  CHECK(memory[3] == 9);
}

TEST_CASE("the CPU allocator keeps and counts memory") {
  Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
  const auto before = allocator.statistics();
  allocator.reset_peak();
  {
    const Tensor x = empty({1000, 1000});
    CHECK(allocator.statistics().live_bytes >= before.live_bytes + x.bytes());
    CHECK(reinterpret_cast<std::uintptr_t>(x.raw()) % 64 == 0);
  }
  CHECK(allocator.statistics().live_bytes == before.live_bytes);
  CHECK(allocator.statistics().peak_bytes >= before.live_bytes + 4000000);
  const void* kept = empty({1000, 1000}).raw();
  CHECK(empty({1000, 1000}).raw() == kept);
  CHECK_THROWS_AS(empty({std::int64_t{1} << 40, 1 << 10}), Error);
  CHECK(empty({0, 5}).raw() == nullptr);
}

TEST_CASE("NoSync turns waiting into an error") {
  const Tensor x = full({}, 3);
  CHECK(x.item() == 3);
  const NoSync guard;
  CHECK_THROWS_WITH(x.item(), contains("NoSync"));
  CHECK_THROWS_WITH(synchronize(Device{}), contains("NoSync"));
}

TEST_CASE("devices are parsed, and an absent backend says so") {
  CHECK(parse_device("cuda:3") == Device{DeviceKind::cuda, 3});
  CHECK(to_string(parse_device("emulated")) == "emulated:0");
  for (const char* bad : {"gpu", "cuda:", "cuda:x", "cpu:1", "cuda:-1", ""}) CHECK_THROWS_AS(parse_device(bad), Error);
}
