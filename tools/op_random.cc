#include "tools/op_random.h"

#include <algorithm>
#include <map>

#include "core/autograd.h"
#include "core/error.h"
#include "core/random.h"

namespace weft::tools {
namespace {

constexpr std::uint64_t kAttempts = 24;
constexpr std::int64_t kMostElements = 6000;  // of all inputs, and of the result: references are slow

// What a size becomes: itself where it is 0 or 1, which mean something; else a little more, now and then much more.
std::int64_t other_size(std::int64_t size, RandomStream stream, std::uint64_t number) {
  if (size < 2) return size;
  const std::uint32_t growth = below_from(random_word(stream, 2 * number), 12);
  const bool leap = below_from(random_word(stream, 2 * number + 1), 8) == 0;
  return size + (leap ? growth * 29 : growth);
}

std::optional<OpCase> drawn(const OpCase& row, RandomStream stream) {
  OpCase other = row;
  std::map<std::int64_t, std::int64_t> chosen;
  double growth = 1;
  std::int64_t elements = 0;
  for (OpInput& input : other.inputs) {
    const std::int64_t before = input.shape.elements();
    for (int axis = 0; axis < input.shape.rank(); ++axis) {
      const std::int64_t size = input.shape[axis];
      input.shape[axis] = chosen.try_emplace(size, other_size(size, stream, chosen.size())).first->second;
    }
    elements += input.shape.elements();
    if (before > 0) growth *= static_cast<double>(input.shape.elements()) / static_cast<double>(before);
  }
  for (OpInput& input : other.inputs)  // indices below a size
    if (const auto bound = chosen.find(static_cast<std::int64_t>(input.high)); input.integers && bound != chosen.end())
      input.high = static_cast<double>(bound->second);
  if (growth == 1 || elements > kMostElements) return {};
  // As many more terms at most.
  other.reduction = std::max(other.reduction * growth, static_cast<double>(elements));
  other.gradient_reduction *= growth;
  return other;
}

// Whether the op takes the row's inputs, and its reference gives a result of the same shape, not too large.
bool runs(const OpCase& row) {
  try {
    const NoGrad guard;
    const DType dtype = row.dtypes.front();
    const Shape shape = row.run(make_inputs(row, dtype), row.attributes).shape();
    if (shape.elements() > kMostElements) return false;
    Arrays arrays;
    for (const Tensor& x : make_inputs(row, dtype)) arrays.push_back(to_array(x));
    return row.reference(arrays, row.attributes).shape == shape;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
    return false;
  }
}

}  // namespace

std::optional<OpCase> with_other_sizes(const OpCase& row, std::uint64_t seed) {
  for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt)
    if (std::optional<OpCase> other = drawn(row, {seed, attempt}); other && runs(*other)) return other;
  return {};
}

}  // namespace weft::tools
