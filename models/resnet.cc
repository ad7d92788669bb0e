#include "models/resnet.h"

#include <array>

#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {

using nn::named;

namespace {

std::int64_t channels_of(nn::Sequential& body) {
  return static_cast<nn::Conv2d&>(body[body.size() - 1]).weight().size(0);
}

}  // namespace

Residual::Residual(nn::Sequential body, std::string norm_name, nn::NamedModule shortcut)
    : body_(std::move(body)),
      norm_name_(std::move(norm_name)),
      norm_({.features = channels_of(body_)}),
      shortcut_(std::move(shortcut)) {}

void Residual::members(nn::Visitor& visitor) {
  visitor("", body_, norm_name_, norm_, shortcut_.name, shortcut_.module);
}

Tensor Residual::forward(const Tensor& x) {
  const Tensor shortcut = shortcut_.module ? (*shortcut_.module)(x) : x;
  const nn::FeatureMap y = body_.carry({x}, norm_.training());
  return norm_.add_relu(y.x, shortcut, y.statistics);
}

namespace {

nn::NamedModule downsample(const ResidualSpec& s) {
  if (s.stride == 1 && s.in == s.out) return {};
  return named("downsample",
               nn::Sequential(nn::Conv2d({.in = s.in, .out = s.out, .kernel = 1, .stride = s.stride, .bias = false}),
                              nn::BatchNorm({.features = s.out})));
}

nn::BatchNorm norm_relu(std::int64_t features) { return nn::BatchNorm({.features = features, .relu = true}); }

}  // namespace

