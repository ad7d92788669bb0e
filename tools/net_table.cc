#include "tools/net_table.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "core/autograd.h"
#include "nn/summary.h"

namespace weft::tools {
namespace {

constexpr std::size_t kMostRows = 60;

// One line: a layer, or layers in a row whose names start alike.
struct Row {
  std::string name, made_of = {};
  Shape output = {};  // of one sample
  std::int64_t layers = 0, parameters = 0, macs = 0;
};

// The output of every module that runs, those that hold others included.
class Outputs final : public nn::LayerObserver {
 public:
  explicit Outputs(nn::Module& net) {
    nn::for_each_module(net, [&](const std::string& path, nn::Module& module) { paths_[&module] = path; });
  }
  void entered(nn::Module&, const Tensor&) override {}
  void left(nn::Module& module, const Tensor& y) override { shapes[paths_[&module]] = y.shape(); }

  std::map<std::string, Shape> shapes;

 private:
  std::map<const nn::Module*, std::string> paths_;
};

Shape of_one(const Shape& batch) { return Shape(std::span(batch.begin() + 1, batch.end())); }

std::size_t parts_of(const std::string& name) { return 1 + static_cast<std::size_t>(std::ranges::count(name, '.')); }

// "layer1.0" of "layer1.0.conv2" for two parts.
std::string start_of(const std::string& name, std::size_t parts) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts && at != name.npos; ++i) at = name.find('.', at == 0 ? 0 : at + 1);
  return name.substr(0, at);
}

// "3 Conv2d, 2 BatchNorm", in the order of their first.
std::string counted(const std::vector<std::string>& types) {
  std::vector<std::pair<std::string, int>> counts;
  for (const std::string& type : types) {
    const auto found = std::ranges::find(counts, type, &std::pair<std::string, int>::first);
    found == counts.end() ? void(counts.emplace_back(type, 1)) : void(++found->second);
  }
  std::string out;
  for (const auto& [type, count] : counts) out += message(out.empty() ? "" : ", ", count, " ", type);
  return out;
}

std::vector<Row> rows_of(const nn::Summary& summary, const std::map<std::string, Shape>& outputs, std::size_t parts) {
  std::vector<Row> rows;
  std::vector<std::vector<std::string>> types;
  for (const nn::LayerSummary& layer : summary.layers) {
    const std::string start = start_of(layer.name, parts);
    if (rows.empty() || rows.back().name != start) rows.push_back({.name = start}), types.emplace_back();
    Row& row = rows.back();
    const auto block = outputs.find(start);
    row.output = of_one(block == outputs.end() ? layer.output_shape : block->second);
    ++row.layers, row.parameters += layer.parameters, row.macs += layer.macs;
    types.back().push_back(layer.type);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].made_of = rows[i].layers == 1 ? types[i][0] : counted(types[i]);
  return rows;
}

// 118013952 as "118.01", of millions.
std::string in_millions(std::int64_t count) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", static_cast<double>(count) / 1e6);
  return count == 0 ? "" : text;
}

std::string joined(const Shape& shape) {
  std::string out;
  for (const std::int64_t size : shape) out += (out.empty() ? "" : " x ") + std::to_string(size);
  return out;
}

using Cells = std::vector<std::string>;

std::string aligned(const std::vector<Cells>& lines) {
  Cells widest(lines[0]);
  for (const Cells& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i)
      if (line[i].size() > widest[i].size()) widest[i] = line[i];
  std::string out;
  for (const Cells& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string space(widest[i].size() - line[i].size(), ' ');
      const bool number = i == 2 || i == 3;
      text += (i > 0 ? "  " : "") + (number ? space + line[i] : line[i] + space);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += (out.empty() ? "" : "\n") + text;
  }
  return out;
}

}  // namespace

std::string net_table(nn::Module& net, const Shape& input_shape, bool whole) {
  Shape batch = input_shape;
  batch.insert(0, 1);
  Outputs outputs(net);
  const nn::Summary summary = nn::summarize(net, batch);
  std::size_t parts = 1;
  for (const nn::LayerSummary& layer : summary.layers) parts = std::max(parts, parts_of(layer.name));
  std::vector<Row> rows = rows_of(summary, outputs.shapes, parts);
  while (!whole && rows.size() > kMostRows && parts > 1) rows = rows_of(summary, outputs.shapes, --parts);

  std::vector<Cells> lines = {{"layer", "output", "parameters", "MMACs", "what"}};
  for (const Row& row : rows)
    lines.push_back({row.name, joined(row.output), row.parameters == 0 ? "" : nn::grouped(row.parameters),
                     in_millions(row.macs), row.made_of});
  lines.push_back({"total", "", nn::grouped(summary.total_parameters), in_millions(summary.macs), ""});
  std::string out = aligned(lines);
  std::int64_t shown = 0;
  for (const Row& row : rows) shown += row.parameters;
  if (shown < summary.total_parameters)
    out += message("\n", nn::grouped(summary.total_parameters - shown),
                   " parameters are in heads that only training sees");
  if (rows.size() < summary.layers.size())
    out += message("\n", summary.layers.size(), " layers; --layers shows each, --json all there is");
  return out;
}

}  // namespace weft::tools
