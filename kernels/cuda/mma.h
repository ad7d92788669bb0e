// Tensor cores and asynchronous copies as a few small functions, each of which a warp calls with all of its lanes:
//
//   load_matrix<transposed>(to, row)   four 8 x 8 matrices of 16-bit elements out of shared memory
//   mma_m16n8k16<T>(sums, a, b)        sums (16, 8) += a (16, 16) b (16, 8), f32 sums of f16 or bf16 products
//   copy_async(to, from, bytes)        16 bytes from device to shared memory, past the registers
//   commit_copies(), wait_for_copies<n>()   groups of such copies, and until at most n of them are under way
//
// <weft_instructions.h> is the part that differs: PTX for a GPU, a twin for the emulator that follows the fragment
// layouts of the PTX ISA ("Warp-level matrix instructions"). With group = lane / 4 and pair = lane % 4 * 2:
//
//   a  a[0] rows group, a[1] rows group + 8 of columns pair, pair + 1; a[2], a[3] the same of columns + 8
//   b  b[0] rows pair, pair + 1 of column group; b[1] the same of rows + 8
//   sums  sums[0], sums[1] row group, columns pair, pair + 1; sums[2], sums[3] row group + 8
//
// (each register of a and b holds two elements, the lower half the one with the lower index). load_matrix: lane i names
// row i % 8 of matrix i / 8, 16 bytes at an address that is a multiple of 16; to[m] is row group, columns pair and
// pair + 1 of matrix m, or the same of its transpose.
#pragma once

#include <cuda_runtime.h>

#include "core/dtype.h"

#include <weft_instructions.h>

namespace weft::cuda::WEFT_CUDA_BUILD {

// Where lane i points load_matrix to, for four matrices that make up 16 x 16 elements: the row in that square, and
// the column where the matrix begins. With along_rows = true matrices 0 and 1 lie one below the other (a's order),
// else one beside the other (b's, for two neighbouring b).
struct SquareRow {
  int row, column;
};
template <bool AlongRows>
__device__ inline SquareRow square_row(int lane) {
  const int low = lane % 8, one = lane / 8 % 2 * 8, two = lane / 16 * 8;
  return AlongRows ? SquareRow{low + one, two} : SquareRow{low + two, one};
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
