#include "models/choices.h"

#include "nn/activation.h"

namespace weft::models {

void add_activated(nn::Sequential& net, nn::Conv2dSpec layer, std::string_view activation) {
  net.add(nn::Conv2d(layer)).add(nn::activation(activation));
}

void add_activated(nn::Sequential& net, nn::LinearOptions layer, std::string_view activation) {
  net.add(nn::Linear(layer)).add(nn::activation(activation));
}

std::unique_ptr<nn::Module> pooling(std::string_view kind, Pool2dOptions options, std::string_view model) {
  require(kind == "avg" || kind == "max", model, "pool must be 'avg' or 'max', got '", kind, "'");
  if (kind == "avg") return std::make_unique<nn::AvgPool2d>(options);
  return std::make_unique<nn::MaxPool2d>(options);
}

}  // namespace weft::models
