#include "models/linear.h"

#include "models/registry.h"

namespace weft::models {
namespace {

const bool registered[] = {
    add_model({
        .name = "linear_regression",
        .description = "y = W x + b on vectors, for squared error",
        .reference = "the lecture notes",
        .regression = true,
        .defaults = {.in_channels = 2, .classes = 1, .init = "book-ch3"},
        .build = [](const ModelOptions& o) -> std::unique_ptr<nn::Module> {
          return std::make_unique<LinearModel>(o.in_channels, o.classes);
        },
        .input_shape = [](const ModelOptions& o) { return Shape{o.in_channels}; },
        .parameters = 3,
        .macs = 2,
    }),
    add_model({
        .name = "softmax_regression",
        .description = "one linear layer on flattened images, for cross-entropy",
        .reference = "the lecture notes",
        .defaults = {.in_channels = 1, .image_size = 28, .classes = 10, .init = "book-ch3"},
        .build = [](const ModelOptions& o) -> std::unique_ptr<nn::Module> {
          return std::make_unique<LinearModel>(o.in_channels * o.image_size * o.image_size, o.classes);
        },
        .parameters = 7'850,
        .macs = 7'840,
    }),
};

}  // namespace
}  // namespace weft::models
