// ResNet (He, Zhang, Ren and Sun 2015): blocks that add what they compute to what they got. With its wide and grouped
// forms, Wide ResNet (Zagoruyko and Komodakis 2016) and ResNeXt (Xie et al. 2016).
#pragma once

#include "models/registry.h"
#include "nn/batch_norm.h"
#include "nn/sequential.h"

namespace weft::models {

// relu(norm(body(x)) + shortcut(x)): the body ends with a convolution, which `norm` normalises; without a shortcut x
// itself is added. The body's layers have the block's own names.
class WEFT_API Residual final : public nn::Module {
 public:
  Residual(nn::Sequential body, std::string norm_name, nn::NamedModule shortcut = {});
  void members(nn::Visitor& visitor) override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  nn::Sequential body_;
  std::string norm_name_;
  nn::BatchNorm norm_;
  nn::NamedModule shortcut_;
};

struct ResidualSpec {
  std::int64_t in = 64, out = 64;
  int stride = 1;
  std::int64_t width = 64;  // of the bottleneck's middle
  std::int64_t groups = 1;  // there
};

// conv1 3 x 3 (stride), conv2 3 x 3; conv1 1 x 1, conv2 3 x 3 (stride), conv3 1 x 1. The shortcut is a 1 x 1
// convolution with batch norm ("downsample") where the shape changes.
WEFT_API Residual basic_block(const ResidualSpec& spec);
WEFT_API Residual bottleneck(const ResidualSpec& spec);

// The lecture notes' block: convolutions with bias; the shortcut is x itself, or a 1 x 1 convolution ("conv3") without
// batch norm.
WEFT_API Residual residual_d2l(std::int64_t in, std::int64_t out, bool convolved_shortcut = false, int stride = 1);

}  // namespace weft::models
