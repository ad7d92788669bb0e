// The mapping of matrix products to BLAS, interpreted by a naive column-major GEMM and compared with the product read
// through weft's own strides. Whole numbers, so that equal means equal.
#include "kernels/cublas/gemm.h"

#include <random>

#include "tests/catch.h"

using namespace weft;
using namespace weft::cublas;

namespace {

using Values = std::vector<double>;

// What BLAS would do with the description, operand by operand.
void interpret(const Gemm& g, const double* first, const double* second, double* d) {
  const auto at = [](const Stored& s, const double* x, std::int64_t i, std::int64_t j) {
    return s.transposed ? x[j + i * s.leading] : x[i + j * s.leading];
  };
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t j = 0; j < g.n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < g.k; ++l) sum += at(g.first, first, i, l) * at(g.second, second, l, j);
      d[i + j * g.leading] = sum;
    }
}

// A leading dimension that is too small would make columns overlap: BLAS refuses that, and so must the mapping.
void check_stored(const Stored& s, std::int64_t rows, std::int64_t columns) {
  CHECK(s.rows == (s.transposed ? columns : rows));
  CHECK(s.columns == (s.transposed ? rows : columns));
  CHECK(s.leading >= s.rows);
}

Values product_by_blas(const Gemm& g, const Values& a, const Layout& la, const Values& b, const Layout& lb,
                       const Layout& y) {
  check_stored(g.first, g.m, g.k);
  check_stored(g.second, g.k, g.n);
  CHECK(g.leading >= g.m);
  Values out(static_cast<std::size_t>(y.shape.elements()), -1);
  each_call(g, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_y) {
    for (std::int64_t i = 0; i < g.batch.size; ++i)
      interpret(g, b.data() + lb.offset + at_b + i * g.batch.b, a.data() + la.offset + at_a + i * g.batch.a,
                out.data() + at_y + i * g.batch.y);
  });
  return out;
}

// Where the element with this row-major number lies.
std::int64_t place(const Layout& l, std::int64_t number) {
  std::int64_t at = l.offset;
  for (int axis = l.shape.rank() - 1; axis >= 0; --axis) {
    at += number % l.shape[axis] * l.strides[axis];
    number /= l.shape[axis];
  }
  return at;
}

Values product_by_strides(const Values& a, const Layout& la, const Values& b, const Layout& lb, const Layout& y) {
  const std::int64_t m = la.shape[la.shape.rank() - 2], k = la.shape.back(), n = lb.shape.back();
  Values out;
  for (std::int64_t at = 0; at < y.shape.elements(); ++at) {
    const std::int64_t batch = at / (m * n), row = at / n % m, column = at % n;
    double sum = 0;
    for (std::int64_t l = 0; l < k; ++l)
      sum += a[static_cast<std::size_t>(place(la, (batch * m + row) * k + l))] *
             b[static_cast<std::size_t>(place(lb, (batch * k + l) * n + column))];
    out.push_back(sum);
  }
  return out;
}

struct Random {
  std::mt19937 engine{2024};
  std::int64_t below(std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n - 1)(engine); }
  std::int64_t size() {
    constexpr std::int64_t sizes[] = {1, 1, 2, 3, 5, 7, 8, 13};
    return sizes[below(8)];
  }
  Values values(std::size_t n) {
    Values out(n);
    for (double& v : out) v = static_cast<double>(below(9) - 4);
    return out;
  }
};

// A view of shape (batch…, rows, columns): transposed or not, in a wider buffer or not, its batch axes in any order of
// memory or broadcast; with the number of elements its storage needs.
Layout random_view(Random& random, const Shape& batch, std::int64_t rows, std::int64_t columns, std::size_t& elements) {
  Layout view{.shape = batch, .strides = batch, .offset = random.below(4), .format = MemoryFormat::strided};
  const bool transposed = random.below(2) == 1;
  const std::int64_t pitch = (transposed ? rows : columns) + random.below(3);
  view.shape.push_back(rows);
  view.shape.push_back(columns);
  view.strides.push_back(transposed ? 1 : pitch);
  view.strides.push_back(transposed ? pitch : 1);
  std::int64_t step = pitch * (transposed ? columns : rows) + random.below(2);
  std::vector<int> order(static_cast<std::size_t>(batch.rank()));
  for (int i = 0; i < batch.rank(); ++i) order[static_cast<std::size_t>(i)] = batch.rank() - 1 - i;
  if (random.below(3) == 0) std::shuffle(order.begin(), order.end(), random.engine);
  for (const int axis : order) {
    const bool broadcast = random.below(3) == 0;
    view.strides[axis] = broadcast ? 0 : step;
    if (!broadcast) step *= view.shape[axis];
  }
  elements = static_cast<std::size_t>(view.offset + step);
  return view;
}

}  // namespace

