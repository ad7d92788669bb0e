// Inception v4 and Inception-ResNet v2 (Szegedy, Ioffe, Vanhoucke and Alemi 2016), with timm's names. v4 has no
// residuals but reduction blocks of its own; Inception-ResNet adds each block's output, scaled, to its input.
#include "core/ops/elementwise.h"
#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {
namespace {

using nn::in_series;
using nn::named;

constexpr Pair kRow{1, 7}, kRowPadding{0, 3}, kColumn{7, 1}, kColumnPadding{3, 0};
constexpr Pair kShortRow{1, 3}, kShortRowPadding{0, 1}, kShortColumn{3, 1}, kShortColumnPadding{1, 0};

nn::MaxPool2d halving() { return nn::MaxPool2d({.kernel = 3, .stride = 2}); }

// A branch of convolutions with batch norm, each taking the channels of the one before: name.0, name.1, ….
nn::NamedModule branch(std::string name, std::int64_t in, std::initializer_list<nn::Conv2dSpec> convolutions) {
  nn::Sequential layers;
  for (nn::Conv2dSpec spec : convolutions) {
    spec.in = std::exchange(in, spec.out);
    layers.add(conv_bn(std::to_string(layers.size()), spec));
  }
  return named(std::move(name), std::move(layers));
}

nn::NamedModule pooled_branch(std::int64_t in, std::int64_t out) {
  return named("branch3",
               nn::Sequential(nn::AvgPool2d({.kernel = 3, .stride = 1, .padding = 1, .count_include_pad = false}),
                              conv_bn("1", {.in = in, .out = out})));
}

nn::Branches stem_4a() {
  return nn::Branches(branch("branch0", 160, {{.out = 64}, {.out = 96, .kernel = 3}}),
                      branch("branch1", 160,
                             {{.out = 64},
                              {.out = 64, .kernel = kRow, .padding = kRowPadding},
                              {.out = 64, .kernel = kColumn, .padding = kColumnPadding},
                              {.out = 96, .kernel = 3}}));
}

nn::Branches block_a() {
  return nn::Branches(
      conv_bn("branch0", {.in = 384, .out = 96}),
      branch("branch1", 384, {{.out = 64}, {.out = 96, .kernel = 3, .padding = 1}}),
      branch("branch2", 384,
             {{.out = 64}, {.out = 96, .kernel = 3, .padding = 1}, {.out = 96, .kernel = 3, .padding = 1}}),
      pooled_branch(384, 96));
}

// Reduction-A with the widths (k, l, m, n) of the paper's table.
nn::Branches reduction_a(std::int64_t in, std::int64_t k, std::int64_t l, std::int64_t m, std::int64_t n) {
  return nn::Branches(
      conv_bn("branch0", {.in = in, .out = n, .kernel = 3, .stride = 2}),
      branch("branch1", in, {{.out = k}, {.out = l, .kernel = 3, .padding = 1}, {.out = m, .kernel = 3, .stride = 2}}),
      named("branch2", halving()));
}

nn::Branches block_b() {
  return nn::Branches(conv_bn("branch0", {.in = 1024, .out = 384}),
                      branch("branch1", 1024,
                             {{.out = 192},
                              {.out = 224, .kernel = kRow, .padding = kRowPadding},
                              {.out = 256, .kernel = kColumn, .padding = kColumnPadding}}),
                      branch("branch2", 1024,
                             {{.out = 192},
                              {.out = 192, .kernel = kColumn, .padding = kColumnPadding},
                              {.out = 224, .kernel = kRow, .padding = kRowPadding},
                              {.out = 224, .kernel = kColumn, .padding = kColumnPadding},
                              {.out = 256, .kernel = kRow, .padding = kRowPadding}}),
                      pooled_branch(1024, 128));
}

nn::Branches reduction_b() {
  return nn::Branches(branch("branch0", 1024, {{.out = 192}, {.out = 192, .kernel = 3, .stride = 2}}),
                      branch("branch1", 1024,
                             {{.out = 256},
                              {.out = 256, .kernel = kRow, .padding = kRowPadding},
                              {.out = 320, .kernel = kColumn, .padding = kColumnPadding},
                              {.out = 320, .kernel = 3, .stride = 2}}),
                      named("branch2", halving()));
}

nn::Branches block_c() {
  const auto row = [](std::string name, std::int64_t in, std::int64_t out) {
    return conv_bn(std::move(name), {.in = in, .out = out, .kernel = kShortRow, .padding = kShortRowPadding});
  };
  const auto column = [](std::string name, std::int64_t in, std::int64_t out) {
    return conv_bn(std::move(name), {.in = in, .out = out, .kernel = kShortColumn, .padding = kShortColumnPadding});
  };
  return nn::Branches(conv_bn("branch0", {.in = 1536, .out = 256}),
                      in_series(conv_bn("branch1_0", {.in = 1536, .out = 384}),
                                named("", nn::Branches(row("branch1_1a", 384, 256), column("branch1_1b", 384, 256)))),
                      in_series(conv_bn("branch2_0", {.in = 1536, .out = 384}), column("branch2_1", 384, 448),
                                row("branch2_2", 448, 512),
                                named("", nn::Branches(row("branch2_3a", 512, 256), column("branch2_3b", 512, 256)))),
                      pooled_branch(1536, 256));
}

nn::Sequential inception_v4(const ModelOptions& o) {  // shapes for 3 x 299 x 299
  nn::Sequential features(
      conv_bn("0", {.in = o.in_channels, .out = 32, .kernel = 3, .stride = 2}),
      conv_bn("1", {.in = 32, .out = 32, .kernel = 3}), conv_bn("2", {.in = 32, .out = 64, .kernel = 3, .padding = 1}),
      nn::Branches(named("maxpool", halving()), conv_bn("conv", {.in = 64, .out = 96, .kernel = 3, .stride = 2})),
      stem_4a(),  // (192, 71, 71)
      nn::Branches(conv_bn("conv", {.in = 192, .out = 192, .kernel = 3, .stride = 2}), named("maxpool", halving())));
  for (int i = 0; i < 4; ++i) features.add(block_a());  // (384, 35, 35)
  features.add(reduction_a(384, 192, 224, 256, 384));   // (1024, 17, 17)
  for (int i = 0; i < 7; ++i) features.add(block_b());
  features.add(reduction_b());  // (1536, 8, 8)
  for (int i = 0; i < 3; ++i) features.add(block_c());
  nn::Sequential net(entrance(o), named("features", std::move(features)));
  add_head(net, 1536, o, "last_linear");
  return net;
}

// relu(x + scale * conv2d(branches(x))), the ReLU where asked for.
class ScaledResidual final : public nn::Module {
 public:
  ScaledResidual(std::int64_t channels, std::int64_t inside, double scale, bool relu, nn::Branches branches)
      : scale_(scale), relu_(relu), branches_(std::move(branches)), conv2d_({.in = inside, .out = channels}) {}
  void members(nn::Visitor& visitor) override { visitor("", branches_, "conv2d", conv2d_); }

