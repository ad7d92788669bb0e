// Matrix products of f16 and bf16 on tensor cores (tensor_tiles.h): 2 m n k floating-point operations; each operand is
// read once per tile across the other one, from L2 where neighbouring blocks share it. Bound by the tensor cores for
// large products, by memory below some 200 operations per byte (790 TFLOP/s against 4.3 TB/s).
//
// Taken are operands whose chunks of 16 bytes are aligned: unit stride along one axis, a multiple of 8 along the other.

#include "core/ops/matmul.h"

#include <algorithm>

#include "kernels/cuda/batches.h"
#include "kernels/cuda/sums.h"
#include "kernels/cuda/tensor_tiles.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

template <typename T, bool LeftAlong, bool RightAlong>
struct Product {
  std::int64_t m, n, k;
  TensorMatrix<T, LeftAlong> left;
  TensorMatrix<T, RightAlong> right;
  Batches batches;
  TileGrid grid;
  const T* bias;
  T* y;
  float* partial;  // (parts, batch, m, n) where the depth is split
  bool pairs;      // whether two elements of y may be written at once

  template <typename F>
  void each_pointer(F&& f) {
    f(left.data), f(right.data), f(bias), f(y), f(partial);
  }
};

// A block owns a tile of one product (or of a part of its depth), a warp 64 x 64 elements of it.
template <typename T, typename Tile, bool LeftAlong, bool RightAlong>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    multiply_matrices(const Product<T, LeftAlong, RightAlong> p) {
  const std::int64_t blocks = p.grid.blocks(), product = blockIdx.x / blocks, block = blockIdx.x % blocks;
  TensorMatrix<T, LeftAlong> left = p.left;
  TensorMatrix<T, RightAlong> right = p.right;
  p.batches.move(product, left.data, right.data);
  const TilePlace place = p.grid.place(block, p.k, Tile::kRows, Tile::kColumns);
  const std::int64_t elements = p.m * p.n;
  if (p.partial) {
    float* part = p.partial + (p.grid.part(block) * (gridDim.x / blocks) + product) * elements;
    multiply_tensor_tile<T, Tile>(place, left, right, MatrixStore<float>{p.m, p.n, part, nullptr, p.n % 2 == 0});
  } else {
    multiply_tensor_tile<T, Tile>(place, left, right,
                                  MatrixStore<T>{p.m, p.n, p.y + product * elements, p.bias, p.pairs});
  }
}

// Whether neighbours along the axis (-1 or -2) lie side by side, and chunks of 8 of them are aligned.
bool chunks_along(const Tensor& x, int axis) {
  const int rank = x.rank(), other = axis == -1 ? rank - 2 : rank - 1;
  bool aligned = x.strides()[rank + axis] == 1 && pack_aligned<8>(static_cast<const Half*>(x.raw()));
  for (int i = 0; i < rank; ++i)
    if (i != rank + axis && (i < rank - 2 || i == other) && x.shape()[i] > 1) aligned &= x.strides()[i] % 8 == 0;
  return aligned;
}

// Which ways an operand may be copied: chunks along the depth, chunks across it. Axis -1 or -2 is the depth.
struct Ways {
  bool along, across;
};
Ways ways(const Tensor& x, int depth) { return {chunks_along(x, depth), chunks_along(x, -3 - depth)}; }

std::string refuse_product(DType dtype, const Tensor& a, int a_depth, const Tensor& b, int b_depth) {
  if (dtype != DType::f16 && dtype != DType::bf16) return "tensor cores take f16 and bf16";
  const Ways left = ways(a, a_depth), right = ways(b, b_depth);
  if (!left.along && !left.across) return "the left operand has no aligned chunks of 8 elements";
  if (!right.along && !right.across) return "the right operand has no aligned chunks of 8 elements";
  if (!left.along && !right.across) return "both operands are transposed";
  return refuse_device(a);
}

