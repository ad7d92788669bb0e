#include "models/densenet.h"

#include <array>

#include "core/ops/concat.h"
#include "models/parts.h"
#include "nn/nn.h"

namespace weft::models {

using nn::named;

namespace {

nn::BatchNorm norm_relu(std::int64_t features) { return nn::BatchNorm({.features = features, .relu = true}); }

}  // namespace

nn::FeatureMap DenseLayer::carry(const Tensor& x, const BatchStatistics& known, bool statistics, const Tensor& out) {
  nn::FeatureMap y;
  call(x, [&] {
    const bool inside = norm1_.training() && nn::takes_norm_inside(x);
    y = rest_.carry(inside ? nn::FeatureMap{x, known, &norm1_} : nn::FeatureMap{norm1_(x, known)}, statistics, out);
    return y.x;
  });
  return y;
}

DenseBlock::DenseBlock(const DenseSpec& s) : growth_(s.growth) {
  for (std::int64_t in = s.in; in < s.in + s.layers * s.growth; in += s.growth) {
    const std::int64_t width = s.bottleneck * s.growth;
    nn::Sequential rest;
    if (width > 0)
      rest.add(named("conv1", nn::Conv2d({.in = in, .out = width, .kernel = 1, .bias = s.bias})))
          .add(named("norm2", norm_relu(width)));
    rest.add(
        named(width > 0 ? "conv2" : "conv1",
              nn::Conv2d({.in = width > 0 ? width : in, .out = s.growth, .kernel = 3, .padding = 1, .bias = s.bias})));
    layers_.emplace_back(in, std::move(rest));
  }
}

void DenseBlock::members(nn::Visitor& visitor) {
  for (std::size_t i = 0; i < layers_.size(); ++i) visitor("denselayer" + std::to_string(i + 1), layers_[i]);
}

std::optional<Shape> DenseBlock::output_shape(const Shape& x) {
  Shape y = x;
  y[1] += static_cast<std::int64_t>(layers_.size()) * growth_;
  return y;
}

Tensor DenseBlock::room_for_input(const Shape& shape, const Tensor& like) {
  room_ = training() && nn::takes_norm_inside(like) ? Tensor() : nn::image_for_slices(*output_shape(shape), like);
  return room_.defined() ? room_.slice(1, 0, shape[1]) : Tensor();
}

Tensor DenseBlock::forward(const Tensor& x) {
  const Tensor room = std::exchange(room_, {});
  const bool in_place = room.defined() && x.storage().get() == room.storage().get();
  // Each layer's map is joined to all before it as one: joining all of them anew would start kernels, and backward add
  // gradients, as often as the square of the layers says.
  Tensor maps = x;
  BatchStatistics statistics;
  if (training() && !layers_.empty()) statistics = batch_statistics(x);
  std::int64_t end = x.size(1);  // of the channels so far
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::int64_t begin = end;
    end += growth_;
    const bool wanted = training() && i + 1 < layers_.size();
    const nn::FeatureMap y =
        layers_[i].carry(maps, statistics, wanted, in_place ? room.slice(1, begin, end) : Tensor());
    maps = concat({maps, y.x}, 1);
    if (!wanted) continue;
    const BatchStatistics both[] = {statistics, y.statistics.defined() ? y.statistics : batch_statistics(y.x)};
    statistics = concat(both);
  }
  return maps;
}

nn::Sequential transition(std::int64_t in, std::int64_t out, bool bias) {
  return nn::Sequential(named("norm", norm_relu(in)),
                        named("conv", nn::Conv2d({.in = in, .out = out, .kernel = 1, .bias = bias})),
                        named("pool", nn::AvgPool2d({.kernel = 2})));
}

namespace {

struct Plan {
  const char* name;
  const char* description;
  std::array<int, 4> layers;
  std::int64_t stem, growth;
  std::int64_t bottleneck;
  bool bias;
  std::int64_t parameters, macs;
};

constexpr Plan kLecture{"densenet_d2l",
                        "DenseNet of the lecture notes, for Fashion-MNIST at 96 x 96",
                        {4, 4, 4, 4},
                        64,
                        32,
                        0,
                        true,
                        758'226,
                        129'077'168};
constexpr Plan kImageNet[] = {
    {"densenet121", "DenseNet-121", {6, 12, 24, 16}, 64, 32, 4, false, 7'978'856, 2'834'161'664},
    {"densenet161", "DenseNet-161", {6, 12, 36, 24}, 96, 48, 4, false, 28'681'000, 7'727'907'072},
    {"densenet169", "DenseNet-169", {6, 12, 32, 32}, 64, 32, 4, false, 14'149'480, 3'359'843'328},
    {"densenet201", "DenseNet-201", {6, 12, 48, 32}, 64, 32, 4, false, 20'013'928, 4'291'365'888},
};

nn::Sequential densenet(const Plan& plan, const ModelOptions& o) {
  nn::Sequential features(
      named("conv0",
            nn::Conv2d(
                {.in = o.in_channels, .out = plan.stem, .kernel = 7, .stride = 2, .padding = 3, .bias = plan.bias})),
      named("norm0", norm_relu(plan.stem)), named("pool0", nn::MaxPool2d({.kernel = 3, .stride = 2, .padding = 1})));
  std::int64_t channels = plan.stem;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string number = std::to_string(i + 1);
    features.add(named("denseblock" + number, DenseBlock({.layers = plan.layers[i],
                                                          .in = channels,
                                                          .growth = plan.growth,
                                                          .bottleneck = plan.bottleneck,
                                                          .bias = plan.bias})));
    channels += plan.layers[i] * plan.growth;
    if (i == 3) break;
    features.add(named("transition" + number, transition(channels, channels / 2, plan.bias)));
    channels /= 2;
  }
  features.add(named("norm5", norm_relu(channels)));
  nn::Sequential net(entrance(o), named("features", std::move(features)));
  add_head(net, channels, o, "classifier");
  return net;
}

void add(const Plan& plan, ModelOptions defaults) {
  add_model({.name = plan.name,
             .description = plan.description,
             .reference = "Huang et al. 2016",
             .defaults = std::move(defaults),
             .build = [plan](const ModelOptions& o) { return densenet(plan, o); },
             .parameters = plan.parameters,
             .macs = plan.macs});
}

const bool registered = [] {
  add(kLecture, lecture_options(96));
  for (const Plan& plan : kImageNet) add(plan, imagenet_options("torchvision-densenet"));
  return true;
}();

}  // namespace
}  // namespace weft::models
