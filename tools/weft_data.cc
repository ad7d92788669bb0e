// weft data: the data sets known by name; with NAME it opens one, which checks (or downloads) its files.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "data/registry.h"
#include "tools/commands.h"
#include "tools/flags.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const data::Facts& facts) {
  return {{"name", facts.name},
          {"about", facts.about},
          {"input_shape", std::vector<std::int64_t>(facts.input.begin(), facts.input.end())},
          {"classes", facts.classes},
          {"outputs", facts.outputs},
          {"class_names", facts.class_names},
          {"train_samples", facts.train_samples},
          {"val_samples", facts.val_samples}};
}

int list_data(bool json) {
  Json list = Json::array();
  for (const std::string& name : data::names()) {
    const data::Facts& facts = data::facts(name);
    if (json)
      list.push_back(to_json(facts));
    else
      std::printf("%-28s %s\n", name.c_str(), facts.about.c_str());
  }
  if (json) std::printf("%s\n", list.dump().c_str());
  return 0;
}

}  // namespace

int data_command(Arguments arguments) {
  Flags flags("data", "data sets known by name; with NAME, opens it and checks its files");
  std::string name, folder;
  bool json = false;
  flags.positional("NAME", name, "a data set");
  flags.text("--data-dir", folder, "folder of the data; default WEFT_DATA_DIR, then the cache");
  flags.on("--json", json, "print JSON");
  if (!flags.parse(arguments)) return 0;
  if (name.empty()) return list_data(json);

  const data::Facts& facts = data::facts(name);
  const auto train = data::open(name, {.split = data::Split::train, .dir = folder});
  const auto val = data::open(name, {.split = data::Split::val, .dir = folder});
  Json out = to_json(facts);
  out["train_samples"] = train->size();
  out["val_samples"] = val->size();
  if (json) {
    std::printf("%s\n", out.dump().c_str());
    return 0;
  }
  std::printf("%s: %s\n%lld samples to train on, %lld to validate with, inputs %s\n", name.c_str(), facts.about.c_str(),
              static_cast<long long>(train->size()), static_cast<long long>(val->size()),
              to_string(facts.input).c_str());
  for (std::size_t i = 0; i < facts.class_names.size(); ++i)
    std::printf("%s%s", i == 0 ? "classes: " : ", ", facts.class_names[i].c_str());
  if (!facts.class_names.empty()) std::printf("\n");
  return 0;
}

}  // namespace weft::cli
