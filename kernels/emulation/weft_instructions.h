// The emulator's half of kernels/cuda/mma.h: what the instructions do, written down lane by lane from the PTX ISA. The
// tensor cores' order of adding and rounding is not documented; here the 16 products, which f32 holds exactly, are
// added to the sum one after another.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "core/dtype.h"
#include "kernels/emulation/emulation.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

struct MatrixLoad {
  const std::uint16_t* row;
  unsigned* to;
};

template <bool Transposed>
void load_matrix(unsigned (&to)[4], const void* row, emulation::Where where = emulation::Where::current()) {
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
    emulation::complain(where, "load_matrix of a row at an address that is no multiple of 16");
  MatrixLoad mine{static_cast<const std::uint16_t*>(row), to};
  const auto combine = [](void* const* lanes) {
    const auto load = [&](int lane) { return static_cast<const MatrixLoad*>(lanes[lane]); };
    for (int lane = 0; lane < 32; ++lane)
      for (int m = 0; m < 4; ++m) {
        const auto element = [&](int i, int j) -> unsigned {  // of matrix m, or of its transpose
          return Transposed ? load(m * 8 + j)->row[i] : load(m * 8 + i)->row[j];
        };
        const int i = lane / 4, j = lane % 4 * 2;
        load(lane)->to[m] = element(i, j) | element(i, j + 1) << 16;
      }
  };
  emulation::warp_together(~0u, &mine, combine, where);
}

struct MatrixProduct {
  float* sums;
  const unsigned* a;
  const unsigned* b;
};

template <typename T>
float half_of(unsigned pair, int which) {
  T value;
  const auto bits = static_cast<std::uint16_t>(pair >> (16 * which));
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<float>(value);
}

template <typename T>
void mma_m16n8k16(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                  emulation::Where where = emulation::Where::current()) {
  MatrixProduct mine{sums, a, b};
  const auto combine = [](void* const* lanes) {
    float left[16][16], right[16][8], c[16][8];
    for (int lane = 0; lane < 32; ++lane) {
      const auto& operands = *static_cast<const MatrixProduct*>(lanes[lane]);
      const int group = lane / 4, pair = lane % 4 * 2;
      for (int e = 0; e < 2; ++e) {
        for (int r = 0; r < 4; ++r) left[group + r % 2 * 8][pair + e + r / 2 * 8] = half_of<T>(operands.a[r], e);
        for (int r = 0; r < 2; ++r) {
          right[pair + e + r * 8][group] = half_of<T>(operands.b[r], e);
          c[group + r * 8][pair + e] = operands.sums[r * 2 + e];
        }
      }
    }
    for (int i = 0; i < 16; ++i)
      for (int k = 0; k < 16; ++k)
        for (int j = 0; j < 8; ++j) c[i][j] += left[i][k] * right[k][j];
    for (int lane = 0; lane < 32; ++lane)
      for (int e = 0; e < 4; ++e)
        static_cast<const MatrixProduct*>(lanes[lane])->sums[e] = c[lane / 4 + e / 2 * 8][lane % 4 * 2 + e % 2];
  };
  emulation::warp_together(~0u, &mine, combine, where);
}

inline void copy_async(void* to, const void* from, int bytes = 16,
                       emulation::Where where = emulation::Where::current()) {
  emulation::copy_later(to, from, static_cast<std::size_t>(bytes), static_cast<std::size_t>(16 - bytes), where);
}
inline void commit_copies() { emulation::commit_copies(); }
template <int Groups>
void wait_for_copies() {
  emulation::wait_for_copies(Groups);
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
