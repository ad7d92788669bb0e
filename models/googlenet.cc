#include "models/googlenet.h"

#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {

using nn::in_series;
using nn::named;

nn::Branches inception_d2l(std::int64_t in, const InceptionWidths& w) {
  const auto conv = [](std::int64_t from, std::int64_t to, int kernel) {
    return nn::Conv2d({.in = from, .out = to, .kernel = kernel, .padding = kernel / 2, .relu = true});
  };
  return nn::Branches(named("p1_1", conv(in, w.c1, 1)),                                                           //
                      in_series(named("p2_1", conv(in, w.reduce3, 1)), named("p2_2", conv(w.reduce3, w.c3, 3))),  //
                      in_series(named("p3_1", conv(in, w.reduce5, 1)), named("p3_2", conv(w.reduce5, w.c5, 5))),  //
                      in_series(named("p4_1", nn::MaxPool2d({.kernel = 3, .stride = 1, .padding = 1})),
                                named("p4_2", conv(in, w.pooled, 1))));
}

namespace {

constexpr InceptionWidths kStage3[] = {{64, 96, 128, 16, 32, 32}, {128, 128, 192, 32, 96, 64}};
constexpr InceptionWidths kStage4[] = {{192, 96, 208, 16, 48, 64},
                                       {160, 112, 224, 24, 64, 64},
                                       {128, 128, 256, 24, 64, 64},
                                       {112, 144, 288, 32, 64, 64},
                                       {256, 160, 320, 32, 128, 128}};
constexpr InceptionWidths kStage5[] = {{256, 160, 320, 32, 128, 128}, {384, 192, 384, 48, 128, 128}};

nn::Sequential googlenet_d2l(const ModelOptions& o) {
  const Pool2dOptions halving{.kernel = 3, .stride = 2, .padding = 1};
  nn::Sequential b1(nn::Conv2d({.in = o.in_channels, .out = 64, .kernel = 7, .stride = 2, .padding = 3, .relu = true}),
                    nn::MaxPool2d(halving));
  nn::Sequential b2(nn::Conv2d({.in = 64, .out = 64, .kernel = 1, .relu = true}),
                    nn::Conv2d({.in = 64, .out = 192, .kernel = 3, .padding = 1, .relu = true}),
                    nn::MaxPool2d(halving));
  std::int64_t channels = 192;
  const auto stage = [&](std::span<const InceptionWidths> blocks) {
    nn::Sequential out;
    for (const InceptionWidths& widths : blocks) {
      out.add(inception_d2l(channels, widths));
      channels = widths.channels();
    }
    return out;
  };
  nn::Sequential b3 = stage(kStage3), b4 = stage(kStage4), b5 = stage(kStage5);
  b3.add(nn::MaxPool2d(halving));
  b4.add(nn::MaxPool2d(halving));
  nn::Sequential net(entrance(o), named("b1", std::move(b1)), named("b2", std::move(b2)), named("b3", std::move(b3)),
                     named("b4", std::move(b4)), named("b5", std::move(b5)));
  add_head(net, channels, o);
  return net;
}

// torchvision's block: batch norm behind every convolution. Its third branch has 3 x 3 where the paper has 5 x 5.
nn::Branches inception(std::int64_t in, const InceptionWidths& w, int third) {
  return nn::Branches(
      conv_bn("branch1", {.in = in, .out = w.c1}),
      named("branch2", nn::Sequential(conv_bn("0", {.in = in, .out = w.reduce3}),
                                      conv_bn("1", {.in = w.reduce3, .out = w.c3, .kernel = 3, .padding = 1}))),
      named("branch3",
            nn::Sequential(conv_bn("0", {.in = in, .out = w.reduce5}),
                           conv_bn("1", {.in = w.reduce5, .out = w.c5, .kernel = third, .padding = third / 2}))),
      named("branch4", nn::Sequential(nn::MaxPool2d({.kernel = 3, .stride = 1, .padding = 1, .ceil_mode = true}),
                                      conv_bn("1", {.in = in, .out = w.pooled}))));
}

nn::AuxiliaryHead auxiliary(std::int64_t in, const ModelOptions& o) {
  constexpr double kShareOfLoss = 0.3, kDropout = 0.7;
  return {kShareOfLoss, nn::Sequential(named("pool", nn::AdaptiveAvgPool2d(4)), conv_bn("conv", {.in = in, .out = 128}),
                                       named("flatten", nn::Flatten()),
                                       named("fc1", nn::Linear({.in = 128 * 4 * 4, .out = 1024, .relu = true})),
                                       named("dropout", nn::Dropout(o.dropout[0] == 0 ? 0 : kDropout)),
                                       named("fc2", nn::Linear({.in = 1024, .out = o.classes})))};
}

nn::Sequential googlenet(int third, const ModelOptions& o) {
  const auto halving = [](int kernel) { return nn::MaxPool2d({.kernel = kernel, .stride = 2, .ceil_mode = true}); };
  nn::Sequential net(
      entrance(o), conv_bn("conv1", {.in = o.in_channels, .out = 64, .kernel = 7, .stride = 2, .padding = 3}),
      named("maxpool1", halving(3)), conv_bn("conv2", {.in = 64, .out = 64}),
      conv_bn("conv3", {.in = 64, .out = 192, .kernel = 3, .padding = 1}), named("maxpool2", halving(3)));
  std::int64_t channels = 192;
  const auto add_stage = [&](char number, std::span<const InceptionWidths> blocks) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const char letter = static_cast<char>('a' + i);
      net.add(named(message("inception", number, letter), inception(channels, blocks[i], third)));
      channels = blocks[i].channels();
      if (o.auxiliary != "on" || number != '4') continue;
      if (letter == 'a') net.add(named("aux1", auxiliary(channels, o)));
      if (letter == 'd') net.add(named("aux2", auxiliary(channels, o)));
    }
  };
  add_stage('3', kStage3);
  net.add(named("maxpool3", halving(3)));
  add_stage('4', kStage4);
  net.add(named("maxpool4", halving(2)));
  add_stage('5', kStage5);
  add_head(net, channels, o);
  return net;
}

ModelOptions defaults() {
  ModelOptions options = imagenet_options("torchvision-googlenet", {0.2});
  options.auxiliary = "on";
  return options;
}

const bool registered[] = {
    add_model({.name = "googlenet_d2l",
               .description = "GoogLeNet of the lecture notes, for Fashion-MNIST at 96 x 96",
               .reference = "Szegedy et al. 2014",
               .defaults = lecture_options(96),
               .build = googlenet_d2l,
               .parameters = 5'977'530,
               .macs = 276'066'304}),
    add_model({.name = "googlenet",
               .description = "GoogLeNet as torchvision has it: batch norm, and 3 x 3 for 5 x 5",
               .reference = "Szegedy et al. 2014",
               .defaults = defaults(),
               .build = [](const ModelOptions& o) { return googlenet(3, o); },
               .parameters = 13'004'888,
               .macs = 1'498'376'192}),
    add_model({.name = "googlenet_paper",
               .description = "GoogLeNet with batch norm and the paper's 5 x 5",
               .reference = "Szegedy et al. 2014",
               .defaults = defaults(),
               .build = [](const ModelOptions& o) { return googlenet(5, o); },
               .parameters = 13'385'816,
               .macs = 1'582'671'872}),
};

}  // namespace
}  // namespace weft::models
