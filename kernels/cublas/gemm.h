// A matrix product of weft (row-major views with any strides) in the words of BLAS (column-major matrices with a
// leading dimension). Pure arithmetic on layouts: no library, no device. A view that BLAS has no words for is refused.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/layout.h"

namespace weft::cublas {

// A matrix as BLAS finds it in memory: element (i, j) at i + j * leading, i < rows, j < columns.
struct Stored {
  bool transposed = false;  // whether the product uses it transposed
  std::int64_t rows = 0, columns = 0, leading = 0;
};

// Strides in elements from one product of a batch to the next; 0 for an operand that all share.
struct BatchAxis {
  std::int64_t size = 1, a = 0, b = 0, y = 0;
};

// D (m, n) = op(A) (m, k) op(B) (k, n), column-major. A row-major y is a column-major D = y^T = b^T a^T, so BLAS's
// first matrix is our second: `first` is b, `second` is a, and m counts the columns of y.
struct Gemm {
  std::int64_t m = 0, n = 0, k = 0;
  Stored first{}, second{};
  std::int64_t leading = 0;        // of D
  BatchAxis batch{};               // the axis that one call covers
  std::vector<BatchAxis> outer{};  // the rest: one call per combination
  std::string refusal{};           // why BLAS cannot take it; then nothing else counts
};

// The last two axes swapped.
inline Layout transposed(Layout layout) {
  const int last = layout.shape.rank() - 1;
  std::swap(layout.shape[last], layout.shape[last - 1]);
  std::swap(layout.strides[last], layout.strides[last - 1]);
  layout.format = MemoryFormat::strided;
  return layout;
}

namespace detail {

// op(X) (rows, columns) whose element (i, j) lies at i * row_stride + j * column_stride. The stride of an axis of size
// 1 means nothing.
inline std::optional<Stored> stored(std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                                    std::int64_t column_stride) {
  const auto leading = [](std::int64_t size, std::int64_t other, std::int64_t stride) {
    return other == 1 ? std::max<std::int64_t>(size, 1) : stride;
  };
  const std::int64_t plain = leading(rows, columns, column_stride), turned = leading(columns, rows, row_stride);
  if ((row_stride == 1 || rows == 1) && plain >= rows) return Stored{false, rows, columns, plain};
  if ((column_stride == 1 || columns == 1) && turned >= columns) return Stored{true, columns, rows, turned};
  return std::nullopt;
}

// The batch axes of y with those of a and b, size-1 axes dropped, neighbours merged where all three step evenly.
inline std::vector<BatchAxis> batch_axes(const Layout& a, const Layout& b, const Layout& y) {
  std::vector<BatchAxis> axes;  // innermost first
  for (int i = y.shape.rank() - 3; i >= 0; --i) {
    const BatchAxis axis{y.shape[i], a.strides[i], b.strides[i], y.strides[i]};
    if (axis.size == 1) continue;
    if (!axes.empty()) {
      BatchAxis& inner = axes.back();
      if (axis.a == inner.a * inner.size && axis.b == inner.b * inner.size && axis.y == inner.y * inner.size) {
        inner.size *= axis.size;
        continue;
      }
    }
    axes.push_back(axis);
  }
  return axes;
}

}  // namespace detail

// y (…, M, N) = a (…, M, K) b (…, K, N); the batch axes are those of y in all three, broadcast ones with stride 0.
inline Gemm map_gemm(const Layout& a, const Layout& b, const Layout& y) {
  const int row = y.shape.rank() - 2, column = row + 1;
  Gemm g{.m = y.shape[column], .n = y.shape[row], .k = a.shape[column]};
  const auto refused = [&g](std::string why) {
    g.refusal = std::move(why);
    return g;
  };
  if (y.shape.elements() == 0) return refused("the result is empty");
  if (g.k == 0) return refused("the sums are empty");
  const auto first = detail::stored(g.m, g.k, b.strides[column], b.strides[row]);
  const auto second = detail::stored(g.k, g.n, a.strides[column], a.strides[row]);
  const auto result = detail::stored(g.m, g.n, y.strides[column], y.strides[row]);
  if (!second)
    return refused(message("the first operand has no stride of 1 over rows that do not overlap: strides ", a.strides));
  if (!first)
    return refused(message("the second operand has no stride of 1 over rows that do not overlap: strides ", b.strides));
  if (!result || result->transposed) return refused(message("the result is not row-major: strides ", y.strides));
  g.first = *first;
  g.second = *second;
  g.leading = result->leading;
  g.outer = detail::batch_axes(a, b, y);
  const auto largest =
      std::max_element(g.outer.begin(), g.outer.end(), [](auto& p, auto& q) { return p.size < q.size; });
  if (largest != g.outer.end()) {
    g.batch = *largest;
    g.outer.erase(largest);
  }
  for (const std::int64_t size : {g.m, g.n, g.k, g.batch.size})
    if (size > std::numeric_limits<std::int32_t>::max()) return refused(message("a size of ", size, " is above 2^31"));
  return g;
}

// call(offset of a, of b, of y, in elements) for each product, or batch of products, that is one call of BLAS.
template <typename F>
void each_call(const Gemm& gemm, F&& call) {
  std::vector<std::int64_t> index(gemm.outer.size(), 0);
  BatchAxis at{};  // where we are: a, b and y are offsets
  for (;;) {
    call(at.a, at.b, at.y);
    std::size_t axis = 0;
    for (; axis < index.size(); ++axis) {
      const BatchAxis& step = gemm.outer[axis];
      at.a += step.a, at.b += step.b, at.y += step.y;
      if (++index[axis] < step.size) break;
      index[axis] = 0;
      at.a -= step.a * step.size, at.b -= step.b * step.size, at.y -= step.y * step.size;
    }
    if (axis == index.size()) return;
  }
}

}  // namespace weft::cublas
