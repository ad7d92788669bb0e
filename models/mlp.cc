#include "models/mlp.h"

#include "models/registry.h"
#include "nn/activation.h"
#include "nn/dropout.h"
#include "nn/flatten.h"
#include "nn/linear.h"

namespace weft::models {

nn::Sequential mlp(const MLPOptions& options) {
  const std::size_t depth = options.hidden.size();
  const std::size_t given = options.dropout.size();
  require(given <= 1 || given == depth, "mlp", "dropout takes one number or one per hidden layer (", depth, "), got ",
          given);
  nn::Sequential net;
  net.add(nn::named("flatten", nn::Flatten()));
  std::int64_t width = options.inputs;
  for (std::size_t i = 0; i < depth; ++i) {
    const std::string number = std::to_string(i + 1);
    const double p = given == 0 ? 0 : options.dropout[given == 1 ? 0 : i];
    net.add(nn::named("fc" + number, nn::Linear({.in = width, .out = options.hidden[i]})));
    net.add({"act" + number, nn::activation(options.activation)});
    if (p != 0) net.add(nn::named("drop" + number, nn::Dropout(p)));
    width = options.hidden[i];
  }
  net.add(nn::named("fc" + std::to_string(depth + 1), nn::Linear({.in = width, .out = options.outputs})));
  return net;
}

namespace {

const bool registered = add_model({
    .name = "mlp",
    .description = "linear layers with activations between them, on flattened images",
    .reference = "the lecture notes",
    .defaults = {.in_channels = 1,
                 .image_size = 28,
                 .classes = 10,
                 .hidden = {256},
                 .dropout = {0},
                 .activation = "relu",
                 .init = "book-ch3"},
    .build = [](const ModelOptions& o) -> std::unique_ptr<nn::Module> {
      return std::make_unique<nn::Sequential>(mlp({.inputs = o.in_channels * o.image_size * o.image_size,
                                                   .outputs = o.classes,
                                                   .hidden = o.hidden,
                                                   .dropout = o.dropout,
                                                   .activation = o.activation}));
    },
    .parameters = 203'530,
    .macs = 203'264,
});

}  // namespace
}  // namespace weft::models