TEST_CASE("every view that BLAS has words for gives the product of the views, over random shapes and batches") {
  Random random;
  int outer = 0, transposes = 0;
  for (int round = 0; round < 3000; ++round) {
    Shape batch;
    for (std::int64_t axes = random.below(4); axes > 0; --axes) batch.push_back(1 + random.below(3));
    const std::int64_t m = random.size(), k = random.size(), n = random.size();
    std::size_t a_elements = 0, b_elements = 0;
    const Layout la = random_view(random, batch, m, k, a_elements), lb = random_view(random, batch, k, n, b_elements);
    Shape shape = batch;
    shape.push_back(m);
    shape.push_back(n);
    const Layout y = dense_layout(shape);
    const Values a = random.values(a_elements), b = random.values(b_elements);
    const Gemm g = map_gemm(la, lb, y);
    INFO("a " << to_string(la.shape) << " strides " << to_string(la.strides) << ", b " << to_string(lb.shape)
              << " strides " << to_string(lb.strides));
    REQUIRE(g.refusal == "");
    CHECK(product_by_blas(g, a, la, b, lb, y) == product_by_strides(a, la, b, lb, y));
    outer += !g.outer.empty();
    transposes += g.first.transposed + g.second.transposed;
  }
  CHECK(outer > 100);  // the sample has batches that one call cannot cover, and transposes
  CHECK(transposes > 1000);
}

TEST_CASE("the gradients of a linear layer are products of transposed views") {
  const Layout x = dense_layout({5, 3}), dy = dense_layout({5, 7}), dw = dense_layout({7, 3});
  const Gemm g = map_gemm(transposed(dy), x, dw);
  CHECK(g.refusal == "");
  // D^T = dw^T (3, 7) = x^T (3, 5) dy (5, 7): the second matrix has dw's rows as columns, as bias gradients need.
  CHECK((g.m == 3 && g.n == 7 && g.k == 5));
  Random random;
  const Values a = random.values(35), b = random.values(15);
  CHECK(product_by_blas(g, a, transposed(dy), b, x, dw) == product_by_strides(a, transposed(dy), b, x, dw));
}

TEST_CASE("batches that step evenly are one call") {
  const Gemm whole = map_gemm(dense_layout({2, 3, 4, 5}), dense_layout({2, 3, 5, 6}), dense_layout({2, 3, 4, 6}));
  CHECK((whole.batch.size == 6 && whole.outer.empty()));
  CHECK((whole.batch.a == 20 && whole.batch.b == 30 && whole.batch.y == 24));
  const Layout shared = view_layout({2, 3, 5, 6}, {0, 0, 6, 1}, 0);
  const Gemm broadcast = map_gemm(dense_layout({2, 3, 4, 5}), shared, dense_layout({2, 3, 4, 6}));
  CHECK((broadcast.batch.size == 6 && broadcast.batch.b == 0 && broadcast.outer.empty()));
  // a repeats over the first axis, b over the second: no one stride does that.
  const Gemm crossed = map_gemm(view_layout({2, 3, 4, 5}, {0, 20, 5, 1}, 0),
                                view_layout({2, 3, 5, 6}, {30, 0, 6, 1}, 0), dense_layout({2, 3, 4, 6}));
  CHECK((crossed.batch.size == 3 && crossed.outer.size() == 1 && crossed.outer[0].size == 2));
}

TEST_CASE("what BLAS has no words for is refused, and said") {
  const Layout a = dense_layout({4, 5}), b = dense_layout({5, 6}), y = dense_layout({4, 6});
  CHECK(map_gemm(view_layout({4, 5}, {10, 2}, 0), b, y).refusal ==
        "the first operand has no stride of 1 over rows that do not overlap: strides (10, 2)");
  CHECK(map_gemm(a, view_layout({5, 6}, {0, 1}, 0), y).refusal ==
        "the second operand has no stride of 1 over rows that do not overlap: strides (0, 1)");
  CHECK(map_gemm(view_layout({4, 5}, {2, 1}, 0), b, y).refusal ==
        "the first operand has no stride of 1 over rows that do not overlap: strides (2, 1)");
  CHECK(map_gemm(a, b, transposed(dense_layout({6, 4}))).refusal == "the result is not row-major: strides (1, 4)");
  CHECK(map_gemm(dense_layout({4, 0}), dense_layout({0, 6}), y).refusal == "the sums are empty");
  CHECK(map_gemm(dense_layout({0, 5}), b, dense_layout({0, 6})).refusal == "the result is empty");
  CHECK(map_gemm(dense_layout({2, 0, 4, 5}), dense_layout({2, 0, 5, 6}), dense_layout({2, 0, 4, 6})).refusal ==
        "the result is empty");
  const std::int64_t large = std::int64_t{1} << 32;
  CHECK(contains("is above 2^31")
            .match(map_gemm(dense_layout({large, 1}), dense_layout({1, 6}), dense_layout({large, 6})).refusal));
}
