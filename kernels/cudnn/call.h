// A call of one of convolution's slots by cuDNN: its plan, why it may be refused, and how it runs. The engines that use
// tensor cores want filters in the images' order, so for channels-last images the filter is copied into it first and
// its gradient copied back: small beside the convolution.
#pragma once

#include <initializer_list>
#include <string>

#include "core/autograd.h"
#include "core/ops/conv2d.h"
#include "kernels/cudnn/graph.h"

namespace weft::cudnn {

// What is computed, and where its operands lie. Holds references: for the length of a slot's call.
struct Call {
  Convolution convolution;
  const Tensor &x, &weight, &y;
  int device() const { return x.device().index; }
  Outcome plan() const;
};
Call call_of(Direction direction, const Tensor& x, const Tensor& weight, const Tensor& y, const Conv2dOptions& options,
             bool bias = false, bool relu = false);

// Why cuDNN does not take it, or nothing. others: operands beside the images and the filter, which may be undefined.
std::string refuse(const Call& call, std::initializer_list<Input> others = {});

// Whether cuDNN can be given the tensor as an operand.
bool aligned(const Tensor& tensor);

// Runs a call that was not refused, with all operands of its graph.
void run(const Call& call, const Operands& operands);

// The call's filter in the order that its graph wants: itself, or a copy.
Tensor ordered_filter(const Call& call);
// Runs a call whose filter is written: by the graph, or copied from what the graph wrote. operands: the others.
void run_into_filter(const Call& call, Operands operands);

}  // namespace weft::cudnn
