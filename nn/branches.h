// Branches: modules that all see the same input and whose outputs are laid side by side along the channels, as in the
// inception blocks. And nets put together from parts without a name of their own.
#pragma once

#include "nn/sequential.h"

namespace weft::nn {

// x (N, C, H, W) -> (N, the sum of the branches' channels, P, Q); all branches must give the same N, P and Q. On
// devices where that is better, each branch writes into its channels of the result.
class WEFT_API Branches final : public Module {
 public:
  template <std::convertible_to<NamedModule>... Branch>
  explicit Branches(Branch... branches) {
    (branches_.add(std::move(branches)), ...);
  }
  void members(Visitor& visitor) override { branches_.members(visitor); }
  std::optional<Shape> output_shape(const Shape& x) override;

 protected:
  Tensor forward(const Tensor& x) override { return forward_into(x, {}); }
  Tensor forward_into(const Tensor& x, const Tensor& out) override;

 private:
  Sequential branches_;  // holds them; never called
};

// The modules one after another, without a level of names: inside its owner they have the owner's names.
template <std::convertible_to<NamedModule>... Part>
NamedModule in_series(Part... parts) {
  return named("", Sequential(std::move(parts)...));
}

}  // namespace weft::nn
