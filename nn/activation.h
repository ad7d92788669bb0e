// Activations as layers: element by element, no parameters, so that nets can hold and choose them.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "nn/module.h"

namespace weft::nn {

class WEFT_API ReLU final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

class WEFT_API Sigmoid final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

class WEFT_API Tanh final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

class WEFT_API LeakyReLU final : public Module {
 public:
  explicit LeakyReLU(double slope = 0.01) : slope_(slope) {}
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  double slope_;
};

class WEFT_API ELU final : public Module {
 public:
  explicit ELU(double alpha = 1) : alpha_(alpha) {}
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  double alpha_;
};

// The exact form, by the error function.
class WEFT_API GELU final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

// x * sigmoid(x), also called swish.
class WEFT_API SiLU final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

class WEFT_API Softplus final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

class WEFT_API Hardswish final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

// y = x: what "no activation" means in a net whose activation is an option.
class WEFT_API Identity final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

// The activation of that name; an unknown one is an error that suggests the nearest.
WEFT_API std::unique_ptr<Module> activation(std::string_view name);
WEFT_API std::vector<std::string> activation_names();  // "relu", "sigmoid", …, "none"

}  // namespace weft::nn
