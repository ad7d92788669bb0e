#include "nn/activation.h"

#include "core/ops/elementwise.h"
#include "core/suggest.h"

namespace weft::nn {
namespace {

struct Choice {
  const char* name;
  std::unique_ptr<Module> (*make)();
};
template <typename M>
std::unique_ptr<Module> make() {
  return std::make_unique<M>();
}
constexpr Choice kChoices[] = {{"relu", make<ReLU>},
                               {"sigmoid", make<Sigmoid>},
                               {"tanh", make<Tanh>},
                               {"leaky_relu", make<LeakyReLU>},
                               {"elu", make<ELU>},
                               {"gelu", make<GELU>},
                               {"silu", make<SiLU>},
                               {"softplus", make<Softplus>},
                               {"hardswish", make<Hardswish>},
                               {"none", make<Identity>}};

}  // namespace

Tensor ReLU::forward(const Tensor& x) { return relu(x); }
Tensor Sigmoid::forward(const Tensor& x) { return sigmoid(x); }
Tensor Tanh::forward(const Tensor& x) { return tanh(x); }
Tensor LeakyReLU::forward(const Tensor& x) { return leaky_relu(x, slope_); }
std::string LeakyReLU::options() const { return message("slope = ", slope_); }
Tensor ELU::forward(const Tensor& x) { return elu(x, alpha_); }
std::string ELU::options() const { return message("alpha = ", alpha_); }
Tensor GELU::forward(const Tensor& x) { return gelu(x); }
Tensor SiLU::forward(const Tensor& x) { return silu(x); }
Tensor Softplus::forward(const Tensor& x) { return softplus(x); }
Tensor Hardswish::forward(const Tensor& x) { return hardswish(x); }
Tensor Identity::forward(const Tensor& x) { return x; }

std::unique_ptr<Module> activation(std::string_view name) {
  for (const Choice& choice : kChoices)
    if (name == choice.name) return choice.make();
  fail(ErrorKind::usage, "activation", "unknown activation '", name, "'", suggestion(name, activation_names()));
}

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const Choice& choice : kChoices) names.emplace_back(choice.name);
  return names;
}

}  // namespace weft::nn
