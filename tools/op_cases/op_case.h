// The op table: one row = an op with inputs, attributes, how to run it, and a naive reference in double. The rows of
// tools/op_cases/<family>.cc drive tests/ops/op_table_test.cc, `weft selftest`, `weft op` and the benchmarks. An op
// without a row does not exist.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor.h"
#include "tools/op_cases/reference.h"

namespace weft::tools {

// A number (or flag), a list of numbers, or a word.
class Attribute {
 public:
  Attribute(double value) : value_(value) {}                                      // NOLINT: {"axis", 1}
  Attribute(int value) : value_(double(value)) {}                                 // NOLINT
  Attribute(std::int64_t value) : value_(double(value)) {}                        // NOLINT
  Attribute(bool value) : value_(value ? 1.0 : 0.0) {}                            // NOLINT: {"keep", true}
  Attribute(const char* value) : value_(std::string(value)) {}                    // NOLINT: {"reduction", "mean"}
  Attribute(std::string value) : value_(std::move(value)) {}                      // NOLINT
  Attribute(std::initializer_list<double> value) : value_(std::vector(value)) {}  // {"axes", {0, 2}}
  Attribute(std::vector<double> value) : value_(std::move(value)) {}              // NOLINT

  const std::variant<double, std::vector<double>, std::string>& value() const { return value_; }

 private:
  std::variant<double, std::vector<double>, std::string> value_;
};
std::string to_string(const Attribute& attribute);  // "1", "0,2", "mean": what --attr reads

class Attributes {
 public:
  using Entry = std::pair<std::string, Attribute>;
  Attributes() = default;
  Attributes(std::initializer_list<Entry> entries) : entries_(entries) {}

  double number(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::vector<std::int64_t> list(std::string_view name) const;  // a single number is a list of one
  std::string text(std::string_view name) const;

  const std::vector<Entry>& entries() const { return entries_; }
  // Replaces the value of an attribute that is there, read from text by the kind of the present value.
  void set(std::string_view name, std::string_view text);

 private:
  const Attribute& find(std::string_view name) const;
  std::vector<Entry> entries_;
};

// One input: its shape and where its values come from.
struct OpInput {
  Shape shape;
  double low = -1, high = 1;        // uniform in [low, high)
  bool integers = false;            // whole numbers in [low, high)
  std::optional<DType> dtype = {};  // always this one; otherwise the dtype that is being tested
  bool gradient = true;             // whether the op is differentiable in it (floating dtypes only)
  std::string name = {};            // for `weft op --list`; empty: x, or a b c …
};

using In = const Tensors&;
using Arrays = std::vector<Array>;

struct OpCase {
  std::string op = {};
  std::vector<OpInput> inputs = {};
  Attributes attributes = {};
  Tensor (*run)(In in, const Attributes& attributes) = nullptr;
  Array (*reference)(const Arrays& in, const Attributes& attributes) = nullptr;
  double reduction = 1;           // how many products or terms add up to one element of the result
  double gradient_reduction = 0;  // the same for the gradients; 0: as `reduction`
  double tolerance = 4;           // allowed error = tolerance * eps(dtype) * sqrt(reduction) * max(1, |reference|)
  bool differentiable = true;     // false: no gradient is checked
  std::vector<DType> dtypes = {DType::f32, DType::f64, DType::f16, DType::bf16};
};

// Adds rows to the table. Always true, so that it can be an initialiser:
//   const bool registered = add_op_cases({{.op = "exp", …}, …});
bool add_op_cases(std::vector<OpCase> rows);
// All rows, by op; rows of one op stay in the order they were added.
const std::vector<OpCase>& op_cases();

// Tensors for the row's inputs, the same for a seed on every machine. dtype replaces f32 where the row names none.
Tensors make_inputs(const OpCase& row, DType dtype, std::uint64_t seed = 0);
// A tensor's values as the references read them.
Array to_array(const Tensor& x);

}  // namespace weft::tools
