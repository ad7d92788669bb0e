// Matrix products of any floating type and any strides, through tiles in shared memory (tiles.h). m * n * k
// multiply-adds; every operand is read once per tile along the other one's rows: from L2 mostly. On an H200 tiles of
// 64 x 64 do 32 multiply-adds per element read, so f32 is bound by the arithmetic units (67 TFLOP/s) and by shared
// memory, of which two reads of 16 bytes feed 16 multiply-adds. 16-bit floats are multiplied as f32: their tensor-core
// candidates stand in matmul_tensor_cores.cu.

#include "core/ops/matmul.h"

#include <algorithm>

#include "core/ops/elementwise.h"
#include "kernels/cuda/batches.h"
#include "kernels/cuda/sums.h"
#include "kernels/cuda/tiles.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// A matrix as an operand: rows of the left one, columns of the right one.
template <typename T>
struct Matrix {
  using Element = T;
  using Place = Offset;
  const T* data;
  std::int64_t rows, row_step, depth_step;
  bool steps_fast;

  __device__ Offset row(std::int64_t i) const { return {i < rows ? i * row_step : -1}; }
  __device__ Offset step(std::int64_t k) const { return {k * depth_step}; }
  __device__ static Offset nowhere() { return {-1}; }
  __device__ T read(Offset row, Offset step) const {
    return row.at < 0 || step.at < 0 ? T(Compute<T>(0)) : data[row.at + step.at];
  }
};

template <typename T>
struct Product {
  std::int64_t m, n, k;
  Matrix<T> left, right;
  Batches batches;
  TileGrid grid;
  const T* bias;
  T* y;
  Compute<T>* partial;  // (batch, parts, m, n) where the depth is split

  template <typename F>
  void each_pointer(F&& f) {
    f(left.data), f(right.data), f(bias), f(y), f(partial);
  }
};

// Four neighbours of a row of y, or of a part of it.
template <typename T, typename Sum>
struct RowStore {
  static constexpr bool columns_fast = true;
  std::int64_t m, n;
  const T* bias;  // null: none
  T* y;

  __device__ std::int64_t columns(std::int64_t j) const { return j; }
  __device__ void operator()(std::int64_t i, std::int64_t j, const Sum* sums) const {
    for (int e = 0; e < 4; ++e)
      if (i < m && j + e < n) y[i * n + j + e] = T(bias ? sums[e] + Sum(bias[j + e]) : sums[e]);
  }
};

// A block owns one tile of one product (or of a part of its depth), a thread 4 x 4 elements of it.
template <typename T, typename Tile>
__global__ void __launch_bounds__(Tile::kThreads) multiply_tiles(Product<T> p) {
  using Sum = Compute<T>;
  const std::int64_t per_product = p.grid.down * p.grid.across * p.grid.parts, product = blockIdx.x / per_product;
  const std::int64_t block = blockIdx.x % per_product;
  Matrix<T> left = p.left, right = p.right;
  p.batches.move(product, left.data, right.data);
  const TilePlace place = p.grid.place(block, p.k, Tile::kRows, Tile::kColumns);
  if (p.partial) {
    Sum* part = p.partial + (p.grid.part(block) * (gridDim.x / per_product) + product) * p.m * p.n;
    multiply_tile<Tile>(place, left, right, RowStore<Sum, Sum>{p.m, p.n, nullptr, part});
  } else {
    multiply_tile<Tile>(place, left, right, RowStore<T, Sum>{p.m, p.n, p.bias, p.y + product * p.m * p.n});
  }
}

// Rows of the left operand, or the columns of the right one with turned = true.
template <typename T>
Matrix<T> matrix(const Tensor& x, bool turned) {
  const int rank = x.rank();
  const std::int64_t row_step = x.strides()[rank - (turned ? 1 : 2)], depth_step = x.strides()[rank - (turned ? 2 : 1)];
  return {x.data<T>(), x.size(turned ? -1 : -2), row_step, depth_step, depth_step == 1 || row_step != 1};
}

// y (batch…, m, n) = a (batch…, m, k) b (batch…, k, n) + bias (n).
void multiply(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  if (y.elements() == 0) return;
  const std::int64_t m = a.size(-2), n = b.size(-1), k = a.size(-1), products = y.elements() / (m * n);
  visit_tile(m, n, [&]<typename Tile>() {
    const TileGrid grid = tile_grid(m, n, k, products, Tile::kRows, Tile::kColumns);
    const DType sums = y.dtype() == DType::f64 ? DType::f64 : DType::f32;
    Tensor partial;
    if (grid.parts > 1) partial = empty({grid.parts, products * m * n}, {sums, y.device()});
    visit_floating(y.dtype(), "matmul", [&]<typename T>() {
      launch<multiply_tiles<T, Tile>>({.blocks = static_cast<unsigned>(grid.blocks() * products),
                                       .threads = Tile::kThreads,
                                       .shared_bytes = kTileBytes<Tile, Matrix<T>, Matrix<T>>},
                                      stream_of(y),
                                      Product<T>{m, n, k, matrix<T>(a, false), matrix<T>(b, true), batches_of(a, b),
                                                 grid, bias.defined() ? bias.data<T>() : nullptr, y.data<T>(),
                                                 partial.defined() ? partial.data<Compute<T>>() : nullptr});
    });
    if (partial.defined()) add_parts(partial, bias, y);
  });
}

void matmul(const Tensor& a, const Tensor& b, const Tensor& y) { multiply(a, b, {}, y); }
void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  multiply(x, weight.detach().transpose(), bias, y);
}
// By whoever multiplies best, then in place.
void linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  linear_forward(x, weight, bias, y);
  unary_forward(Unary::relu, {}, y, y);
}
void linear_backward(const Tensor& x, const Tensor& dy, const Tensor& dw, const Tensor& dbias) {
  if (dw.defined()) multiply(dy.detach().transpose(), x, {}, dw);
  if (dbias.defined()) channel_sums(dy, dbias);
}

[[maybe_unused]] const bool registered[] = {
    matmul_forward.add({.device = kThisDevice, .name = "cuda.tiles", .rank = 100, .run = matmul}),
    linear_forward.add({.device = kThisDevice, .name = "cuda.tiles", .rank = 100, .run = linear}),
    linear_relu_forward.add({.device = kThisDevice, .name = "cuda.composed", .rank = 100, .run = linear_relu}),
    linear_backward_weight.add({.device = kThisDevice, .name = "cuda.tiles", .rank = 100, .run = linear_backward}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
