// Initial values of parameters. Every function fills a tensor in place, outside the graph, from a random stream of its
// own, so a net's weights follow from the seed and the order of its parameters alone, on any device.
#pragma once

#include <string_view>

#include "core/random.h"
#include "core/tensor.h"
#include "nn/module.h"

namespace weft::nn::init {

// A fresh stream of default_generator() for initialisation.
WEFT_API RandomStream fresh_stream();

WEFT_API void zeros(const Tensor& x);
WEFT_API void constant(const Tensor& x, double value);
WEFT_API void uniform(const Tensor& x, double low = 0, double high = 1, RandomStream stream = fresh_stream());
WEFT_API void normal(const Tensor& x, double mean = 0, double std = 1, RandomStream stream = fresh_stream());
// The normal distribution cut to [low, high] (absolute bounds).
WEFT_API void truncated_normal(const Tensor& x, double mean = 0, double std = 1, double low = -2, double high = 2,
                               RandomStream stream = fresh_stream());

// How many inputs feed one output of a weight, and how many outputs one input feeds: (out, in) or (out, in, …) with a
// receptive field. Refuses tensors below rank 2.
struct Fans {
  double in = 0, out = 0;
};
WEFT_API Fans fans(const Tensor& weight);

// Factor on the standard deviation that keeps the variance through an activation: "linear" and "sigmoid" 1,
// "tanh" 5/3, "relu" √2, "leaky_relu" √(2 / (1 + slope²)).
WEFT_API double gain(std::string_view activation, double slope = 0.01);

// Glorot and Bengio 2010: variance gain² · 2 / (fan_in + fan_out).
WEFT_API void xavier_uniform(const Tensor& weight, double gain = 1, RandomStream stream = fresh_stream());
WEFT_API void xavier_normal(const Tensor& weight, double gain = 1, RandomStream stream = fresh_stream());

// He et al. 2015: variance gain² / fan, with √2 the gain of ReLU.
enum class FanMode { in, out };
struct KaimingOptions {
  double gain = 1.4142135623730951;
  FanMode mode = FanMode::in;
};
WEFT_API void kaiming_uniform(const Tensor& weight, KaimingOptions options = {}, RandomStream stream = fresh_stream());
WEFT_API void kaiming_normal(const Tensor& weight, KaimingOptions options = {}, RandomStream stream = fresh_stream());

// Starts all parameters of a net anew by the recipe of that name:
//   zeros, constant:V, normal[:STD = 0.01], uniform[:BOUND = 0.1], xavier-uniform, xavier-normal,
//   kaiming-uniform, kaiming-normal, truncated-normal[:STD = 0.02]
// fill parameters of rank 2 and more and make those named "bias" zero; others keep their values.
//   layers keeps what the layers drew themselves; book-ch3 is normal:0.01; book-ch6 is xavier-uniform with the
//   layers' own biases (the lecture notes' chapters on linear nets and on convolution nets), book-ch12 normal:0.01 with
//   the layers' own biases (that on several GPUs);
//   torchvision-vgg, -resnet, -densenet, -googlenet and -inception are what those nets start from in torchvision.
WEFT_API void initialize(Module& net, std::string_view recipe);

}  // namespace weft::nn::init
