#include "models/vgg.h"

#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {

nn::Sequential vgg(const VGGPlan& plan, const ModelOptions& o) {
  nn::Sequential features;
  std::int64_t in = o.in_channels;
  for (std::size_t block = 0; block < plan.convolutions.size(); ++block) {
    const std::int64_t channels = plan.channels << std::min<std::size_t>(block, 3);
    for (int i = 0; i < plan.convolutions[block]; ++i, in = channels) {
      features.add(nn::Conv2d({.in = in, .out = channels, .kernel = 3, .padding = 1, .relu = !plan.batch_norm}));
      if (plan.batch_norm) features.add(nn::BatchNorm({.features = channels, .relu = true}));
      features.skip();  // ReLU
    }
    features.add(nn::MaxPool2d({.kernel = 2}));
  }
  nn::Sequential net(entrance(o), nn::named("features", std::move(features)));
  if (plan.adaptive) net.add(nn::named("avgpool", nn::AdaptiveAvgPool2d(7)));
  add_wide_classifier(net, o, "relu", false);
  return net;
}

namespace {

struct Named {
  const char* name;
  const char* description;
  VGGPlan plan;
  std::int64_t parameters, macs;
};

constexpr std::array<int, 5> k11{1, 1, 2, 2, 2}, k13{2, 2, 2, 2, 2}, k16{2, 2, 3, 3, 3}, k19{2, 2, 4, 4, 4};

constexpr Named kLecture[] = {
    {"vgg11_d2l", "VGG-11", {k11}, 128'806'154, 7'547'232'256},
    {"vgg11_d2l_quarter", "VGG-11 with a quarter of the channels", {k11, 16}, 43'093'322, 512'155'648},
    {"vgg16_d2l", "VGG-16", {k16}, 134'300'362, 15'408'406'528},
    {"vgg19_d2l", "VGG-19", {k19}, 139'610'058, 19'570'204'672},
};
constexpr Named kImageNet[] = {
    {"vgg11", "VGG-11", {k11}, 132'863'336, 7'609'090'048},
    {"vgg13", "VGG-13", {k13}, 133'047'848, 11'308'466'176},
    {"vgg16", "VGG-16", {k16}, 138'357'544, 15'470'264'320},
    {"vgg19", "VGG-19", {k19}, 143'667'240, 19'632'062'464},
    {"vgg11_bn", "VGG-11 with batch norm", {k11, 64, true}, 132'868'840, 7'609'090'048},
    {"vgg13_bn", "VGG-13 with batch norm", {k13, 64, true}, 133'053'736, 11'308'466'176},
    {"vgg16_bn", "VGG-16 with batch norm", {k16, 64, true}, 138'365'992, 15'470'264'320},
    {"vgg19_bn", "VGG-19 with batch norm", {k19, 64, true}, 143'678'248, 19'632'062'464},
};

void add(const Named& form, std::string description, bool adaptive, ModelOptions defaults) {
  VGGPlan plan = form.plan;
  plan.adaptive = adaptive;
  add_model({.name = form.name,
             .description = std::move(description),
             .reference = "Simonyan and Zisserman 2014",
             .defaults = std::move(defaults),
             .build = [plan](const ModelOptions& o) { return vgg(plan, o); },
             .parameters = form.parameters,
             .macs = form.macs});
}

const bool registered = [] {
  for (const Named& form : kLecture)
    add(form, message(form.description, " of the lecture notes, for Fashion-MNIST at 224 x 224"), false,
        lecture_options(224, {0.5}));
  for (const Named& form : kImageNet) add(form, form.description, true, imagenet_options("torchvision-vgg", {0.5}));
  return true;
}();

}  // namespace
}  // namespace weft::models