Residual basic_block(const ResidualSpec& s) {
  const auto conv3x3 = [](std::int64_t in, std::int64_t out, int stride) {
    return nn::Conv2d({.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
  };
  return {nn::Sequential(named("conv1", conv3x3(s.in, s.out, s.stride)), named("bn1", norm_relu(s.out)),
                         named("conv2", conv3x3(s.out, s.out, 1))),
          "bn2", downsample(s)};
}

Residual bottleneck(const ResidualSpec& s) {
  const nn::Conv2dSpec middle{
      .in = s.width, .out = s.width, .kernel = 3, .stride = s.stride, .padding = 1, .groups = s.groups, .bias = false};
  return {nn::Sequential(named("conv1", nn::Conv2d({.in = s.in, .out = s.width, .kernel = 1, .bias = false})),
                         named("bn1", norm_relu(s.width)), named("conv2", nn::Conv2d(middle)),
                         named("bn2", norm_relu(s.width)),
                         named("conv3", nn::Conv2d({.in = s.width, .out = s.out, .kernel = 1, .bias = false}))),
          "bn3", downsample(s)};
}

Residual residual_d2l(std::int64_t in, std::int64_t out, bool convolved_shortcut, int stride) {
  nn::NamedModule shortcut;
  if (convolved_shortcut) shortcut = named("conv3", nn::Conv2d({.in = in, .out = out, .kernel = 1, .stride = stride}));
  return {
      nn::Sequential(named("conv1", nn::Conv2d({.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1})),
                     named("bn1", norm_relu(out)),
                     named("conv2", nn::Conv2d({.in = out, .out = out, .kernel = 3, .padding = 1}))),
      "bn2", std::move(shortcut)};
}

namespace {

struct Plan {
  const char* name;
  const char* description;
  const char* reference;
  std::array<int, 4> blocks;
  std::int64_t expansion;  // 1: basic blocks; 4: bottlenecks
  std::int64_t groups, group_width;
  std::int64_t parameters, macs;
};

constexpr const char* kHe = "He et al. 2015";
constexpr Plan kPlans[] = {
    {"resnet18", "ResNet-18", kHe, {2, 2, 2, 2}, 1, 1, 64, 11'689'512, 1'814'073'344},
    {"resnet34", "ResNet-34", kHe, {3, 4, 6, 3}, 1, 1, 64, 21'797'672, 3'663'761'408},
    {"resnet50", "ResNet-50", kHe, {3, 4, 6, 3}, 4, 1, 64, 25'557'032, 4'089'184'256},
    {"resnet101", "ResNet-101", kHe, {3, 4, 23, 3}, 4, 1, 64, 44'549'160, 7'801'405'440},
    {"resnet152", "ResNet-152", kHe, {3, 8, 36, 3}, 4, 1, 64, 60'192'808, 11'513'626'624},
    {"resnext50_32x4d", "ResNeXt-50", "Xie et al. 2016", {3, 4, 6, 3}, 4, 32, 4, 25'028'904, 4'230'479'872},
    {"wide_resnet50_2", "Wide ResNet-50", "Zagoruyko et al. 2016", {3, 4, 6, 3}, 4, 1, 128, 68'883'240, 11'398'021'120},
};

nn::Sequential resnet(const Plan& plan, const ModelOptions& o) {
  nn::Sequential net(
      entrance(o),
      named("conv1",
            nn::Conv2d({.in = o.in_channels, .out = 64, .kernel = 7, .stride = 2, .padding = 3, .bias = false})),
      named("bn1", norm_relu(64)), named("maxpool", nn::MaxPool2d({.kernel = 3, .stride = 2, .padding = 1})));
  std::int64_t in = 64;
  for (int stage = 0; stage < 4; ++stage) {
    const std::int64_t channels = std::int64_t{64} << stage, out = channels * plan.expansion;
    nn::Sequential layer;
    for (int block = 0; block < plan.blocks[static_cast<std::size_t>(stage)]; ++block, in = out) {
      const ResidualSpec spec{.in = in,
                              .out = out,
                              .stride = block == 0 && stage > 0 ? 2 : 1,
                              .width = channels * plan.group_width / 64 * plan.groups,
                              .groups = plan.groups};
      layer.add(plan.expansion == 1 ? basic_block(spec) : bottleneck(spec));
    }
    net.add(named("layer" + std::to_string(stage + 1), std::move(layer)));
  }
  add_head(net, in, o);
  return net;
}

// The lecture notes' ResNet-18; the small form, for images of 28 x 28, has a 3 x 3 stem and no pooling.
nn::Sequential resnet18_d2l(bool small, const ModelOptions& o) {
  nn::Sequential stem(small ? nn::Conv2d({.in = o.in_channels, .out = 64, .kernel = 3, .padding = 1})
                            : nn::Conv2d({.in = o.in_channels, .out = 64, .kernel = 7, .stride = 2, .padding = 3}),
                      norm_relu(64));
  if (!small) stem.add(nn::MaxPool2d({.kernel = 3, .stride = 2, .padding = 1}));
  nn::Sequential net(entrance(o), named("stem", std::move(stem)));
  for (int stage = 0; stage < 4; ++stage) {
    const std::int64_t in = stage == 0 ? 64 : std::int64_t{32} << stage, out = std::int64_t{64} << stage;
    net.add(named(
        "layer" + std::to_string(stage + 1),
        nn::Sequential(stage == 0 ? residual_d2l(in, out) : residual_d2l(in, out, true, 2), residual_d2l(out, out))));
  }
  add_head(net, 512, o);
  return net;
}

const bool registered[] = {
    [] {
      for (const Plan& plan : kPlans)
        add_model({.name = plan.name,
                   .description = plan.description,
                   .reference = plan.reference,
                   .defaults = imagenet_options("torchvision-resnet"),
                   .build = [plan](const ModelOptions& o) { return resnet(plan, o); },
                   .parameters = plan.parameters,
                   .macs = plan.macs});
      return true;
    }(),
    add_model({.name = "resnet18_d2l",
               .description = "ResNet-18 of the lecture notes, for Fashion-MNIST at 96 x 96",
               .reference = kHe,
               .defaults = lecture_options(96),
               .build = [](const ModelOptions& o) { return resnet18_d2l(false, o); },
               .parameters = 11'178'378,
               .macs = 318'657'536}),
    add_model({.name = "resnet18_small",
               .description = "ResNet-18 with a 3 x 3 stem, of the lecture notes' chapter on several GPUs",
               .reference = kHe,
               .defaults = {.in_channels = 1, .image_size = 28, .classes = 10, .init = "book-ch12"},
               .build = [](const ModelOptions& o) { return resnet18_d2l(true, o); },
               .parameters = 11'175'818,
               .macs = 455'800'832}),
};

}  // namespace
}  // namespace weft::models
