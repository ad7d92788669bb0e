#include "nn/auxiliary_head.h"

namespace weft::nn {

Tensor AuxiliaryHead::forward(const Tensor& x) {
  if (training()) output_ = head_(x);
  return x;
}

std::vector<AuxiliaryHead*> auxiliary_heads(Module& net) {
  std::vector<AuxiliaryHead*> heads;
  for_each_module(net, [&](const std::string&, Module& module) {
    if (auto* head = dynamic_cast<AuxiliaryHead*>(&module)) heads.push_back(head);
  });
  return heads;
}

}  // namespace weft::nn
