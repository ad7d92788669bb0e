#include "models/nin.h"

#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {

nn::Sequential nin_block(nn::Conv2dSpec convolution, std::int64_t out) {
  const std::int64_t channels = convolution.out;
  convolution.relu = true;
  return nn::Sequential(nn::Conv2d(convolution),
                        nn::Conv2d({.in = channels, .out = channels, .kernel = 1, .relu = true}),
                        nn::Conv2d({.in = channels, .out = out == 0 ? channels : out, .kernel = 1, .relu = true}));
}

nn::Sequential nin(std::int64_t last, const ModelOptions& o) {
  const Pool2dOptions pool{.kernel = 3, .stride = 2};
  nn::Sequential features(  // shapes for 224 x 224
      nin_block({.in = o.in_channels, .out = 96, .kernel = 11, .stride = 4}), nn::MaxPool2d(pool),  // (96, 26, 26)
      nin_block({.in = 96, .out = 256, .kernel = 5, .padding = 2}), nn::MaxPool2d(pool),            // (256, 12, 12)
      nin_block({.in = 256, .out = 384, .kernel = 3, .padding = 1}), nn::MaxPool2d(pool),           // (384, 5, 5)
      nn::Dropout(o.dropout[0]),                                                                    //
      nin_block({.in = 384, .out = last == 0 ? o.classes : last, .kernel = 3, .padding = 1}, o.classes));
  return nn::Sequential(entrance(o), nn::named("features", std::move(features)),
                        nn::named("avgpool", nn::GlobalAvgPool2d()), nn::named("flatten", nn::Flatten()));
}

namespace {

const bool registered[] = {
    add_model({.name = "nin_d2l",
               .description = "NiN of the lecture notes, for Fashion-MNIST at 224 x 224",
               .reference = "Lin et al. 2013",
               .defaults = lecture_options(224, {0.5}),
               .build = [](const ModelOptions& o) { return nin(0, o); },
               .parameters = 1'992'166,
               .macs = 762'297'352}),
    add_model({.name = "nin",
               .description = "NiN for ImageNet, with 1024 channels in its last block",
               .reference = "Lin et al. 2013",
               .defaults = imagenet_options("layers", {0.5}),
               .build = [](const ModelOptions& o) { return nin(1024, o); },
               .parameters = 7'595'176,
               .macs = 969'460'864}),
};

}  // namespace
}  // namespace weft::models
