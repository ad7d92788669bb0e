// Sequential: modules run one after another. It owns them, whatever their types; its parameters are named by position
// ("0.weight") unless names are given.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nn/feature_map.h"
#include "nn/module.h"

namespace weft::nn {

// A module under a name of its own: Sequential(named("conv1", Conv2d({…})), named("relu1", ReLU())).
struct NamedModule {
  std::string name;
  std::unique_ptr<Module> module;
};
template <std::derived_from<Module> M>
NamedModule named(std::string name, M module) {
  return {std::move(name), std::make_unique<M>(std::move(module))};
}

class WEFT_API Sequential final : public Module {
 public:
  Sequential() = default;
  template <typename First, typename... Rest>
    requires(!std::same_as<First, Sequential> || sizeof...(Rest) > 0)
  explicit Sequential(First first, Rest... rest) {
    add(std::move(first));
    (add(std::move(rest)), ...);
  }

  // Appends a module, named by its position.
  template <std::derived_from<Module> M>
  Sequential& add(M module) {
    return add(std::make_unique<M>(std::move(module)));
  }
  Sequential& add(std::unique_ptr<Module> module);
  // Appends a module under a name; a name taken already is an error. The parts of one without a name are named as if
  // they were parts of this one.
  Sequential& add(NamedModule layer);
  // Leaves the next position free, so that a fused layer stands for two and the names after it stay those of a file.
  Sequential& skip();

  std::size_t size() const { return layers_.size(); }
  Module& operator[](std::size_t index);
  void members(Visitor& visitor) override;

  // As a call of this module that may leave a batch norm pending, and tells the statistics of its output where a
  // convolution took them; `statistics` says that somebody will normalise by them. `out` is for the output's last step,
  // also when that is pending. Where batch norm stays outside of convolutions, all layers run as ever.
  FeatureMap carry(const FeatureMap& x, bool statistics, const Tensor& out = {});
  std::optional<Shape> output_shape(const Shape& x) override;
  Tensor room_for_input(const Shape& shape, const Tensor& like) override;

 protected:
  Tensor forward(const Tensor& x) override { return forward_into(x, {}); }
  Tensor forward_into(const Tensor& x, const Tensor& out) override { return run({x}, false, out).tensor(out); }

 private:
  FeatureMap run(FeatureMap map, bool statistics, const Tensor& out);

  std::vector<NamedModule> layers_;
  std::size_t position_ = 0;  // of the next layer
};

}  // namespace weft::nn
