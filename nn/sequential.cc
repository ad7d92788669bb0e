#include "nn/sequential.h"

#include "core/ops/concat.h"
#include "nn/conv2d.h"

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

namespace {

// Whether the statistics of a module's input are wanted.
bool begins_with_norm(Module& module) {
  if (auto* const layers = dynamic_cast<Sequential*>(&module))
    return layers->size() > 0 && begins_with_norm((*layers)[0]);
  const auto* const norm = dynamic_cast<BatchNorm*>(&module);
  return norm && norm->training();
}

// One layer of a chain. What it does not know to hand on is done before it.
FeatureMap pass(Module& layer, const FeatureMap& map, bool statistics, const Tensor& out) {
  if (takes_norm_inside(map.x)) {
    if (auto* const layers = dynamic_cast<Sequential*>(&layer)) return layers->carry(map, statistics, out);
    if (auto* const convolution = dynamic_cast<Conv2d*>(&layer))
      if (convolution->takes_norm() && !out.defined()) return convolution->carry(map, statistics);
    if (auto* const norm = dynamic_cast<BatchNorm*>(&layer); norm && !map.pending)
      return norm->spec().relu && norm->training() ? FeatureMap{map.x, map.statistics, norm}
                                                   : FeatureMap{(*norm)(map.x, map.statistics, out)};
  }
  return {layer(map.tensor(), out)};
}

// Where a layer may write what the next one wants beside more of its own.
Tensor room_before(Module& next, Module& layer, const Tensor& x) {
  if (!concat_in_place(x.device()) || !x.channels_last()) return {};
  const std::optional<Shape> shape = known_shape(layer, x.shape());
  return shape ? next.room_for_input(*shape, x) : Tensor();
}

}  // namespace

FeatureMap Sequential::run(FeatureMap map, bool statistics, const Tensor& out) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Module& layer = *layers_[i].module;
    if (i + 1 == layers_.size()) {
      map = pass(layer, map, statistics, out);
    } else {
      Module& next = *layers_[i + 1].module;
      map = pass(layer, map, takes_norm_inside(map.x) && begins_with_norm(next), room_before(next, layer, map.x));
    }
  }
  return map;
}

FeatureMap Sequential::carry(const FeatureMap& x, bool statistics, const Tensor& out) {
  FeatureMap map;
  call(x.x, [&] {
    map = run(x, statistics, out);
    return map.x;
  });
  return map;
}

std::optional<Shape> Sequential::output_shape(const Shape& x) {
  std::optional<Shape> shape = x;
  for (std::size_t i = 0; shape && i < layers_.size(); ++i) shape = layers_[i].module->output_shape(*shape);
  return shape;
}

Tensor Sequential::room_for_input(const Shape& shape, const Tensor& like) {
  return layers_.empty() ? Tensor() : layers_[0].module->room_for_input(shape, like);
}

}  // namespace weft::nn
