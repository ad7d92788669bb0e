#include "data/registry.h"

#include <map>
#include <mutex>
#include <utility>

#include "core/suggest.h"
#include "data/linear_data.h"
#include "data/mnist.h"
#include "data/shapes.h"
#include "data/synthetic.h"

namespace weft::data {
namespace {

struct Entry {
  Facts facts;
  Opener opener;
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Entry, std::less<>> entries;  // addresses of entries stay

  Registry() {
    for (const MnistFamily& family : mnist_families()) {
      put(mnist_facts(family), [&family](const OpenOptions& options) { return open_mnist(family, options); });
    }
    put(shapes_facts(), open_shapes);
    put(synthetic_facts(), open_synthetic);
    put(linear_regression_facts(), open_linear_regression);
    put(high_dimensional_regression_facts(), open_high_dimensional_regression);
  }
  void put(const Facts& facts, Opener opener) { entries.emplace(facts.name, Entry{facts, std::move(opener)}); }
};

Registry& registry() {
  static Registry instance;
  return instance;
}

std::vector<std::string> names_of(const Registry& known) {
  std::vector<std::string> list;
  for (const auto& [name, entry] : known.entries) list.push_back(name);
  return list;
}

const Entry& entry_of(std::string_view name) {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  const auto found = known.entries.find(name);
  if (found == known.entries.end()) {
    fail(ErrorKind::usage, "data", "unknown data set '", name, "'", suggestion(name, names_of(known)));
  }
  return found->second;
}

}  // namespace

std::string to_string(Split split) { return split == Split::train ? "train" : "val"; }

const Facts& facts(std::string_view name) { return entry_of(name).facts; }

std::vector<std::string> names() {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  return names_of(known);
}

DatasetPtr open(std::string_view name, const OpenOptions& options) {
  const Entry& entry = entry_of(name);
  require(options.samples >= 0, name, "samples must be positive, got ", options.samples);
  return entry.opener(options);
}

void add(const Facts& facts, Opener opener) {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  require(!facts.name.empty() && !known.entries.contains(facts.name), "data", "the name '", facts.name,
          "' is taken already or empty");
  known.put(facts, std::move(opener));
}

}  // namespace weft::data
