// The emulated tensor-core instructions, against the tables of the PTX ISA, "Warp-level matrix instructions": which
// element of a fragment each lane holds. The tables are written down here once more, element by element as they stand
// in the manual, and no kernel of weft is used.
#include "kernels/cuda/mma.h"

#include <cstdint>
#include <vector>

#include "kernels/cuda/launch.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::cuda::emulated;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};
constexpr int kLanes = 32;

struct Element {
  int row, column;
};
// Fragments of mma.m16n8k16 with .f16 or .bf16 operands: element i of a lane.
Element of_a(int lane, int i) {
  const int group = lane >> 2, thread = lane % 4;
  return {(i < 2 || (i >= 4 && i < 6)) ? group : group + 8, i < 4 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8};
}
Element of_b(int lane, int i) {
  const int group = lane >> 2, thread = lane % 4;
  return {i < 2 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8, group};
}
Element of_c(int lane, int i) {
  const int group = lane >> 2, thread = lane % 4;
  return {i < 2 ? group : group + 8, thread * 2 + (i & 1)};
}

Tensor on_device(const std::vector<double>& values, DType dtype) {
  return tensor({static_cast<std::int64_t>(values.size())}, values, {.dtype = dtype}).to(kEmulated);
}
// Registers of 32 bits as i32.
Tensor registers(const std::vector<std::uint32_t>& bits) {
  std::vector<double> values;
  for (const std::uint32_t b : bits) values.push_back(static_cast<std::int32_t>(b));
  return on_device(values, DType::i32);
}
std::vector<std::uint32_t> bits_of(const Tensor& x) {
  std::vector<std::uint32_t> bits;
  for (const double value : x.to_vector()) bits.push_back(static_cast<std::uint32_t>(static_cast<std::int32_t>(value)));
  return bits;
}

// Small whole numbers, exact in every type, that no permutation of the matrix leaves as they are.
int value_at(int row, int column, int seed) { return (row * 37 + column * 101 + row * column * seed + seed) % 17 - 8; }

template <typename T>
__global__ void one_product(const int* a, const int* b, const float* c, float* d) {
  const unsigned lane = threadIdx.x;
  unsigned left[4], right[2];
  float sums[4];
  for (unsigned i = 0; i < 4; ++i) left[i] = static_cast<unsigned>(a[lane * 4 + i]);
  for (unsigned i = 0; i < 2; ++i) right[i] = static_cast<unsigned>(b[lane * 2 + i]);
  for (unsigned i = 0; i < 4; ++i) sums[i] = c[lane * 4 + i];
  mma_m16n8k16<T>(sums, left, right);
  for (unsigned i = 0; i < 4; ++i) d[lane * 4 + i] = sums[i];
}

// The registers of a fragment: the element with the lower index in the lower half.
template <typename T, typename Table>
Tensor fragment(int elements, Table&& table, int seed) {
  std::vector<std::uint32_t> bits;
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < elements; i += 2) {
      const auto half = [&](int e) {
        const Element at = table(lane, e);
        return std::uint32_t{T(static_cast<float>(value_at(at.row, at.column, seed))).bits};
      };
      bits.push_back(half(i) | half(i + 1) << 16);
    }
  return registers(bits);
}

template <typename T>
void check_product() {
  std::vector<double> c;
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) c.push_back(value_at(of_c(lane, i).row, of_c(lane, i).column, 11));
  const Tensor a = fragment<T>(8, of_a, 3), b = fragment<T>(4, of_b, 5), sums = on_device(c, DType::f32);
  const Tensor d = empty({kLanes * 4}, {.dtype = DType::f32, .device = kEmulated});
  launch<one_product<T>>({.blocks = 1, .threads = kLanes}, stream_of(d), a.data<int>(), b.data<int>(),
                         sums.data<float>(), d.data<float>());
  const std::vector<double> result = d.to_vector();
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) {
      const Element at = of_c(lane, i);
      int sum = value_at(at.row, at.column, 11);
      for (int k = 0; k < 16; ++k) sum += value_at(at.row, k, 3) * value_at(k, at.column, 5);
      CHECK(result[static_cast<std::size_t>(lane * 4 + i)] == sum);
    }
}

