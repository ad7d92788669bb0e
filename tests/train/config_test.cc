#include "train/config.h"

#include "core/error.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::train;

namespace {

const Setting& setting(std::string_view name) {
  for (const Setting& s : settings())
    if (s.name == name) return s;
  throw std::runtime_error("no such setting");
}

Config with(std::string_view name, std::string_view text) {
  Config config;
  assign(config, setting(name), text, message("--", name));
  return config;
}

}  // namespace

TEST_CASE("settings are parsed into their members") {
  CHECK(with("model", "mlp").model == "mlp");
  CHECK(with("batch-size", "64").batch_size == 64);
  CHECK(with("lr", "1e-3").lr == 1e-3);
  CHECK(with("hidden", "256,128").hidden == std::vector<std::int64_t>{256, 128});
  CHECK(with("drop", "0.2,0.5").drop == std::vector<double>{0.2, 0.5});
  CHECK(with("hidden", "").hidden.empty());
  CHECK(with("nesterov", "true").nesterov);
}

TEST_CASE("a setting out of range names itself, its range and what came") {
  CHECK_THROWS_WITH(with("batch-size", "0"), "--batch-size: needs a whole number from 1 to 1048576, got '0'");
  CHECK_THROWS_WITH(with("batch-size", "12x"), contains("got '12x'"));
  CHECK_THROWS_WITH(with("batch-size", "1.5"), contains("got '1.5'"));
  CHECK_THROWS_WITH(with("batch-size", ""), contains("got ''"));
  CHECK_THROWS_WITH(with("lr", "-1"), "--lr: needs a number of at least 0, got '-1'");
  CHECK_THROWS_WITH(with("lr", "nan"), contains("got 'nan'"));
  CHECK_THROWS_WITH(with("lr", "inf"), contains("got 'inf'"));
  CHECK_THROWS_WITH(with("lr", "1e999"), contains("got '1e999'"));
  CHECK_THROWS_WITH(with("epochs", "99999999999999999999"), contains("--epochs: needs a whole number from 0"));
  CHECK_THROWS_WITH(with("drop", "1.1"), contains("from 0 to 1, got '1.1'"));
  CHECK_THROWS_WITH(with("hidden", "3,,4"), contains("got ''"));
  CHECK_THROWS_WITH(with("opt", "adm"), contains("did you mean"));
  try {
    with("seed", "x");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
  }
}

TEST_CASE("a config survives being saved and read, every setting of it") {
  Config odd;
  for (const Setting& s : settings()) {
    // A value that is not the default, for every type of member.
    std::string text = "7";
    if (!s.rules.choices.empty())
      text = s.rules.choices.back();
    else if (std::holds_alternative<std::string Config::*>(s.member))
      text = "a \"b\"\\c\té";
    else if (std::holds_alternative<bool Config::*>(s.member))
      text = "true";
    else if (std::holds_alternative<std::vector<std::int64_t> Config::*>(s.member))
      text = "3,5";
    else if (std::holds_alternative<std::vector<double> Config::*>(s.member))
      text = "0.1,0.7";
    else if (std::holds_alternative<double Config::*>(s.member))
      text = s.rules.high < 1e-9 ? "0" : "0.30000000000000004";
    assign(odd, s, text, s.name);
  }
  Config read;
  merge_toml(read, to_toml(odd), "config.toml");
  for (const Setting& s : settings()) {
    INFO(s.name);
    CHECK(flag_text(read, s) == flag_text(odd, s));
    CHECK(flag_text(read, s) != flag_text(Config{}, s));
  }
}

TEST_CASE("any text comes back from the saved config") {
  for (const std::string text : {"\nnext", "it's", "'''", "\"\"\"", "back\\slash", "\r\n\t\x01\x1f\x7f", "ä", "# no"}) {
    Config config, read;
    config.model = text;
    INFO(to_toml(config));
    merge_toml(read, to_toml(config), "config.toml");
    CHECK(read.model == text);
  }
}

TEST_CASE("TOML errors name the file and the line") {
  Config config;
  CHECK_THROWS_WITH(merge_toml(config, "lr = 0.1\nbatch-sise = 3\n", "a.toml"),
                    contains("a.toml:2: unknown key 'batch-sise'") && contains("batch-size"));
  CHECK_THROWS_WITH(merge_toml(config, "\nlr = \"fast\"\n", "a.toml"), "a.toml:2: lr needs a number");
  CHECK_THROWS_WITH(merge_toml(config, "epochs = 1.5", "a.toml"), contains("epochs needs a whole number"));
  CHECK_THROWS_WITH(merge_toml(config, "model = 3", "a.toml"), contains("model needs a string"));
  CHECK_THROWS_WITH(merge_toml(config, "nesterov = 1", "a.toml"), contains("nesterov needs true or false"));
  CHECK_THROWS_WITH(merge_toml(config, "hidden = [1, \"x\"]", "a.toml"), contains("hidden needs a list"));
  CHECK_THROWS_WITH(merge_toml(config, "batch-size = 0", "a.toml"), contains("a.toml:1: batch-size: needs a whole"));
  CHECK_THROWS_WITH(merge_toml(config, "lr = = 3", "a.toml"), contains("a.toml:1: "));
  CHECK_THROWS_AS(merge_file(config, "/nonexistent/config.toml"), Error);
}

TEST_CASE("what comes later wins, what is not named stays") {
  Config config;
  merge_toml(config, "lr = 1\nmomentum = 0.5\n", "a.toml");
  assign(config, setting("lr"), "2", "--lr");
  CHECK(config.lr == 2);
  CHECK(config.momentum == 0.5);
  CHECK(config.batch_size == 256);
}

TEST_CASE("a resumed run refuses another model, data, batch size or seed, and takes more epochs") {
  CHECK_NOTHROW(check_same_run({}, with("epochs", "20")));
  CHECK_NOTHROW(check_same_run({}, with("lr", "0.5")));
  CHECK_THROWS_WITH(check_same_run({}, with("batch-size", "32")), contains("--batch-size") && contains("'256'"));
  CHECK_THROWS_AS(check_same_run({}, with("seed", "3")), Error);
  CHECK_THROWS_AS(check_same_run({}, with("model", "mlp")), Error);
}
