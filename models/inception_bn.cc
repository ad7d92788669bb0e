// BN-Inception (Ioffe and Szegedy 2015): GoogLeNet with batch norm, two 3 x 3 convolutions for each 5 x 5, and blocks
// that halve the image themselves. Channels of 4c and 4d as in the paper's table, which add up to 576.
#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {
namespace {

using nn::in_series;
using nn::named;

struct Block {
  const char* name;
  std::int64_t c1;             // 1 x 1; 0: the block halves the image and has no such branch
  std::int64_t reduce3, c3;    // 1 x 1, 3 x 3
  std::int64_t reduce33, c33;  // 1 x 1, 3 x 3, 3 x 3
  std::int64_t pooled;         // average pooling, 1 x 1; 0: max pooling alone
  bool max = false;            // max pooling for average
};

constexpr Block kBlocks[] = {
    {"3a", 64, 64, 64, 64, 96, 32},       {"3b", 64, 64, 96, 64, 96, 64},
    {"3c", 0, 128, 160, 64, 96, 0},       {"4a", 224, 64, 96, 96, 128, 128},
    {"4b", 192, 96, 128, 96, 128, 128},   {"4c", 160, 128, 160, 128, 160, 96},
    {"4d", 96, 128, 192, 160, 192, 96},   {"4e", 0, 128, 192, 192, 256, 0},
    {"5a", 352, 192, 320, 160, 224, 128}, {"5b", 352, 192, 320, 192, 224, 128, true},
};

nn::Branches inception(std::int64_t in, const Block& b) {
  const int stride = b.c1 == 0 ? 2 : 1;
  const Pool2dOptions pool{.kernel = 3, .stride = stride, .padding = 1};
  nn::NamedModule three =
      named("branch3x3",
            nn::Sequential(conv_bn("0", {.in = in, .out = b.reduce3}),
                           conv_bn("1", {.in = b.reduce3, .out = b.c3, .kernel = 3, .stride = stride, .padding = 1})));
  nn::NamedModule twice =
      named("branch3x3dbl",
            nn::Sequential(conv_bn("0", {.in = in, .out = b.reduce33}),
                           conv_bn("1", {.in = b.reduce33, .out = b.c33, .kernel = 3, .padding = 1}),
                           conv_bn("2", {.in = b.c33, .out = b.c33, .kernel = 3, .stride = stride, .padding = 1})));
  if (stride == 2) return nn::Branches(std::move(three), std::move(twice), named("pool", nn::MaxPool2d(pool)));
  nn::NamedModule pooling = b.max ? named("pool", nn::MaxPool2d(pool)) : named("pool", nn::AvgPool2d(pool));
  return nn::Branches(conv_bn("branch1x1", {.in = in, .out = b.c1}), std::move(three), std::move(twice),
                      in_series(std::move(pooling), conv_bn("branch_pool", {.in = in, .out = b.pooled})));
}

nn::Sequential inception_bn(const ModelOptions& o) {
  const Pool2dOptions halving{.kernel = 3, .stride = 2, .padding = 1};
  nn::Sequential net(
      entrance(o), conv_bn("conv1", {.in = o.in_channels, .out = 64, .kernel = 7, .stride = 2, .padding = 3}),
      named("maxpool1", nn::MaxPool2d(halving)), conv_bn("conv2", {.in = 64, .out = 64}),
      conv_bn("conv3", {.in = 64, .out = 192, .kernel = 3, .padding = 1}), named("maxpool2", nn::MaxPool2d(halving)));
  std::int64_t channels = 192;
  for (const Block& block : kBlocks) {
    net.add(named(message("inception", block.name), inception(channels, block)));
    channels = block.c1 + block.c3 + block.c33 + (block.pooled > 0 ? block.pooled : channels);
  }
  add_head(net, channels, o);
  return net;
}

const bool registered = add_model({.name = "inception_bn",
                                   .description = "BN-Inception, called Inception v2",
                                   .reference = "Ioffe and Szegedy 2015",
                                   .defaults = imagenet_options("torchvision-googlenet", {0.2}),
                                   .build = inception_bn,
                                   .parameters = 11'194'984,
                                   .macs = 2'018'851'840});

}  // namespace
}  // namespace weft::models
