#include "models/weights.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "core/log.h"

namespace weft::models {
namespace {

struct Renaming {
  std::string_view from, to;  // a part of a name; ^ stands for its beginning
  const char* maker;
};
// Tried in this order, one upon the other.
constexpr Renaming kRenamings[] = {
    {"^module.", "", "nn.DataParallel"},
    {"^_orig_mod.", "", "torch.compile"},
    {".norm.1.", ".norm1.", "torchvision's first DenseNet"},
    {".norm.2.", ".norm2.", "torchvision's first DenseNet"},
    {".conv.1.", ".conv1.", "torchvision's first DenseNet"},
    {".conv.2.", ".conv2.", "torchvision's first DenseNet"},
    {"^pre_logits.fc1.", "classifier.0.", "timm's VGG"},
    {"^pre_logits.fc2.", "classifier.3.", "timm's VGG"},
    {"^head.fc.", "classifier.6.", "timm's VGG"},
};
// Heads that help in training only; files may have them where the net does not.
constexpr std::string_view kAuxiliary[] = {"aux1.", "aux2.", "AuxLogits."};

using ByName = std::map<std::string_view, const Tensor*>;

ByName by_name(const NamedTensors& tensors) {
  ByName map;
  for (const auto& [name, tensor] : tensors) map[name] = &tensor;
  return map;
}

std::optional<std::string> renamed(const Renaming& rule, const std::string& name) {
  const bool anchored = rule.from.starts_with('^');
  const std::string_view from = rule.from.substr(anchored ? 1 : 0);
  const std::size_t at = anchored ? (name.starts_with(from) ? 0 : name.npos) : name.find(from);
  if (at == name.npos) return {};
  return std::string(name).replace(at, from.size(), rule.to);
}

struct NewName {
  std::string name;
  const char* maker;
};
std::optional<NewName> name_in(const ByName& net, const ByName& given, const std::string& name) {
  std::string changed = name;
  for (const Renaming& rule : kRenamings) {
    const std::optional<std::string> next = renamed(rule, changed);
    if (!next) continue;
    changed = *next;
    if (net.contains(changed) && !given.contains(changed)) return NewName{changed, rule.maker};
  }
  return {};
}

// timm keeps VGG's first linear layers as convolutions over the whole map: the same numbers in the same order.
Tensor as_linear(const Tensor& given, const Tensor& wanted) {
  const bool flattens = wanted.rank() == 2 && given.rank() == 4 && given.size(0) == wanted.size(0) &&
                        given.elements() == wanted.elements();
  return flattens ? given.reshape(wanted.shape()) : given;
}

bool is_left_out(const ByName& net, std::string_view name) {
  return std::ranges::any_of(kAuxiliary, [&](std::string_view part) {
    const auto first = net.lower_bound(part);
    return name.starts_with(part) && (first == net.end() || !first->first.starts_with(part));
  });
}

// Of another number of classes, and equal otherwise.
bool is_other_head(const Tensor& mine, const Tensor& given, std::int64_t classes) {
  if (mine.rank() == 0 || mine.rank() != given.rank() || mine.size(0) != classes || given.size(0) == classes)
    return false;
  return std::equal(mine.shape().begin() + 1, mine.shape().end(), given.shape().begin() + 1);
}

// Puts the net's own values in place of a head for another number of classes.
void keep_head(const ByName& net, NamedTensors& given, const std::string& file, std::int64_t classes) {
  std::string heads;
  for (NamedTensor& entry : given) {
    const auto mine = net.find(entry.name);
    if (mine == net.end() || !is_other_head(*mine->second, entry.tensor, classes)) continue;
    heads += message(heads.empty() ? "" : ", ", entry.name, " ", mine->second->shape(), " here, ", entry.tensor.shape(),
                     " in the file");
    entry.tensor = mine->second->detach().to(Device{}).clone();
  }
  if (!heads.empty())
    warn(file, ": the head is for another number of classes and is NOT loaded: ", heads,
         "; the net's own keeps its initial values");
}

}  // namespace

NamedTensors adapt_names(nn::Module& module, const NamedTensors& given, const std::string& file) {
  const NamedTensors state = module.state();
  const ByName net = by_name(state), theirs = by_name(given);
  NamedTensors adapted;
  std::map<std::string_view, int> changed;
  int left_out = 0;
  for (const auto& [name, tensor] : given) {
    if (!net.contains(name)) {
      if (const std::optional<NewName> found = name_in(net, theirs, name)) {
        adapted.push_back({found->name, as_linear(tensor, *net.at(found->name))});
        ++changed[found->maker];
        continue;
      }
      if (is_left_out(net, name)) {
        ++left_out;
        continue;
      }
    }
    adapted.push_back({name, tensor});
  }
  for (const auto& [maker, count] : changed) log(LogLevel::info, file, ": ", count, " names are those of ", maker);
  if (left_out > 0)
    log(LogLevel::info, file, ": left out ", left_out, " tensors of auxiliary heads, which the net does not have");
  return adapted;
}

void load_weights(nn::Module& net, const NamedTensors& given, const std::string& file, std::int64_t classes,
                  Head head) {
  NamedTensors adapted = adapt_names(net, given, file);
  const NamedTensors state = net.state();
  if (head == Head::replaced) keep_head(by_name(state), adapted, file, classes);
  net.load(adapted);
}

}  // namespace weft::models
