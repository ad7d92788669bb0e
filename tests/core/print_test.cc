// Expectations are what NumPy 2 prints for the same arrays.

#include <cmath>

#include "core/tensor.h"
#include "tests/catch.h"

using namespace weft;

TEST_CASE("tensors print as NumPy prints arrays") {
  CHECK(to_string(tensor({2, 3}, {0, .25, .5, .75, 1, 1.25})) == "[[0.   0.25 0.5 ]\n [0.75 1.   1.25]]");
  CHECK(to_string(tensor({3}, {1e-5, 1, 2})) == "[1.e-05 1.e+00 2.e+00]");
  CHECK(to_string(tensor({2, 2}, {1.5, -2.25, 100, 3})) == "[[  1.5   -2.25]\n [100.     3.  ]]");
  CHECK(to_string(tensor({}, {3.5})) == "3.5");
  CHECK(to_string(arange(3, {.dtype = DType::i64})) == "[0 1 2]");
  CHECK(to_string(tensor({2}, {1, 0}, {.dtype = DType::boolean})) == "[ True False]");
  CHECK(to_string(tensor({3}, {NAN, 1, INFINITY}, {.dtype = DType::f64})) == "[nan  1. inf]");
  CHECK(to_string(arange(24, {.dtype = DType::i32}).reshape({2, 3, 4})) ==
        "[[[ 0  1  2  3]\n  [ 4  5  6  7]\n  [ 8  9 10 11]]\n\n [[12 13 14 15]\n  [16 17 18 19]\n  [20 21 22 23]]]");
  CHECK(to_string(tensor({2}, {1e10, 1}, {.dtype = DType::f64})) == "[1.e+10 1.e+00]");
  CHECK(to_string(tensor({3}, {.1, .2, 1. / 3})) == "[0.1        0.2        0.33333334]");
  CHECK(to_string(tensor({2}, {.1, .25}, {.dtype = DType::f16})) == "[0.1  0.25]");
  CHECK(to_string(zeros({0})) == "[]");
}

TEST_CASE("long tensors are wrapped and summarised as NumPy does it") {
  CHECK(to_string(arange(2000)) == "[0.000e+00 1.000e+00 2.000e+00 ... 1.997e+03 1.998e+03 1.999e+03]");
  CHECK(to_string(zeros({40, 40})) ==
        "[[0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]\n ...\n"
        " [0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]\n [0. 0. 0. ... 0. 0. 0.]]");
  Tensor x = empty({20});
  for (int i = 0; i < 20; ++i) x.values<float>()[static_cast<std::size_t>(i)] = float(i / 19.);
  CHECK(to_string(x) ==
        "[0.         0.05263158 0.10526316 0.15789473 0.21052632 0.2631579\n"
        " 0.31578946 0.36842105 0.42105263 0.47368422 0.5263158  0.57894737\n"
        " 0.6315789  0.68421054 0.7368421  0.7894737  0.84210527 0.8947368\n"
        " 0.94736844 1.        ]");
}
