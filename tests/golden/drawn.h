// The values that tests/golden/zoo.py gives to weights, images and labels, so that a golden file need hold results
// only; and how results are compared with it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/parallel.h"
#include "nn/module.h"
#include "tests/catch.h"

namespace weft::golden {

inline nlohmann::json file(const std::string& name) {
  return nlohmann::json::parse(std::ifstream("tests/golden/files/" + name));
}

// FNV-1a, 64 bits.
inline std::uint64_t digest(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

// Element i of the tensor with that digest, in [-1, 1).
inline double drawn(std::uint64_t name, std::int64_t i) {
  std::uint64_t z = name + static_cast<std::uint64_t>(i + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) * 0x1p-23 - 1;
}

// x (f32, on the CPU) = offset + scale * what the name draws.
inline void fill(const Tensor& x, const std::string& name, double offset = 0, double scale = 1) {
  float* const values = x.data<float>();
  parallel_for(x.elements(), 1 << 14, [&, key = digest(name)](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) values[i] = static_cast<float>(offset + scale * drawn(key, i));
  });
}

// Weights of variance 2 / fan in, batch norm around 1 and its biases around `shift`, other vectors around 0.
inline void fill(nn::Module& net, double shift = 0) {
  const std::vector<NamedTensor> state = net.state();
  const auto normalises = [&](const std::string& bias) {
    const std::string mean = bias.substr(0, bias.size() - std::string_view("bias").size()) + "running_mean";
    return std::ranges::any_of(state, [&](const NamedTensor& other) { return other.name == mean; });
  };
  for (const auto& [name, tensor] : state) {
    const Tensor x = tensor.detach();
    if (x.rank() >= 2)
      fill(x, name, 0, std::sqrt(6 / (static_cast<double>(x.elements()) / static_cast<double>(x.size(0)))));
    else if (name.ends_with("running_var"))
      fill(x, name, 1, 0.5);
    else if (name.ends_with("weight"))
      fill(x, name, 1, 0.25);
    else if (x.dtype() == DType::f32)
      fill(x, name, 0, 0.1);
    if (shift != 0 && name.ends_with("bias") && normalises(name))
      for (float& value : x.values<float>()) value += static_cast<float>(shift);
  }
}

// Label of sample i: (3 i + step) mod classes.
inline Tensor labels(std::int64_t batch, int step = 0, std::int64_t classes = 10) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < batch; ++i) values.push_back(static_cast<double>((3 * i + step) % classes));
  return tensor({batch}, values, {.dtype = DType::i64});
}

// The largest difference as a share of the largest value.
inline double error(const Tensor& y, const std::vector<double>& expected) {
  const std::vector<double> values = y.detach().to_vector();
  REQUIRE(values.size() == expected.size());
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    worst = std::max(worst, std::abs(values[i] - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  return worst / largest;
}

inline double norm(const Tensor& x) {
  double sum = 0;
  for (const double value : x.to_vector()) sum += value * value;
  return std::sqrt(sum);
}

}  // namespace weft::golden