// Four matrices whose 32 rows lie in shared memory in reverse; every element is its own number.
template <bool Transposed>
__global__ void one_load(int* registers_out) {
  SharedMemory shared;
  auto* rows = shared.array<std::uint16_t>(32 * 8);
  const unsigned lane = threadIdx.x;
  for (unsigned j = 0; j < 8; ++j) rows[(31 - lane) * 8 + j] = static_cast<std::uint16_t>(lane * 8 + j);
  __syncwarp();
  unsigned to[4];
  load_matrix<Transposed>(to, rows + (31 - lane) * 8);
  for (unsigned m = 0; m < 4; ++m) registers_out[lane * 4 + m] = static_cast<int>(to[m]);
}

template <bool Transposed>
void check_load() {
  const Tensor out = empty({kLanes * 4}, {.dtype = DType::i32, .device = kEmulated});
  launch<one_load<Transposed>>({.blocks = 1, .threads = kLanes, .shared_bytes = 512}, stream_of(out), out.data<int>());
  const std::vector<std::uint32_t> result = bits_of(out);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane)
    for (std::uint32_t m = 0; m < 4; ++m) {
      // Row 0: lanes 0 … 3 hold elements 0 1, 2 3, 4 5, 6 7; row 1: lanes 4 … 7; with .trans the matrix is turned.
      const std::uint32_t line = lane / 4, first = lane % 4 * 2;
      const auto number = [&](std::uint32_t row, std::uint32_t column) { return (m * 8 + row) * 8 + column; };
      const std::uint32_t low = Transposed ? number(first, line) : number(line, first);
      const std::uint32_t high = Transposed ? number(first + 1, line) : number(line, first + 1);
      CHECK(result[lane * 4 + m] == (low | high << 16));
    }
}

// Each lane copies 16 bytes, only the first `lane % 9` elements of them, and reads them back; wait: how many groups may
// still be under way.
template <int Wait>
__global__ void one_copy(const std::int32_t* from, int* seen) {
  SharedMemory shared;
  auto* to = shared.array<std::int32_t>(32 * 4);
  const unsigned lane = threadIdx.x;
  for (unsigned i = 0; i < 4; ++i) to[lane * 4 + i] = -7;
  copy_async(to + lane * 4, from + lane * 4, static_cast<int>(lane % 9) * 2);
  commit_copies();
  wait_for_copies<Wait>();
  for (unsigned i = 0; i < 4; ++i) seen[lane * 4 + i] = to[lane * 4 + i];
}

template <int Wait>
std::vector<std::uint32_t> copied(const std::vector<std::uint32_t>& bits) {
  const Tensor from = registers(bits), seen = empty({kLanes * 4}, {.dtype = DType::i32, .device = kEmulated});
  launch<one_copy<Wait>>({.blocks = 1, .threads = kLanes, .shared_bytes = 512}, stream_of(seen), from.data<int>(),
                         seen.data<int>());
  return bits_of(seen);
}

}  // namespace

TEST_CASE("mma_m16n8k16 multiplies fragments laid out as the PTX ISA says") {
  check_product<Half>();
  check_product<BFloat16>();
}

TEST_CASE("load_matrix hands out four matrices, or their transposes, as ldmatrix does") {
  check_load<false>();
  check_load<true>();
}

TEST_CASE("square_row points load_matrix to the quarters of a and of two neighbouring b") {
  // a: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15; two b, read as rows of 16: the halves of the first 8
  // rows, then those of the last 8.
  const int a_rows[] = {0, 8, 0, 8}, a_columns[] = {0, 0, 8, 8}, b_rows[] = {0, 0, 8, 8}, b_columns[] = {0, 8, 0, 8};
  for (int lane = 0; lane < kLanes; ++lane) {
    const SquareRow a = square_row<true>(lane), b = square_row<false>(lane);
    CHECK((a.row == a_rows[lane / 8] + lane % 8 && a.column == a_columns[lane / 8]));
    CHECK((b.row == b_rows[lane / 8] + lane % 8 && b.column == b_columns[lane / 8]));
  }
}

TEST_CASE("copy_async lands when it is waited for, and fills up with zeros") {
  std::vector<std::uint32_t> bits;
  for (std::uint32_t i = 0; i < kLanes * 4; ++i) bits.push_back(0x01020304u * (i + 1));
  const std::vector<std::uint32_t> late = copied<1>(bits), there = copied<0>(bits);
  for (std::uint32_t i = 0; i < kLanes * 4; ++i) {
    const std::uint32_t elements = i / 4 % 9, before = i % 4 * 2;  // 16-bit elements in front of this word
    const std::uint32_t kept = elements >= before + 2 ? 0xffffffffu : elements == before + 1 ? 0xffffu : 0u;
    CHECK(late[i] == static_cast<std::uint32_t>(-7));
    CHECK(there[i] == (bits[i] & kept));
  }
}
