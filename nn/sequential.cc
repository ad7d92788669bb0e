#include "nn/sequential.h"

namespace weft::nn {

Sequential& Sequential::add(std::unique_ptr<Module> module) {
  return add({std::to_string(position_), std::move(module)});
}

Sequential& Sequential::add(NamedModule layer) {
  require(layer.module != nullptr, "sequential", "layer '", layer.name, "' holds no module");
  for (const NamedModule& other : layers_)
    require(layer.name.empty() || other.name != layer.name, "sequential", "the name '", layer.name,
            "' is taken already");
  layers_.push_back(std::move(layer));
  ++position_;
  forget_names();
  return *this;
}

Sequential& Sequential::skip() {
  ++position_;
  return *this;
}

Module& Sequential::operator[](std::size_t index) {
  require(index < layers_.size(), "sequential", "layer ", index, " of ", layers_.size());
  return *layers_[index].module;
}

void Sequential::members(Visitor& visitor) {
  for (NamedModule& layer : layers_) visitor(layer.name, *layer.module);
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (NamedModule& layer : layers_) y = (*layer.module)(y);
  return y;
}

}  // namespace weft::nn
