#include "models/lenet.h"

#include "models/parts.h"
#include "models/registry.h"
#include "nn/activation.h"
#include "nn/conv2d.h"
#include "nn/linear.h"
#include "nn/pool.h"

namespace weft::models {

LeNet::LeNet(const LeNetOptions& o) : memory_format_(o.memory_format) {
  require(o.image_size >= 12, "lenet", "images must be at least 12 x 12, got ", o.image_size, " x ", o.image_size);
  features_.add(nn::Conv2d({.in = o.in_channels, .out = 6, .kernel = 5, .padding = 2}));     // (N, 6, S, S)
  features_.add(nn::activation(o.activation)).add(pooling(o.pool, {.kernel = 2}, "lenet"));  // (N, 6, S/2, S/2)
  features_.add(nn::Conv2d({.in = 6, .out = 16, .kernel = 5}));
  features_.add(nn::activation(o.activation)).add(pooling(o.pool, {.kernel = 2}, "lenet"));
  const std::int64_t size = (o.image_size / 2 - 4) / 2;  // (N, 16, size, size)
  classifier_.add(nn::Linear({.in = 16 * size * size, .out = 120})).add(nn::activation(o.activation));
  classifier_.add(nn::Linear({.in = 120, .out = 84})).add(nn::activation(o.activation));
  classifier_.add(nn::Linear({.in = 84, .out = o.classes}));
}

void LeNet::members(nn::Visitor& visitor) {
  visitor("features", features_, "flatten", flatten_, "classifier", classifier_);
}

Tensor LeNet::forward(const Tensor& x) { return classifier_(flatten_(features_(x.to(memory_format_)))); }

namespace {

const bool registered = add_model({
    .name = "lenet",
    .description = "LeNet-5: two convolutions with pooling and three linear layers",
    .reference = "LeCun et al. 1998",
    .defaults =
        {.in_channels = 1, .image_size = 28, .classes = 10, .activation = "sigmoid", .pool = "avg", .init = "book-ch6"},
    .build = [](const ModelOptions& o) -> std::unique_ptr<nn::Module> {
      return std::make_unique<LeNet>(LeNetOptions{.in_channels = o.in_channels,
                                                  .image_size = o.image_size,
                                                  .classes = o.classes,
                                                  .activation = o.activation,
                                                  .pool = o.pool,
                                                  .memory_format = o.memory_format});
    },
    .parameters = 61'706,
    .macs = 416'520,
});

}  // namespace
}  // namespace weft::models
