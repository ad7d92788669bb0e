// ToMemoryFormat: brings images to a memory format, once, at the entrance of a net; every layer after it keeps that
// format.
#pragma once

#include "nn/module.h"

namespace weft::nn {

// x (N, C, H, W) of any format -> the same values in the given one; x itself where it has that format already.
class WEFT_API ToMemoryFormat final : public Module {
 public:
  explicit ToMemoryFormat(MemoryFormat format) : format_(format) {}
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override { return x.to(format_); }

 private:
  MemoryFormat format_;
};

}  // namespace weft::nn
