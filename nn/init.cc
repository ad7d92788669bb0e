#include "nn/init.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <optional>

#include "core/generator.h"
#include "core/ops/copy.h"
#include "core/ops/random.h"
#include "core/suggest.h"

namespace weft::nn::init {
namespace {

// "normal:0.02" is a name and perhaps a number.
struct Recipe {
  std::string_view name;
  std::optional<double> number;
};

Recipe parse_recipe(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}};
  const std::string_view digits = text.substr(colon + 1);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  require(error == std::errc() && end == digits.data() + digits.size() && std::isfinite(number), "init",
          "a number must follow ':' in '", text, "'");
  return {text.substr(0, colon), number};
}

struct NamedFill {
  const char* name;
  bool takes_number;
  double number;  // where none is given
  bool clears_biases;
  void (*fill)(const Tensor& weight, double number);
};

bool is_filter(const Tensor& weight) { return weight.rank() == 4; }

constexpr NamedFill kFills[] = {
    {"zeros", false, 0, true, [](const Tensor& w, double) { zeros(w); }},
    {"constant", true, 0, true, [](const Tensor& w, double value) { constant(w, value); }},
    {"normal", true, 0.01, true, [](const Tensor& w, double std) { normal(w, 0, std); }},
    {"uniform", true, 0.1, true, [](const Tensor& w, double bound) { uniform(w, -bound, bound); }},
    {"xavier-uniform", false, 0, true, [](const Tensor& w, double) { xavier_uniform(w); }},
    {"xavier-normal", false, 0, true, [](const Tensor& w, double) { xavier_normal(w); }},
    {"kaiming-uniform", false, 0, true, [](const Tensor& w, double) { kaiming_uniform(w); }},
    {"kaiming-normal", false, 0, true, [](const Tensor& w, double) { kaiming_normal(w); }},
    {"truncated-normal", true, 0.02, true,
     [](const Tensor& w, double std) { truncated_normal(w, 0, std, -2 * std, 2 * std); }},
    {"layers", false, 0, false, [](const Tensor&, double) {}},
    {"book-ch3", false, 0.01, true, [](const Tensor& w, double std) { normal(w, 0, std); }},
    {"book-ch6", false, 0, false, [](const Tensor& w, double) { xavier_uniform(w); }},
    {"book-ch12", false, 0.01, false, [](const Tensor& w, double std) { normal(w, 0, std); }},
    {"torchvision-vgg", false, 0.01, true,
     [](const Tensor& w, double std) { is_filter(w) ? kaiming_normal(w, {.mode = FanMode::out}) : normal(w, 0, std); }},
    {"torchvision-resnet", false, 0, false,
     [](const Tensor& w, double) {
       if (is_filter(w)) kaiming_normal(w, {.mode = FanMode::out});
     }},
    {"torchvision-densenet", false, 0, true,
     [](const Tensor& w, double) {
       if (is_filter(w)) kaiming_normal(w);
     }},
    {"torchvision-googlenet", false, 0.01, false,
     [](const Tensor& w, double std) { truncated_normal(w, 0, std, -2, 2); }},
    {"torchvision-inception", false, 0.1, false,
     [](const Tensor& w, double std) { truncated_normal(w, 0, std, -2, 2); }},
};

const NamedFill& find_fill(std::string_view name) {
  std::vector<std::string> known;
  for (const NamedFill& fill : kFills) {
    if (name == fill.name) return fill;
    known.emplace_back(fill.name);
  }
  fail(ErrorKind::usage, "init", "unknown recipe '", name, "'", suggestion(name, known));
}

double kaiming_std(const Tensor& weight, const KaimingOptions& options) {
  const Fans fan = fans(weight);
  return options.gain / std::sqrt(options.mode == FanMode::in ? fan.in : fan.out);
}
double xavier_std(const Tensor& weight, double gain) {
  const Fans fan = fans(weight);
  return gain * std::sqrt(2 / (fan.in + fan.out));
}

}  // namespace

RandomStream fresh_stream() { return default_generator().fresh(RandomPurpose::init); }

void zeros(const Tensor& x) { fill_(x.detach(), 0); }
void constant(const Tensor& x, double value) { fill_(x.detach(), value); }
void uniform(const Tensor& x, double low, double high, RandomStream stream) { uniform_(x.detach(), low, high, stream); }
void normal(const Tensor& x, double mean, double std, RandomStream stream) { normal_(x.detach(), mean, std, stream); }
void truncated_normal(const Tensor& x, double mean, double std, double low, double high, RandomStream stream) {
  truncated_normal_(x.detach(), mean, std, low, high, stream);
}

Fans fans(const Tensor& weight) {
  require(weight.rank() >= 2, "init", "fans need a weight of rank 2 or more, got ", weight.shape());
  double field = 1;
  for (int axis = 2; axis < weight.rank(); ++axis) field *= static_cast<double>(weight.size(axis));
  return {static_cast<double>(weight.size(1)) * field, static_cast<double>(weight.size(0)) * field};
}

double gain(std::string_view activation, double slope) {
  if (activation == "linear" || activation == "none" || activation == "sigmoid") return 1;
  if (activation == "tanh") return 5.0 / 3;
  if (activation == "relu") return std::sqrt(2.0);
  if (activation == "leaky_relu") return std::sqrt(2 / (1 + slope * slope));
  const std::vector<std::string> known{"linear", "none", "sigmoid", "tanh", "relu", "leaky_relu"};
  fail(ErrorKind::usage, "init", "no gain is known for '", activation, "'", suggestion(activation, known));
}

// A uniform distribution on ±b has the standard deviation b / √3.
void xavier_uniform(const Tensor& weight, double gain, RandomStream stream) {
  const double bound = std::sqrt(3.0) * xavier_std(weight, gain);
  uniform(weight, -bound, bound, stream);
}
void xavier_normal(const Tensor& weight, double gain, RandomStream stream) {
  normal(weight, 0, xavier_std(weight, gain), stream);
}
void kaiming_uniform(const Tensor& weight, KaimingOptions options, RandomStream stream) {
  const double bound = std::sqrt(3.0) * kaiming_std(weight, options);
  uniform(weight, -bound, bound, stream);
}
void kaiming_normal(const Tensor& weight, KaimingOptions options, RandomStream stream) {
  normal(weight, 0, kaiming_std(weight, options), stream);
}

void initialize(Module& net, std::string_view recipe) {
  const auto [name, number] = parse_recipe(recipe);
  const NamedFill& fill = find_fill(name);
  require(!number || fill.takes_number, "init", "'", name, "' takes no number");
  for (const auto& [path, parameter] : net.named_parameters()) {
    if (parameter.rank() >= 2)
      fill.fill(parameter, number.value_or(fill.number));
    else if (fill.clears_biases && (path == "bias" || path.ends_with(".bias")))
      zeros(parameter);
  }
}

}  // namespace weft::nn::init
