#include "models/nin.h"

#include "nn/nn.h"

namespace weft::models {

nn::Sequential nin_block(nn::Conv2dSpec convolution) {
  const nn::Conv2dSpec mix{.in = convolution.out, .out = convolution.out, .kernel = 1};
  return nn::Sequential(nn::Conv2d(convolution), nn::ReLU(), nn::Conv2d(mix), nn::ReLU(), nn::Conv2d(mix), nn::ReLU());
}

nn::Sequential nin_d2l(const ModelOptions& o) {
  const Pool2dOptions pool{.kernel = 3, .stride = 2};
  nn::Sequential features(  // shapes for 1 x 224 x 224
      nin_block({.in = o.in_channels, .out = 96, .kernel = 11, .stride = 4}), nn::MaxPool2d(pool),  // (96, 26, 26)
      nin_block({.in = 96, .out = 256, .kernel = 5, .padding = 2}), nn::MaxPool2d(pool),            // (256, 12, 12)
      nin_block({.in = 256, .out = 384, .kernel = 3, .padding = 1}), nn::MaxPool2d(pool),           // (384, 5, 5)
      nn::Dropout(o.dropout[0]),                                                                    //
      nin_block({.in = 384, .out = o.classes, .kernel = 3, .padding = 1}),                          // (classes, 5, 5)
      nn::GlobalAvgPool2d());                                                                       // (classes, 1, 1)
  return nn::Sequential(nn::named("format", nn::ToMemoryFormat(o.memory_format)),
                        nn::named("features", std::move(features)), nn::named("flatten", nn::Flatten()));
}

namespace {

const bool registered = add_model({
    .name = "nin_d2l",
    .description = "NiN of the lecture notes, for Fashion-MNIST at 224 x 224",
    .reference = "Lin et al. 2013",
    .defaults = {.in_channels = 1, .image_size = 224, .classes = 10, .dropout = {0.5}, .init = "book-ch6"},
    .build = nin_d2l,
    .parameters = 1'992'166,
    .macs = 762'297'352,
});

}  // namespace
}  // namespace weft::models