template <typename Tile, bool LeftAlong, bool RightAlong>
void run(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  const std::int64_t m = a.size(-2), n = b.size(-1), k = a.size(-1), products = y.elements() / (m * n);
  const TileGrid grid = tile_grid(m, n, k, products, Tile::kRows, Tile::kColumns, 256);
  Tensor partial;
  if (grid.parts > 1) partial = empty({grid.parts, products * m * n}, {DType::f32, y.device()});
  const auto start = [&]<typename T>() {
    const auto steps = [](const Tensor& x, int axis) { return x.strides()[x.rank() + axis]; };
    using Left = TensorMatrix<T, LeftAlong>;
    using Right = TensorMatrix<T, RightAlong>;
    launch<multiply_matrices<T, Tile, LeftAlong, RightAlong>>(
        {.blocks = static_cast<unsigned>(grid.blocks() * products),
         .threads = Tile::kThreads,
         .shared_bytes = kTensorTileBytes<Tile, Left, Right>},
        stream_of(y),
        Product<T, LeftAlong, RightAlong>{m, n, k, Left{a.data<T>(), m, steps(a, -2), steps(a, -1)},
                                          Right{b.data<T>(), n, steps(b, -1), steps(b, -2)}, batches_of(a, b), grid,
                                          bias.defined() ? bias.data<T>() : nullptr, y.data<T>(),
                                          partial.defined() ? partial.data<float>() : nullptr,
                                          n % 2 == 0 && pack_aligned<2>(y.data<T>())});
  };
  y.dtype() == DType::f16 ? start.template operator()<Half>() : start.template operator()<BFloat16>();
  if (partial.defined()) add_parts(partial, bias, y);
}

template <typename Tile>
void run(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  if (!ways(a, -1).along) return run<Tile, false, false>(a, b, bias, y);
  ways(b, -2).along ? run<Tile, true, true>(a, b, bias, y) : run<Tile, true, false>(a, b, bias, y);
}

// y (batch…, m, n) = a (batch…, m, k) b (batch…, k, n) + bias (n).
void multiply(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  if (y.elements() == 0) return;
  const std::int64_t m = a.size(-2), n = b.size(-1), products = y.elements() / (m * n);
  prefers_wide(y, m, n, products) ? run<WideTensorTile>(a, b, bias, y) : run<TensorSquare>(a, b, bias, y);
}

std::string refuse_matmul(const Tensor& a, const Tensor& b, const Tensor&) {
  return refuse_product(a.dtype(), a, -1, b, -2);
}
void matmul(const Tensor& a, const Tensor& b, const Tensor& y) { multiply(a, b, {}, y); }
std::string refuse_linear(const Tensor& x, const Tensor& weight, const Tensor&, const Tensor&) {
  return refuse_product(x.dtype(), x, -1, weight, -1);
}
void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  multiply(x, weight.detach().transpose(), bias, y);
}
std::string refuse_backward(const Tensor& x, const Tensor& dy, const Tensor& dw, const Tensor&) {
  return dw.defined() ? refuse_product(x.dtype(), dy, -2, x, -2) : "dw is not asked for";
}
void linear_backward(const Tensor& x, const Tensor& dy, const Tensor& dw, const Tensor& dbias) {
  multiply(dy.detach().transpose(), x, {}, dw);
  if (dbias.defined()) channel_sums(dy, dbias);
}

constexpr const char* kName = "cuda.tensor_cores";
[[maybe_unused]] const bool registered[] = {
    matmul_forward.add({.device = kThisDevice, .name = kName, .rank = 50, .refuse = refuse_matmul, .run = matmul}),
    linear_forward.add({.device = kThisDevice, .name = kName, .rank = 50, .refuse = refuse_linear, .run = linear}),
    linear_backward_weight.add(
        {.device = kThisDevice, .name = kName, .rank = 50, .refuse = refuse_backward, .run = linear_backward}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
