// AuxiliaryHead: a further classifier on a feature map inside a net, as GoogLeNet has them. It passes the map on as it
// is; in training it also keeps its own output, which the training step takes and adds to the loss with its weight.
#pragma once

#include "core/ops/elementwise.h"
#include "nn/sequential.h"

namespace weft::nn {

class WEFT_API AuxiliaryHead final : public Module {
 public:
  AuxiliaryHead(double weight, Sequential head) : weight_(weight), head_(std::move(head)) {}
  void members(Visitor& visitor) override { visitor("", head_); }

  // The output for the last x in training, undefined when there was none; it is given out once. One that nobody takes
  // stays, with its graph, until the next call.
  Tensor take_output() { return std::exchange(output_, {}); }
  // Its share of the loss.
  double weight() const { return weight_; }

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  double weight_;
  Sequential head_;
  Tensor output_;
};

// The heads of a net, in the order of its members.
WEFT_API std::vector<AuxiliaryHead*> auxiliary_heads(Module& net);

// The mean loss of the net's own output plus each head's weight times that of its output, which is taken.
template <typename Loss>
Tensor loss_with_heads(const std::vector<AuxiliaryHead*>& heads, const Tensor& y, Loss&& loss) {
  Tensor total = loss(y);
  for (AuxiliaryHead* head : heads)
    if (const Tensor output = head->take_output(); output.defined()) total = total + head->weight() * loss(output);
  return total;
}

}  // namespace weft::nn
