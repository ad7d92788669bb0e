#include <algorithm>
#include <sstream>

#include "core/file.h"
#include "models/registry.h"
#include "tests/catch.h"

namespace weft::models {
namespace {

std::uint64_t fnv1a(const std::string& text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

// "fc.weight:1000x512", a line for each tensor of the state, sorted.
std::vector<std::string> state_lines(const std::string& model) {
  const std::unique_ptr<nn::Module> net = find_model(model).build(complete_options(model));
  std::vector<std::string> lines;
  for (const NamedTensor& entry : net->state()) {
    std::string line = entry.name + ":";
    for (int axis = 0; axis < entry.tensor.rank(); ++axis)
      line += message(axis > 0 ? "x" : "", entry.tensor.size(axis));
    lines.push_back(line + "\n");
  }
  std::ranges::sort(lines);
  return lines;
}

}  // namespace

TEST_CASE("the state of torchvision's nets has torchvision's names and sizes, all of them and no other") {
  std::istringstream golden(read_text_file("tests/golden/files/state_names.txt"));
  std::string model, hash;
  std::size_t tensors = 0;
  int nets = 0;
  while (golden >> model >> tensors >> hash) {
    INFO(model);
    const std::vector<std::string> lines = state_lines(model);
    CHECK(lines.size() == tensors);
    std::string all;
    for (const std::string& line : lines) all += line;
    CHECK(fnv1a(all) == std::stoull(hash, nullptr, 16));
    ++nets;
  }
  CHECK(nets == 22);
}

}  // namespace weft::models