 protected:
  Tensor forward(const Tensor& x) override {
    const Tensor y = conv2d_(branches_(x)) * scale_;
    return relu_ ? add_relu(y, x) : y + x;
  }

 private:
  double scale_;
  bool relu_;
  nn::Branches branches_;
  nn::Conv2d conv2d_;
};

nn::Branches mixed_5b() {
  return nn::Branches(
      conv_bn("branch0", {.in = 192, .out = 96}),
      branch("branch1", 192, {{.out = 48}, {.out = 64, .kernel = 5, .padding = 2}}),
      branch("branch2", 192,
             {{.out = 64}, {.out = 96, .kernel = 3, .padding = 1}, {.out = 96, .kernel = 3, .padding = 1}}),
      pooled_branch(192, 64));
}

ScaledResidual block35() {
  return {320, 128, 0.17, true,
          nn::Branches(
              conv_bn("branch0", {.in = 320, .out = 32}),
              branch("branch1", 320, {{.out = 32}, {.out = 32, .kernel = 3, .padding = 1}}),
              branch("branch2", 320,
                     {{.out = 32}, {.out = 48, .kernel = 3, .padding = 1}, {.out = 64, .kernel = 3, .padding = 1}}))};
}

ScaledResidual block17() {
  return {1088, 384, 0.10, true,
          nn::Branches(conv_bn("branch0", {.in = 1088, .out = 192}),
                       branch("branch1", 1088,
                              {{.out = 128},
                               {.out = 160, .kernel = kRow, .padding = kRowPadding},
                               {.out = 192, .kernel = kColumn, .padding = kColumnPadding}}))};
}

ScaledResidual block8(double scale, bool relu) {
  return {2080, 448, scale, relu,
          nn::Branches(conv_bn("branch0", {.in = 2080, .out = 192}),
                       branch("branch1", 2080,
                              {{.out = 192},
                               {.out = 224, .kernel = kShortRow, .padding = kShortRowPadding},
                               {.out = 256, .kernel = kShortColumn, .padding = kShortColumnPadding}}))};
}

nn::Branches mixed_7a() {
  return nn::Branches(
      branch("branch0", 1088, {{.out = 256}, {.out = 384, .kernel = 3, .stride = 2}}),
      branch("branch1", 1088, {{.out = 256}, {.out = 288, .kernel = 3, .stride = 2}}),
      branch("branch2", 1088,
             {{.out = 256}, {.out = 288, .kernel = 3, .padding = 1}, {.out = 320, .kernel = 3, .stride = 2}}),
      named("branch3", halving()));
}

nn::Sequential inception_resnet_v2(const ModelOptions& o) {  // shapes for 3 x 299 x 299
  nn::Sequential repeat, repeat_1, repeat_2;
  for (int i = 0; i < 10; ++i) repeat.add(block35());
  for (int i = 0; i < 20; ++i) repeat_1.add(block17());
  for (int i = 0; i < 9; ++i) repeat_2.add(block8(0.20, true));
  nn::Sequential net(entrance(o), conv_bn("conv2d_1a", {.in = o.in_channels, .out = 32, .kernel = 3, .stride = 2}),
                     conv_bn("conv2d_2a", {.in = 32, .out = 32, .kernel = 3}),
                     conv_bn("conv2d_2b", {.in = 32, .out = 64, .kernel = 3, .padding = 1}),
                     named("maxpool_3a", halving()), conv_bn("conv2d_3b", {.in = 64, .out = 80}),
                     conv_bn("conv2d_4a", {.in = 80, .out = 192, .kernel = 3}),  //
                     named("maxpool_5a", halving()),                             // (192, 35, 35)
                     named("mixed_5b", mixed_5b()),                              // (320, 35, 35)
                     named("repeat", std::move(repeat)),                         //
                     named("mixed_6a", reduction_a(320, 256, 256, 384, 384)),    // (1088, 17, 17)
                     named("repeat_1", std::move(repeat_1)),                     //
                     named("mixed_7a", mixed_7a()),                              // (2080, 8, 8)
                     named("repeat_2", std::move(repeat_2)), named("block8", block8(1, false)),
                     conv_bn("conv2d_7b", {.in = 2080, .out = 1536}));
  add_head(net, 1536, o, "classif");
  return net;
}

ModelOptions defaults() {
  ModelOptions options = imagenet_options("layers", {0.2});
  options.image_size = 299;
  return options;
}

const bool registered[] = {
    add_model({.name = "inception_v4",
               .description = "Inception v4",
               .reference = "Szegedy et al. 2016",
               .defaults = defaults(),
               .build = inception_v4,
               .parameters = 42'679'816,
               .macs = 12'253'974'624}),
    add_model({.name = "inception_resnet_v2",
               .description = "Inception-ResNet v2",
               .reference = "Szegedy et al. 2016",
               .defaults = defaults(),
               .build = inception_resnet_v2,
               .parameters = 55'843'464,
               .macs = 13'155'794'016}),
};

}  // namespace
}  // namespace weft::models
