// Staging: how a kernel written for float and double serves 16-bit floats and other memory formats, by computing on
// copies. Only for kernels whose arithmetic outweighs one pass over their operands.
#pragma once

#include "core/autograd.h"
#include "core/ops/copy.h"
#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

// f64 stays, the others become f32.
inline DType staged_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// x with float or double elements; a copy where they are 16 bits. Undefined stays undefined.
inline Tensor staged(const Tensor& x) {
  const NoGrad no_grad;
  return x.defined() ? x.to(staged_dtype(x.dtype())) : x;
}
// The same in a memory format.
inline Tensor staged(const Tensor& x, MemoryFormat format) {
  const NoGrad no_grad;
  return x.to(staged_dtype(x.dtype())).to(format);
}

// Runs body(target) with a tensor like y of float or double elements in the given format: y itself where it is one,
// else a temporary that is copied to y afterwards. Undefined stays undefined.
template <typename Body>
void stage_output(const Tensor& y, MemoryFormat format, Body&& body) {
  if (!y.defined() || (y.dtype() == staged_dtype(y.dtype()) && y.format() == format)) return body(y);
  const Tensor target = empty(y.shape(), {staged_dtype(y.dtype()), y.device(), format});
  body(target);
  copy_forward(target, y);
}

// Calls body with T = float or double for a staged dtype.
template <typename F>
void visit_staged(DType dtype, F&& body) {
  if (dtype == DType::f64)
    body.template operator()<double>();
  else
    body.template operator()<float>();
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
