// Layer normalisation (Ba, Kiros, Hinton, "Layer normalization", 2016): every row over the last axes gets mean 0 and
// variance 1, whatever the other rows hold. Also the slots of group normalisation, whose rows are groups of channels.
#pragma once

#include "core/kernel_slot.h"

namespace weft {

struct LayerNormOptions {
  int axes = 1;  // how many of the last axes make up a row
  double eps = 1e-5;
};

// y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and variance (biased) of each row. weight and bias have
// the shape of a row and x's dtype, or f32 where x is a 16-bit float; undefined: 1 and 0. Any floating dtype;
// statistics in f32 (f64 for f64), of deviations from the mean. y is contiguous. Kept for backward: x and two numbers a
// row.
WEFT_API Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, LayerNormOptions options = {});

// Which weight belongs to an element: row r, column i has number r % groups * (columns / span) + i / span.
struct RowNorm {
  std::int64_t groups = 1;  // rows that have weights of their own
  std::int64_t span = 1;    // neighbours that share one
  double eps = 1e-5;
};

// In all slots x, y, dy and dx are dense and contiguous (rows, columns); mean and inverse (rows,); weight, bias,
// dweight and dbias dense with groups * columns / span numbers; all but the first four in the compute type of x. weight
// and bias may be undefined. mean, inverse = 1 / sqrt(variance + eps) and y.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& weight, const Tensor& bias, RowNorm rows,
                                const Tensor& mean, const Tensor& inverse, const Tensor& y)>
    layer_norm_forward;
// dx = inverse * (g - mean(g) - n * mean(g * n)), g = dy * weight, n = (x - mean) * inverse, means over the row.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse,
                                const Tensor& weight, RowNorm rows, const Tensor& dx)>
    layer_norm_backward_data;
// dweight = sum of dy * n and dbias = sum of dy, over all elements that the weight belongs to.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse,
                                RowNorm rows, const Tensor& dweight, const Tensor& dbias)>
    layer_norm_backward_weight;

// What both ops do with x (rows, columns); op names them in errors and graphs.
WEFT_API Tensor normalize_rows(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, RowNorm rows);

}  // namespace weft
