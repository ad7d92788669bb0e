#include "tools/flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>

#include "core/error.h"
#include "core/suggest.h"

namespace weft::cli {

struct Flags::Parser {
  struct Given {
    const train::Setting* setting;
    std::string text;
  };
  std::string command;
  CLI::App app;
  std::string group = "Options";
  std::vector<Given> given;

  CLI::Option* configure(CLI::Option* option) {
    return option->group(group)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }

  // A switch is there or not. CLI11 would count `--switch=3`, take `--switch=false` for given, and throw what is not
  // its own error for `--switch=word`.
  void refuse_values_of_switches(std::span<const std::string> arguments) const {
    for (const std::string& word : arguments) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos) continue;
      const std::string name = word.substr(0, equals);
      const CLI::Option* option = app.get_option_no_throw(name);
      if (option && option->get_expected_max() == 0)
        fail(ErrorKind::usage, name, "is a switch and takes no value, got '", word.substr(equals + 1), "'");
    }
  }
};

Flags::Flags(const std::string& command, const std::string& about) : parser_(std::make_unique<Parser>()) {
  parser_->command = command;
  parser_->app.name("weft " + command);
  parser_->app.description(about);
  parser_->app.allow_extras();  // so that unknown flags are ours to report
  parser_->app.set_help_flag("-h,--help", "print this and leave");
}

Flags::~Flags() = default;

void Flags::group(const std::string& name) { parser_->group = name; }

void Flags::each(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
                 const std::string& shown_default) {
  CLI::Option* option = parser_->app.add_option_function<std::string>(names, std::move(take), help);
  parser_->configure(option)->type_name(shown_default.empty() ? "" : "[" + shown_default + "]");
}

void Flags::every(const std::string& names, std::function<void(const std::string&)> take, const std::string& help) {
  const CLI::callback_t take_all = [take = std::move(take)](const CLI::results_t& values) {
    for (const std::string& value : values) take(value);
    return true;
  };
  CLI::Option* option = parser_->app.add_option(names, take_all, help);
  parser_->configure(option)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->type_name("");
}

void Flags::text(const std::string& names, std::string& target, const std::string& help) {
  each(
      names, [&target](const std::string& value) { target = value; }, help, target);
}

void Flags::whole(const std::string& names, std::int64_t& target, const std::string& help, std::int64_t low,
                  std::int64_t high) {
  const auto take = [&target, names, low, high](const std::string& text) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    require(whole && target >= low && target <= high, names.substr(names.find("--")), "needs a whole number from ", low,
            " to ", high, ", got '", text, "'");
  };
  each(names, take, help, std::to_string(target));
}

void Flags::on(const std::string& names, bool& target, const std::string& help) {
  parser_->app.add_flag(names, target, help)->group(parser_->group);
}

void Flags::positional(const std::string& name, std::string& target, const std::string& help) {
  parser_->configure(parser_->app.add_option(name, target, help))->type_name("");
}

void Flags::positionals(const std::string& name, std::vector<std::string>& target, const std::string& help) {
  parser_->app.add_option(name, target, help)->group(parser_->group)->type_name("");
}

void Flags::settings(const std::function<bool(const train::Setting&)>& wanted) {
  const train::Config defaults;
  for (const train::Setting& setting : train::settings()) {
    if (!wanted(setting)) continue;
    group(setting.group);
    const std::string flag = message("--", setting.name);
    const std::string names = *setting.rules.short_flag ? message(setting.rules.short_flag, ",", flag) : flag;
    auto& given = parser_->given;
    if (std::holds_alternative<bool train::Config::*>(setting.member)) {
      const auto take = [&given, &setting](std::int64_t) { given.push_back({&setting, "true"}); };
      parser_->app.add_flag_function(names, take, setting.help)->group(parser_->group);
    } else {
      const auto take = [&given, &setting](const std::string& text) { given.push_back({&setting, text}); };
      each(names, take, setting.help, flag_text(defaults, setting));
    }
  }
}

bool Flags::parse(std::span<const std::string> arguments) {
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
  CLI::App& app = parser_->app;
  parser_->refuse_values_of_switches(arguments);
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return false;
  } catch (const CLI::ParseError& error) {
    fail(ErrorKind::usage, parser_->command, error.what());
  }
  const std::vector<std::string> extras = app.remaining();
  if (extras.empty()) return true;
  const std::string word = extras.front().substr(0, extras.front().find('='));
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  const std::string near = nearest_name(word, known);
  fail(ErrorKind::usage, parser_->command, word.starts_with('-') ? "unknown flag " : "unexpected word ", word,
       near.empty() ? message("; `weft ", parser_->command, " --help` lists them")
                    : message("; did you mean ", near, "?"));
}

void Flags::apply(train::Config& config) const {
  for (const auto& [setting, text] : parser_->given) assign(config, *setting, text, message("--", setting->name));
}

bool Flags::given(std::string_view setting) const {
  for (const auto& entry : parser_->given)
    if (entry.setting->name == setting) return true;
  return false;
}

void Flags::check(const train::Config& config) const {
  const bool chosen = given("amp-dtype") || config.amp_dtype != train::Config().amp_dtype;
  require(config.amp || !chosen, "--amp-dtype", "says how to compute with --amp, which is not given; got '",
          config.amp_dtype, "'");
}

}  // namespace weft::cli
