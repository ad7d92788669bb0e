#include "models/alexnet.h"

#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {

nn::Sequential alexnet(const AlexNetPlan& plan, const ModelOptions& o) {
  const auto [c1, c2, c3, c4, c5] = plan.channels;
  nn::Sequential features;
  const auto convolution = [&](nn::Conv2dSpec spec) { add_activated(features, spec, o.activation); };
  const auto pool = [&] { features.add(pooling(o.pool, {.kernel = 3, .stride = 2}, "alexnet")); };
  // Section 3.3 of the paper does not divide alpha by the window's size, as weft and PyTorch do.
  const auto normalise = [&] {
    if (plan.normalised) features.add(nn::LocalResponseNorm({.size = 5, .alpha = 5e-4, .beta = 0.75, .k = 2}));
  };
  convolution({.in = o.in_channels, .out = c1, .kernel = 11, .stride = 4, .padding = plan.padding});
  normalise();
  pool();
  convolution({.in = c1, .out = c2, .kernel = 5, .padding = 2, .groups = plan.groups});
  normalise();
  pool();
  convolution({.in = c2, .out = c3, .kernel = 3, .padding = 1});
  convolution({.in = c3, .out = c4, .kernel = 3, .padding = 1, .groups = plan.groups});
  convolution({.in = c4, .out = c5, .kernel = 3, .padding = 1, .groups = plan.groups});
  pool();
  nn::Sequential net(entrance(o), nn::named("features", std::move(features)));
  if (plan.adaptive) net.add(nn::named("avgpool", nn::AdaptiveAvgPool2d(6)));
  add_wide_classifier(net, o, o.activation, plan.dropout_first);
  return net;
}

namespace {

struct Named {
  const char* name;
  const char* description;
  AlexNetPlan plan;
  ModelOptions defaults;
  std::int64_t parameters, macs;
};

const bool registered = [] {
  ModelOptions imagenet = imagenet_options("layers", {0.5}), paper = imagenet_options("layers", {0.5});
  paper.image_size = 227;
  const AlexNetPlan torchvision{
      .channels = {64, 192, 384, 256, 256}, .padding = 2, .adaptive = true, .dropout_first = true};
  const Named forms[] = {
      {"alexnet_d2l",
       "AlexNet of the lecture notes, for Fashion-MNIST at 224 x 224",
       {},
       lecture_options(224, {0.5}),
       46'764'746,
       938'146'176},
      {"alexnet", "AlexNet as torchvision has it (the form for one GPU)", torchvision, imagenet, 61'100'840,
       714'188'480},
      {"alexnet_paper",
       "AlexNet with local response normalisation and two groups",
       {.padding = 0, .groups = 2, .normalised = true},
       paper,
       60'965'224,
       724'406'816},
  };
  for (Named form : forms) {
    form.defaults.activation = "relu";
    form.defaults.pool = "max";
    add_model({.name = form.name,
               .description = form.description,
               .reference = "Krizhevsky et al. 2012",
               .defaults = form.defaults,
               .build = [plan = form.plan](const ModelOptions& o) { return alexnet(plan, o); },
               .parameters = form.parameters,
               .macs = form.macs});
  }
  return true;
}();

}  // namespace
}  // namespace weft::models
