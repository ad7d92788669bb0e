#include "tools/op_cases/op_case.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace weft::tools {
namespace {

std::vector<OpCase>& table() {
  static std::vector<OpCase> rows;
  return rows;
}

std::string number_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return {buffer, end.ptr};
}

double parse_number(std::string_view name, std::string_view text) {
  if (text == "true") return 1;
  if (text == "false") return 0;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc{} && end == text.data() + text.size(), "attribute", name, " needs a number, got '", text,
          "'");
  return value;
}

}  // namespace

std::string to_string(const Attribute& attribute) {
  if (const double* number = std::get_if<double>(&attribute.value())) return number_text(*number);
  if (const std::string* word = std::get_if<std::string>(&attribute.value())) return *word;
  std::string text;
  for (const double number : std::get<std::vector<double>>(attribute.value()))
    text += (text.empty() ? "" : ",") + number_text(number);
  return text;
}

const Attribute& Attributes::find(std::string_view name) const {
  for (const Entry& entry : entries_)
    if (entry.first == name) return entry.second;
  fail(ErrorKind::usage, "attribute", "there is none named ", name);
}

double Attributes::number(std::string_view name) const {
  const double* value = std::get_if<double>(&find(name).value());
  require(value != nullptr, "attribute", name, " is not a number");
  return *value;
}

std::int64_t Attributes::integer(std::string_view name) const {
  const double value = number(name);
  require(value == std::floor(value), "attribute", name, " needs a whole number, got ", value);
  return static_cast<std::int64_t>(value);
}

bool Attributes::flag(std::string_view name) const { return number(name) != 0; }

std::vector<std::int64_t> Attributes::list(std::string_view name) const {
  const Attribute& attribute = find(name);
  if (std::holds_alternative<double>(attribute.value())) return {integer(name)};
  const std::vector<double>* values = std::get_if<std::vector<double>>(&attribute.value());
  require(values != nullptr, "attribute", name, " is not a list of numbers");
  return {values->begin(), values->end()};
}

std::string Attributes::text(std::string_view name) const {
  const std::string* value = std::get_if<std::string>(&find(name).value());
  require(value != nullptr, "attribute", name, " is not a word");
  return *value;
}

void Attributes::set(std::string_view name, std::string_view text) {
  Attribute& attribute = const_cast<Attribute&>(find(name));
  if (std::holds_alternative<double>(attribute.value())) {
    attribute = parse_number(name, text);
  } else if (std::holds_alternative<std::string>(attribute.value())) {
    attribute = std::string(text);
  } else {
    std::vector<double> values;
    while (!text.empty()) {
      const std::size_t comma = std::min(text.find(','), text.size());
      values.push_back(parse_number(name, text.substr(0, comma)));
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
    attribute = std::move(values);
  }
}

bool add_op_cases(std::vector<OpCase> rows) {
  for (OpCase& row : rows) {
    for (std::size_t i = 0; i < row.inputs.size(); ++i)
      if (row.inputs[i].name.empty()) row.inputs[i].name = row.inputs.size() == 1 ? "x" : std::string(1, char('a' + i));
    const auto place = std::upper_bound(table().begin(), table().end(), row.op,
                                        [](const std::string& op, const OpCase& other) { return op < other.op; });
    table().insert(place, std::move(row));
  }
  return true;
}

const std::vector<OpCase>& op_cases() { return table(); }

Tensors make_inputs(const OpCase& row, DType dtype, std::uint64_t seed) {
  Tensors inputs;
  for (const OpInput& input : row.inputs) {
    const RandomStream stream = {seed, inputs.size()};
    std::vector<double> values(static_cast<std::size_t>(input.shape.elements()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = input.low + (input.high - input.low) * uniform_from(random_word(stream, i));
      values[i] = input.integers ? std::floor(value) : value;
    }
    inputs.push_back(tensor(input.shape, values, {.dtype = input.dtype.value_or(dtype)}));
  }
  return inputs;
}

Array to_array(const Tensor& x) { return {x.shape(), x.to_vector()}; }

}  // namespace weft::tools
