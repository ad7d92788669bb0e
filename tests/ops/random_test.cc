// Random numbers: Philox against published vectors, the moments of each distribution, and what the bits depend on.
#include "core/ops/random.h"

#include <algorithm>
#include <cmath>

#include "core/ops/dropout.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "core/parallel.h"
#include "tests/catch.h"

using namespace weft;

namespace {

using Values = std::vector<double>;

std::vector<std::uint32_t> philox(std::uint32_t c0, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3,
                                  std::uint32_t k0, std::uint32_t k1) {
  const Philox4 w = philox4x32({{c0, c1, c2, c3}}, k0, k1);
  return {w.word, w.word + 4};
}

}  // namespace

TEST_CASE("Philox4x32-10 gives Random123's published words") {
  using Words = std::vector<std::uint32_t>;
  CHECK(philox(0, 0, 0, 0, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t all = 0xffffffff;
  CHECK(philox(all, all, all, all, all, all) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("distributions have their moments and bounds") {
  const Tensor x = empty({1000000});
  uniform_(x, -1, 3, {1, 2});
  CHECK(mean(x).item() == Approx(1).margin(0.01));
  CHECK(var(x).item() == Approx(16.0 / 12).epsilon(0.01));
  CHECK(min(x).item() >= -1);
  CHECK(max(x).item() < 3);
  normal_(x, 2, 0.5, {1, 3});
  CHECK(mean(x).item() == Approx(2).margin(0.003));
  CHECK(var(x).item() == Approx(0.25).epsilon(0.01));
  const Tensor z = (x - 2) / 0.5;
  CHECK(mean(pow(z, 3)).item() == Approx(0).margin(0.02));
  CHECK(mean(square(square(z))).item() == Approx(3).epsilon(0.02));
  CHECK(max(z).item() > 4.2);
  truncated_normal_(x, 0, 1, -2, 2, {1, 4});
  CHECK(max(abs(x)).item() <= 2);
  CHECK(var(x).item() == Approx(0.7737).epsilon(0.01));  // 1 - 4 phi(2) / (2 Phi(2) - 1)
  bernoulli_(x, 0.3, {1, 5});
  CHECK(mean(x).item() == Approx(0.3).margin(0.002));
}

TEST_CASE("the bits do not depend on threads, formats or the length") {
  const RandomStream stream{42, 7};
  const Tensor x = empty({100001}), y = empty({100001}), part = empty({77});
  const int before = threads();
  set_threads(1);
  normal_(x, 0, 1, stream);
  set_threads(2);
  normal_(y, 0, 1, stream);
  set_threads(before);
  CHECK(x.to_vector() == y.to_vector());
  normal_(part, 0, 1, stream);
  CHECK(part.to_vector() == x.slice(0, 0, 77).to_vector());
  const Tensor last = empty({2, 3, 4, 5}, {.format = MemoryFormat::channels_last});
  normal_(last, 0, 1, stream);
  CHECK(last.to_vector() == x.slice(0, 0, 120).to_vector());
  const Tensor other = empty({77});
  normal_(other, 0, 1, {42, 8});
  CHECK(other.to_vector() != part.to_vector());
}

TEST_CASE("a permutation holds each number once and mixes well") {
  Values p = permutation(1000, {5, 6}).to_vector();
  CHECK(p != permutation(1000, {5, 7}).to_vector());
  int fixed = 0;
  for (std::size_t i = 0; i < p.size(); ++i) fixed += p[i] == double(i);
  CHECK(fixed < 10);
  std::sort(p.begin(), p.end());
  for (std::size_t i = 0; i < p.size(); ++i) CHECK(p[i] == double(i));
}

TEST_CASE("dropout: p = 0 keeps, p = 1 clears, p = .5 gives 0 or twice the value", "[D1]") {
  const Tensor x = arange(16).reshape({2, 8});
  const RandomStream stream{1, 1};
  CHECK(dropout(x, 0, stream).to_vector() == x.to_vector());
  CHECK(dropout(x, 1, stream).to_vector() == Values(16, 0));
  const Values half = dropout(x, .5, stream).to_vector();
  int kept = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK((half[i] == 0 || half[i] == 2 * double(i)));
    kept += half[i] != 0;
  }
  CHECK(kept > 2);
  CHECK(kept < 14);
  CHECK_THROWS_WITH(dropout(x, 1.5, stream), contains("dropout: p must be in [0, 1], got 1.5"));
  CHECK_THROWS_WITH(dropout(x, -.1, stream), contains("dropout: p must be in [0, 1]"));
}

TEST_CASE("dropout keeps the mean over a million draws, and backward uses the same mask", "[D1]") {
  const Tensor x = full({1000000}, 3);
  x.set_requires_grad();
  for (const double p : {.2, .5, .9}) {
    x.zero_grad();
    const Tensor y = dropout(x, p, {9, 9});
    CHECK(mean(y).item() == Approx(3).epsilon(p < .9 ? .005 : .01));
    sum(y).backward();
    CHECK(sum(not_equal(x.grad() * 3, y.detach()).to(DType::f32)).item() == 0);
  }
}

TEST_CASE("dropout's mask does not depend on the memory format") {
  const Tensor x = ones({2, 3, 4, 5});
  CHECK(dropout(x, .5, {2, 2}).to_vector() == dropout(x.to(MemoryFormat::channels_last), .5, {2, 2}).to_vector());
  CHECK(dropout(x.to(MemoryFormat::channels_last), .5, {2, 2}).channels_last());
}

TEST_CASE("random fills refuse what they cannot do") {
  const Tensor x = ones({3});
  CHECK_THROWS_WITH(uniform_(x, 1, 0, {}), contains("uniform_: low 1 is above high 0"));
  CHECK_THROWS_WITH(truncated_normal_(x, 0, 1, 8, 9, {}), contains("holds only"));
  CHECK_THROWS_WITH(normal_(ones({3}, {.dtype = DType::i64}), 0, 1, {}), contains("normal_: needs f32"));
  x.set_requires_grad();
  CHECK_THROWS_WITH(normal_(x, 0, 1, {}), contains("would overwrite a leaf"));
}
