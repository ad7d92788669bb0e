// LeNet-5 as the lecture notes have it (LeCun, Bottou, Bengio and Haffner 1998, with a plain last layer): two
// convolutions with pooling, three linear layers.
#pragma once

#include <string>

#include "core/layout.h"
#include "nn/flatten.h"
#include "nn/sequential.h"

namespace weft::models {

struct LeNetOptions {
  std::int64_t in_channels = 1;
  std::int64_t image_size = 28;  // at least 12
  std::int64_t classes = 10;
  std::string activation = "sigmoid";  // one of nn::activation_names()
  std::string pool = "avg";            // or "max"
  MemoryFormat memory_format = MemoryFormat::channels_last;
};

// x (N, in_channels, S, S) -> (N, classes). x is brought to the memory format once; everything up to the flattening
// then keeps it.
class WEFT_API LeNet final : public nn::Module {
 public:
  explicit LeNet(const LeNetOptions& options = {});
  void members(nn::Visitor& visitor) override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  MemoryFormat memory_format_;
  nn::Sequential features_;
  nn::Flatten flatten_;
  nn::Sequential classifier_;
};

}  // namespace weft::models
