// Config as TOML. The only file of the library that includes toml++.
#include <toml++/toml.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/suggest.h"
#include "train/config.h"

namespace weft::train {
namespace {

// By hand: toml++ writes a text that begins with a newline as a block, from which a reader drops the newline.
std::string toml_value(const std::string& value) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::none_of(value, [&](char c) { return control(c) || c == '\''; })) return "'" + value + "'";
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    if (control(c)) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      text += message("\\u00", kDigits[std::size_t(c) / 16], kDigits[std::size_t(c) % 16]);
    } else {
      text += c;
    }
  }
  return text + '"';
}
std::string toml_value(bool value) { return value ? "true" : "false"; }
std::string toml_value(std::int64_t value) { return std::to_string(value); }
// The shortest digits that are read back exactly; toml++ writes seventeen.
std::string toml_value(double value) {
  const std::string digits = message(value);
  return digits.find_first_of(".e") == digits.npos ? digits + ".0" : digits;
}
template <typename T>
std::string toml_value(const std::vector<T>& values) {
  std::string list;
  for (const T value : values) list += (list.empty() ? "" : ", ") + toml_value(value);
  return "[" + list + "]";
}

// The text a flag would have for this node; empty optional when the type does not fit the member.
template <typename T>
std::optional<std::string> text_of(const toml::node& node, const T*) {
  const auto value = node.value_exact<T>();
  if (!value) return {};
  if constexpr (std::is_same_v<T, bool>)
    return *value ? "true" : "false";
  else
    return message(*value);
}
std::optional<std::string> text_of(const toml::node& node, const double*) {
  const auto value = node.value<double>();  // a whole number may stand for a real one
  return value && node.is_number() ? std::optional(message(*value)) : std::nullopt;
}
template <typename T>
std::optional<std::string> text_of(const toml::node& node, const std::vector<T>*) {
  if (!node.is_array()) return {};
  std::string list;
  for (const toml::node& element : *node.as_array()) {
    const auto text = text_of(element, static_cast<const T*>(nullptr));
    if (!text) return {};
    list += (list.empty() ? "" : ",") + *text;
  }
  return list;
}

const char* type_name(const std::string*) { return "a string"; }
const char* type_name(const std::int64_t*) { return "a whole number"; }
const char* type_name(const double*) { return "a number"; }
const char* type_name(const bool*) { return "true or false"; }
const char* type_name(const std::vector<std::int64_t>*) { return "a list of whole numbers"; }
const char* type_name(const std::vector<double>*) { return "a list of numbers"; }

void merge_node(Config& config, const Setting& setting, const toml::node& node, std::string_view where) {
  std::visit(
      [&](auto member) {
        const auto* type = &(config.*member);
        const std::optional<std::string> text = text_of(node, type);
        require(text.has_value(), where, setting.name, " needs ", type_name(type));
        assign(config, setting, *text, message(where, ": ", setting.name));
      },
      setting.member);
}

std::vector<std::string> setting_names() {
  std::vector<std::string> names;
  for (const Setting& setting : settings()) names.emplace_back(setting.name);
  return names;
}

}  // namespace

std::string toml_text(const Config& config, const Setting& setting) {
  return std::visit([&](auto member) { return toml_value(config.*member); }, setting.member);
}

std::string to_toml(const Config& config) {
  std::string text;
  std::string_view group;
  for (const Setting& setting : settings()) {
    if (setting.group != group) {
      text += message(text.empty() ? "" : "\n", "# ", setting.group, '\n');
      group = setting.group;
    }
    text += message(setting.name, " = ", toml_text(config, setting), '\n');
  }
  return text;
}

void merge_toml(Config& config, std::string_view text, std::string_view file) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    fail(ErrorKind::usage, message(file, ":", error.source().begin.line), std::string(error.description()));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string where = message(file, ":", key.source().begin.line);
    const auto setting = std::ranges::find(settings(), name, [](const Setting& s) { return std::string(s.name); });
    require(setting != settings().end(), where, "unknown key '", name, "'", suggestion(name, setting_names()));
    merge_node(config, *setting, node, where);
  }
}

void merge_file(Config& config, const std::filesystem::path& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  require(!error, "--config", "cannot read ", file.string(), ": ", error.message());
  constexpr std::uintmax_t kLargestConfig = 1 << 20;
  require(bytes <= kLargestConfig, file.string(), "a config has at most ", kLargestConfig, " bytes, this file ", bytes);
  merge_toml(config, read_text_file(file.string()), file.string());
}

}  // namespace weft::train
