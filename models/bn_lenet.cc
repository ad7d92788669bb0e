// The lecture notes' LeNet with batch normalisation before every activation. Its moving variance follows the notes'
// own batch_norm (biased) unless the option says as in PyTorch (unbiased).
#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {
namespace {

nn::Sequential bn_lenet(const ModelOptions& o) {
  require(o.moving_variance == "biased" || o.moving_variance == "unbiased", "bn_lenet",
          "moving_variance must be 'biased' or 'unbiased', got '", o.moving_variance, "'");
  const auto norm = [&](std::int64_t features) {
    return nn::BatchNorm({.features = features,
                          .moving = o.moving_variance == "biased" ? MovingVariance::biased : MovingVariance::unbiased});
  };
  const auto pool = [&] { return pooling(o.pool, {.kernel = 2}, "bn_lenet"); };
  nn::Sequential features, classifier;                                                  // shapes for 1 x 28 x 28
  features.add(nn::Conv2d({.in = o.in_channels, .out = 6, .kernel = 5})).add(norm(6));  // (6, 24, 24)
  features.add(nn::activation(o.activation)).add(pool());
  features.add(nn::Conv2d({.in = 6, .out = 16, .kernel = 5})).add(norm(16));  // (16, 8, 8)
  features.add(nn::activation(o.activation)).add(pool());
  nn::Sequential net(entrance(o), nn::named("features", std::move(features)), nn::named("flatten", nn::Flatten()));
  classifier.add(nn::Linear({.in = features_of(net, o), .out = 120})).add(norm(120)).add(nn::activation(o.activation));
  classifier.add(nn::Linear({.in = 120, .out = 84})).add(norm(84)).add(nn::activation(o.activation));
  classifier.add(nn::Linear({.in = 84, .out = o.classes}));
  net.add(nn::named("classifier", std::move(classifier)));
  return net;
}

const bool registered = add_model({.name = "bn_lenet",
                                   .description = "LeNet-5 with batch norm, of the lecture notes",
                                   .reference = "Ioffe and Szegedy 2015",
                                   .defaults = {.in_channels = 1,
                                                .image_size = 28,
                                                .classes = 10,
                                                .activation = "sigmoid",
                                                .pool = "avg",
                                                .moving_variance = "biased",
                                                .init = "book-ch6"},
                                   .build = bn_lenet,
                                   .parameters = 44'878,
                                   .macs = 281'640});

}  // namespace
}  // namespace weft::models
