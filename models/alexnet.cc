#include "models/alexnet.h"

#include "models/choices.h"
#include "nn/nn.h"

namespace weft::models {

nn::Sequential alexnet(const AlexNetPlan& plan, const ModelOptions& o) {
  const auto [c1, c2, c3, c4, c5] = plan.channels;
  nn::Sequential features, classifier;
  const auto convolution = [&](nn::Conv2dSpec spec) { add_activated(features, spec, o.activation); };
  const auto linear = [&](nn::LinearOptions spec) { add_activated(classifier, spec, o.activation); };
  const auto pool = [&] { features.add(pooling(o.pool, {.kernel = 3, .stride = 2}, "alexnet")); };
  convolution({.in = o.in_channels, .out = c1, .kernel = 11, .stride = 4, .padding = plan.padding});
  pool();
  convolution({.in = c1, .out = c2, .kernel = 5, .padding = 2});
  pool();
  convolution({.in = c2, .out = c3, .kernel = 3, .padding = 1});
  convolution({.in = c3, .out = c4, .kernel = 3, .padding = 1});
  convolution({.in = c4, .out = c5, .kernel = 3, .padding = 1});
  pool();
  nn::Sequential net(nn::named("format", nn::ToMemoryFormat(o.memory_format)),
                     nn::named("features", std::move(features)), nn::named("flatten", nn::Flatten()));
  linear({.in = features_of(net, o), .out = 4096});
  classifier.add(nn::Dropout(o.dropout[0]));
  linear({.in = 4096, .out = 4096});
  classifier.add(nn::Dropout(o.dropout[0]));
  classifier.add(nn::Linear({.in = 4096, .out = o.classes}));
  net.add(nn::named("classifier", std::move(classifier)));
  return net;
}

namespace {

const bool registered = add_model({
    .name = "alexnet_d2l",
    .description = "AlexNet of the lecture notes, for Fashion-MNIST at 224 x 224",
    .reference = "Krizhevsky et al. 2012",
    .defaults = {.in_channels = 1,
                 .image_size = 224,
                 .classes = 10,
                 .dropout = {0.5},
                 .activation = "relu",
                 .pool = "max",
                 .init = "book-ch6"},
    .build = [](const ModelOptions& o) { return alexnet({}, o); },
    .parameters = 46'764'746,
    .macs = 938'146'176,
});

}  // namespace
}  // namespace weft::models
