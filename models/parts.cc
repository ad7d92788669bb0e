#include "models/parts.h"

#include "nn/nn.h"

namespace weft::models {

nn::NamedModule entrance(const ModelOptions& options) {
  return nn::named("format", nn::ToMemoryFormat(options.memory_format));
}

nn::NamedModule conv_bn(std::string name, nn::Conv2dSpec convolution, double eps) {
  convolution.bias = false;
  return nn::named(
      std::move(name),
      nn::Sequential(nn::named("conv", nn::Conv2d(convolution)),
                     nn::named("bn", nn::BatchNorm({.features = convolution.out, .eps = eps, .relu = true}))));
}

void add_head(nn::Sequential& net, std::int64_t features, const ModelOptions& o, std::string linear) {
  net.add(nn::named("avgpool", nn::GlobalAvgPool2d())).add(nn::named("flatten", nn::Flatten()));
  if (!o.dropout.empty()) net.add(nn::named("dropout", nn::Dropout(o.dropout[0])));
  net.add(nn::named(std::move(linear), nn::Linear({.in = features, .out = o.classes})));
}

void add_activated(nn::Sequential& net, nn::Conv2dSpec layer, std::string_view activation) {
  layer.relu = activation == "relu";
  net.add(nn::Conv2d(layer));
  layer.relu ? net.skip() : net.add(nn::activation(activation));
}

void add_activated(nn::Sequential& net, nn::LinearOptions layer, std::string_view activation) {
  layer.relu = activation == "relu";
  net.add(nn::Linear(layer));
  layer.relu ? net.skip() : net.add(nn::activation(activation));
}

std::unique_ptr<nn::Module> pooling(std::string_view kind, Pool2dOptions options, std::string_view model) {
  require(kind == "avg" || kind == "max", model, "pool must be 'avg' or 'max', got '", kind, "'");
  if (kind == "avg") return std::make_unique<nn::AvgPool2d>(options);
  return std::make_unique<nn::MaxPool2d>(options);
}

void add_wide_classifier(nn::Sequential& net, const ModelOptions& o, std::string_view activation, bool dropout_first) {
  constexpr std::int64_t kWidth = 4096;
  net.add(nn::named("flatten", nn::Flatten()));
  nn::Sequential classifier;
  for (const std::int64_t in : {features_of(net, o), kWidth}) {
    if (dropout_first) classifier.add(nn::Dropout(o.dropout[0]));
    add_activated(classifier, nn::LinearOptions{.in = in, .out = kWidth}, activation);
    if (!dropout_first) classifier.add(nn::Dropout(o.dropout[0]));
  }
  classifier.add(nn::Linear({.in = kWidth, .out = o.classes}));
  net.add(nn::named("classifier", std::move(classifier)));
}

ModelOptions imagenet_options(std::string init, std::vector<double> dropout) {
  return {.in_channels = 3, .image_size = 224, .classes = 1000, .dropout = std::move(dropout), .init = std::move(init)};
}

ModelOptions lecture_options(std::int64_t image_size, std::vector<double> dropout) {
  return {.in_channels = 1, .image_size = image_size, .classes = 10, .dropout = std::move(dropout), .init = "book-ch6"};
}

}  // namespace weft::models
