// Interned labels and types, and the wiring between them.
#include "search/region_structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "graph/op_def.h"

namespace lamina::search {
namespace {

constexpr int kNowhere = -1;
// Marks in descriptions; labels and types are not negative.
constexpr int kInside = -1;
constexpr int kBorder = -2;
constexpr int kRead = -3;
constexpr int kUnread = -4;

// Numbers for texts: equal texts have equal numbers.
class Interned {
 public:
  int of(const std::string& text) {
    return numbers_.try_emplace(text, static_cast<int>(numbers_.size())).first->second;
  }

 private:
  std::map<std::string, int> numbers_;
};

std::string text_of(const Attr& attr) {
  struct Visitor {
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return std::to_string(i); }
    std::string operator()(double d) const { return fmt::format("{:a}", d); }
    std::string operator()(const std::string& s) const { return s; }
    std::string operator()(DType t) const { return std::string(traits(t).name); }
    std::string operator()(const Dims& dims) const { return to_string(dims); }
    std::string operator()(const std::vector<double>& reals) const {
      std::string text;
      for (const double real : reals) text += fmt::format("{:a},", real);
      return text;
    }
  };
  return std::visit(Visitor{}, attr);
}

std::string label(const Node& node, const Input* input) {
  if (input != nullptr) return "input";
  // The node as the only one of a graph: its text without operands.
  std::string text(node.op->name);
  for (const auto& [name, attr] : node.attrs) text += "|" + name + "=" + text_of(attr);
  for (const Type& type : node.types) text += "|" + to_string(type);
  for (const Graph& inner : node.graphs) text += "|" + structure_hash(inner);
  return text;
}

}  // namespace

Structures::Structures(const OperatorGraph& operators) : operators_(operators) {
  const Graph& graph = operators.graph;
  Interned texts;
  position_.assign(graph.nodes.size(), kNowhere);
  for (std::size_t p = 0; p < operators.nodes.size(); ++p) {
    position_[static_cast<std::size_t>(operators.nodes[p])] = static_cast<int>(p);
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Input* input = graph.input(static_cast<NodeId>(n));
    labels_.push_back(texts.of(label(graph.nodes[n], input)));
    literal_.push_back(input == nullptr && position_[n] == kNowhere);
    const bool weight = input != nullptr && input->role == Role::kWeight;
    types_.emplace_back();
    for (const Type& type : graph.nodes[n].types) {
      types_[n].push_back(texts.of((weight ? "weight " : "value ") + to_string(type)));
    }
  }
  read_at_end_.assign(graph.nodes.size(), false);
  const auto mark = [&](Value value) { read_at_end_[static_cast<std::size_t>(value.node)] = true; };
  for (const Output& output : graph.outputs) mark(output.value);
  for (const Update& update : graph.updates) mark(update.next);
}

std::vector<int> Structures::describe(const Positions& region) const {
  std::vector<int> text;
  std::vector<Value> border;
  for (const std::size_t p : region) {
    const Node& node = operators_.graph.nodes[id_at(p)];
    text.push_back(labels_[id_at(p)]);
    for (const Value& input : node.inputs) describe(region, input, border, text);
    text.push_back(is_read_outside(region, p) ? kRead : kUnread);
  }
  return text;
}

void Structures::describe(const Positions& region, Value input, std::vector<Value>& border,
                          std::vector<int>& text) const {
  const auto n = static_cast<std::size_t>(input.node);
  const auto p = static_cast<std::size_t>(position_[n]);
  const auto inside = std::lower_bound(region.begin(), region.end(), p);
  if (position_[n] != kNowhere && inside != region.end() && *inside == p) {
    text.insert(text.end(), {kInside, static_cast<int>(inside - region.begin()), input.output});
    return;
  }
  const auto known = std::find(border.begin(), border.end(), input);
  text.insert(text.end(), {kBorder, static_cast<int>(known - border.begin())});
  if (known != border.end()) return;
  border.push_back(input);
  text.push_back(literal_[n] ? labels_[n] : types_[n][static_cast<std::size_t>(input.output)]);
}

bool Structures::is_read_outside(const Positions& region, std::size_t p) const {
  if (read_at_end_[id_at(p)]) return true;
  const Positions& consumers = operators_.order.consumers(p);
  return !std::includes(region.begin(), region.end(), consumers.begin(), consumers.end());
}

}  // namespace lamina::search
