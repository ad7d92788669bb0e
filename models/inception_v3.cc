// Inception v3 (Szegedy et al. 2015, "Rethinking the inception architecture"), with torchvision's names: 5 x 5 as two
// 3 x 3, 7 x 7 as 1 x 7 and 7 x 1, and 3 x 3 as 1 x 3 beside 3 x 1.
#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {
namespace {

using nn::in_series;
using nn::named;

constexpr Pair kRow{1, 7}, kRowPadding{0, 3}, kColumn{7, 1}, kColumnPadding{3, 0};

nn::NamedModule pool() { return named("pool", nn::AvgPool2d({.kernel = 3, .stride = 1, .padding = 1})); }
nn::NamedModule halving() { return named("pool", nn::MaxPool2d({.kernel = 3, .stride = 2})); }

nn::Branches block_a(std::int64_t in, std::int64_t pooled) {
  return nn::Branches(conv_bn("branch1x1", {.in = in, .out = 64}),
                      in_series(conv_bn("branch5x5_1", {.in = in, .out = 48}),
                                conv_bn("branch5x5_2", {.in = 48, .out = 64, .kernel = 5, .padding = 2})),
                      in_series(conv_bn("branch3x3dbl_1", {.in = in, .out = 64}),
                                conv_bn("branch3x3dbl_2", {.in = 64, .out = 96, .kernel = 3, .padding = 1}),
                                conv_bn("branch3x3dbl_3", {.in = 96, .out = 96, .kernel = 3, .padding = 1})),
                      in_series(pool(), conv_bn("branch_pool", {.in = in, .out = pooled})));
}

nn::Branches block_b(std::int64_t in) {
  return nn::Branches(conv_bn("branch3x3", {.in = in, .out = 384, .kernel = 3, .stride = 2}),
                      in_series(conv_bn("branch3x3dbl_1", {.in = in, .out = 64}),
                                conv_bn("branch3x3dbl_2", {.in = 64, .out = 96, .kernel = 3, .padding = 1}),
                                conv_bn("branch3x3dbl_3", {.in = 96, .out = 96, .kernel = 3, .stride = 2})),
                      halving());
}

nn::Branches block_c(std::int64_t in, std::int64_t c7) {
  const auto row = [&](std::string name, std::int64_t out) {
    return conv_bn(std::move(name), {.in = c7, .out = out, .kernel = kRow, .padding = kRowPadding});
  };
  const auto column = [&](std::string name, std::int64_t out) {
    return conv_bn(std::move(name), {.in = c7, .out = out, .kernel = kColumn, .padding = kColumnPadding});
  };
  return nn::Branches(
      conv_bn("branch1x1", {.in = in, .out = 192}),
      in_series(conv_bn("branch7x7_1", {.in = in, .out = c7}), row("branch7x7_2", c7), column("branch7x7_3", 192)),
      in_series(conv_bn("branch7x7dbl_1", {.in = in, .out = c7}), column("branch7x7dbl_2", c7),
                row("branch7x7dbl_3", c7), column("branch7x7dbl_4", c7), row("branch7x7dbl_5", 192)),
      in_series(pool(), conv_bn("branch_pool", {.in = in, .out = 192})));
}

nn::Branches block_d(std::int64_t in) {
  return nn::Branches(
      in_series(conv_bn("branch3x3_1", {.in = in, .out = 192}),
                conv_bn("branch3x3_2", {.in = 192, .out = 320, .kernel = 3, .stride = 2})),
      in_series(conv_bn("branch7x7x3_1", {.in = in, .out = 192}),
                conv_bn("branch7x7x3_2", {.in = 192, .out = 192, .kernel = kRow, .padding = kRowPadding}),
                conv_bn("branch7x7x3_3", {.in = 192, .out = 192, .kernel = kColumn, .padding = kColumnPadding}),
                conv_bn("branch7x7x3_4", {.in = 192, .out = 192, .kernel = 3, .stride = 2})),
      halving());
}

nn::Branches block_e(std::int64_t in) {
  const auto split = [](const std::string& name) {  // 1 x 3 beside 3 x 1
    return named("", nn::Branches(conv_bn(name + "a", {.in = 384, .out = 384, .kernel = {1, 3}, .padding = {0, 1}}),
                                  conv_bn(name + "b", {.in = 384, .out = 384, .kernel = {3, 1}, .padding = {1, 0}})));
  };
  return nn::Branches(
      conv_bn("branch1x1", {.in = in, .out = 320}),
      in_series(conv_bn("branch3x3_1", {.in = in, .out = 384}), split("branch3x3_2")),
      in_series(conv_bn("branch3x3dbl_1", {.in = in, .out = 448}),
                conv_bn("branch3x3dbl_2", {.in = 448, .out = 384, .kernel = 3, .padding = 1}), split("branch3x3dbl_3")),
      in_series(pool(), conv_bn("branch_pool", {.in = in, .out = 192})));
}

nn::AuxiliaryHead auxiliary(std::int64_t in, const ModelOptions& o) {
  constexpr double kShareOfLoss = 0.4;
  return {
      kShareOfLoss,
      nn::Sequential(named("pool", nn::AvgPool2d({.kernel = 5, .stride = 3})), conv_bn("conv0", {.in = in, .out = 128}),
                     conv_bn("conv1", {.in = 128, .out = 768, .kernel = 5}), named("avgpool", nn::GlobalAvgPool2d()),
                     named("flatten", nn::Flatten()), named("fc", nn::Linear({.in = 768, .out = o.classes})))};
}

nn::Sequential inception_v3(const ModelOptions& o) {  // shapes for 3 x 299 x 299
  nn::Sequential net(entrance(o), conv_bn("Conv2d_1a_3x3", {.in = o.in_channels, .out = 32, .kernel = 3, .stride = 2}),
                     conv_bn("Conv2d_2a_3x3", {.in = 32, .out = 32, .kernel = 3}),
                     conv_bn("Conv2d_2b_3x3", {.in = 32, .out = 64, .kernel = 3, .padding = 1}),
                     named("maxpool1", nn::MaxPool2d({.kernel = 3, .stride = 2})),
                     conv_bn("Conv2d_3b_1x1", {.in = 64, .out = 80}),
                     conv_bn("Conv2d_4a_3x3", {.in = 80, .out = 192, .kernel = 3}),
                     named("maxpool2", nn::MaxPool2d({.kernel = 3, .stride = 2})),  // (192, 35, 35)
                     named("Mixed_5b", block_a(192, 32)),                           // (256, 35, 35)
                     named("Mixed_5c", block_a(256, 64)),                           // (288, 35, 35)
                     named("Mixed_5d", block_a(288, 64)),                           //
                     named("Mixed_6a", block_b(288)),                               // (768, 17, 17)
                     named("Mixed_6b", block_c(768, 128)),                          //
                     named("Mixed_6c", block_c(768, 160)),                          //
                     named("Mixed_6d", block_c(768, 160)),                          //
                     named("Mixed_6e", block_c(768, 192)));
  if (o.auxiliary == "on") net.add(named("AuxLogits", auxiliary(768, o)));
  net.add(named("Mixed_7a", block_d(768)));   // (1280, 8, 8)
  net.add(named("Mixed_7b", block_e(1280)));  // (2048, 8, 8)
  net.add(named("Mixed_7c", block_e(2048)));
  add_head(net, 2048, o);
  return net;
}

// The head's classifier starts a hundredth as large as the rest, so that its loss begins at chance.
void shrink_head(nn::Module& net) {
  const NoGrad no_grad;
  for (const NamedTensor& entry : net.state())
    if (entry.name == "AuxLogits.fc.weight") mul_(entry.tensor, 0.01);
}

const bool registered = add_model({.name = "inception_v3",
                                   .description = "Inception v3",
                                   .reference = "Szegedy et al. 2015",
                                   .defaults = {.in_channels = 3,
                                                .image_size = 299,
                                                .classes = 1000,
                                                .dropout = {0.5},
                                                .auxiliary = "on",
                                                .init = "torchvision-inception"},
                                   .build = inception_v3,
                                   .after_init = shrink_head,
                                   .parameters = 27'161'264,
                                   .macs = 5'713'216'096});

}  // namespace
}  // namespace weft::models
