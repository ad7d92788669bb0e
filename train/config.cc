#include "train/config.h"

#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/suggest.h"
#include "core/utf8.h"

namespace weft::train {
namespace {

[[noreturn]] void refuse(std::string_view where, std::string_view wanted, std::string_view came) {
  fail(ErrorKind::usage, where, "needs ", wanted, ", got '", came, "'");
}

template <typename T>
T parse_number(std::string_view text, std::string_view where, std::string_view wanted) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) refuse(where, wanted, text);
  return value;
}

std::string range_text(const Setting& setting, std::string_view kind) {
  if (std::isinf(setting.rules.high)) return message(kind, " of at least ", setting.rules.low);
  return message(kind, " from ", setting.rules.low, " to ", setting.rules.high);
}

template <typename T>
T parse_in_range(const Setting& setting, std::string_view text, std::string_view where) {
  const std::string wanted = range_text(setting, std::is_integral_v<T> ? "a whole number" : "a number");
  const T value = parse_number<T>(text, where, wanted);
  const double number = static_cast<double>(value);
  if (!(number >= setting.rules.low && number <= setting.rules.high) || std::isinf(number)) refuse(where, wanted, text);
  return value;
}

void parse(const Setting& setting, std::string_view text, std::string_view where, std::string& out) {
  const bool keeps = is_utf8(text) && text.find('\0') == text.npos;
  if (!keeps) refuse(where, "text in UTF-8, which the run's TOML file can hold", text);
  out = text;
  if (setting.rules.choices.empty()) return;
  std::string list;
  for (const std::string& choice : setting.rules.choices) {
    if (choice == text) return;
    list += (list.empty() ? "" : ", ") + choice;
  }
  fail(ErrorKind::usage, where, "needs one of ", list, ", got '", text, "'", suggestion(text, setting.rules.choices));
}
void parse(const Setting& setting, std::string_view text, std::string_view where, std::int64_t& out) {
  out = parse_in_range<std::int64_t>(setting, text, where);
}
void parse(const Setting& setting, std::string_view text, std::string_view where, double& out) {
  out = parse_in_range<double>(setting, text, where);
}
void parse(const Setting&, std::string_view text, std::string_view where, bool& out) {
  if (text != "true" && text != "false") refuse(where, "true or false", text);
  out = text == "true";
}
template <typename T>
void parse(const Setting& setting, std::string_view text, std::string_view where, std::vector<T>& out) {
  out.clear();
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    out.push_back(parse_in_range<T>(setting, text.substr(0, comma), where));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
}

std::string written(const std::string& value) { return value; }
std::string written(bool value) { return value ? "true" : "false"; }
std::string written(std::int64_t value) { return std::to_string(value); }
std::string written(double value) { return message(value); }
template <typename T>
std::string written(const std::vector<T>& values) {
  std::string list;
  for (const T value : values) list += (list.empty() ? "" : ",") + message(value);
  return list;
}

}  // namespace

void assign(Config& config, const Setting& setting, std::string_view text, std::string_view where) {
  std::visit([&](auto member) { parse(setting, text, where, config.*member); }, setting.member);
}

std::string flag_text(const Config& config, const Setting& setting) {
  return std::visit([&](auto member) { return written(config.*member); }, setting.member);
}

void check_same_run(const Config& saved, const Config& now) {
  for (const Setting& setting : settings()) {
    if (!setting.rules.fixed) continue;
    const std::string before = flag_text(saved, setting), after = flag_text(now, setting);
    require(before == after, message("--", setting.name), "this run was started with '", before,
            "' and cannot go on with '", after, "'; leave the flag away or give another --output");
  }
}

}  // namespace weft::train
