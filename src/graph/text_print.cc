// Writes the text form of graphs (grammar: docs/formats.md).
#include <fmt/format.h>

#include <cmath>
#include <set>

#include "graph/op_def.h"
#include "graph/text_form.h"
#include "graph/text_lexer.h"

namespace lamina {
namespace {

constexpr std::size_t kLineLength = 100;

std::string join(const std::vector<std::string>& parts, std::string_view separator = ", ") {
  return fmt::format("{}", fmt::join(parts, separator));
}

// The shortest text that reads back as the same double, and reads as a real.
std::string written_real(double value) {
  if (std::isnan(value)) return "nan";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

struct AttrWriter {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return written_real(value); }
  std::string operator()(const std::string& value) const { return written_text(value); }
  std::string operator()(DType value) const { return std::string(traits(value).name); }
  std::string operator()(const Dims& value) const { return to_string(value); }
  std::string operator()(const std::vector<double>& value) const {
    std::vector<std::string> parts;
    for (const double element : value) parts.push_back(written_real(element));
    return "[" + join(parts) + "]";
  }
};

std::string_view level_word(Level level) {
  if (level == Level::kBlock) return "block";
  return level == Level::kThread ? "thread" : "kernel";
}

std::string_view role_prefix(Role role) {
  if (role == Role::kWeight) return "weight ";
  if (role == Role::kDonated) return "donated ";
  return role == Role::kState ? "state " : "";
}

std::string written_sizes(std::span<const SizeRange> sizes) {
  if (sizes.empty()) return "";
  std::vector<std::string> parts;
  for (const SizeRange& size : sizes) {
    parts.push_back(fmt::format("{}: {}..{}", size.name, size.min, size.max));
  }
  return "[" + join(parts) + "]";
}

// Prints one graph; inner graphs by further printers.
class Printer {
 public:
  Printer(const Graph& graph, int indent) : graph_(graph), indent_(indent) { choose_names(); }

  std::string kernel() const {
    const std::string level =
        graph_.level == Level::kKernel ? "" : std::string(level_word(graph_.level)) + " ";
    return level + "graph " + written_name(graph_.name) + header() + " {\n" + body() + "}\n";
  }

  std::string inner(const Node& owner, const Graph& outer, bool implied) const {
    std::string text = "{";
    if (!implied) {
      if (graph_.level != inner_level(*owner.op, outer.level)) {
        text += " " + std::string(level_word(graph_.level));
      }
      text += graph_.sizes == outer.sizes ? " " + inputs(text.size()) : " " + header();
    }
    return text + "\n" + body() + std::string(static_cast<std::size_t>(indent_), ' ') + "}";
  }

  std::string name(Value value) const {
    const auto& names = names_[static_cast<std::size_t>(value.node)];
    return names[static_cast<std::size_t>(value.output)];
  }

 private:
  // Names are unique in a valid graph; the names of further outputs may collide with them.
  void choose_names() {
    std::set<std::string> taken;
    const auto unique = [&](std::string wanted) {
      while (!taken.insert(wanted).second) wanted += "_";
      return wanted;
    };
    names_.resize(graph_.nodes.size());
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      names_[n].push_back(unique(graph_.nodes[n].name));
    }
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (std::size_t k = 1; k < graph_.nodes[n].types.size(); ++k) {
        names_[n].push_back(unique(fmt::format("{}.{}", names_[n][0], k)));
      }
      for (std::string& name : names_[n]) name = written_name(name);
    }
  }

  std::string declaration(const Input& input) const {
    std::string text = fmt::format("{}{}: {}", role_prefix(input.role), name({input.node, 0}),
                                   to_string(graph_.type({input.node, 0})));
    if (input.role == Role::kState) text += " = " + written_real(input.initial);
    return text;
  }

  std::string inputs(std::size_t column) const {
    std::vector<std::string> parts;
    for (const Input& input : graph_.inputs) {
      if (input.role != Role::kState) parts.push_back(declaration(input));
    }
    std::string text = "(" + join(parts) + ")";
    if (column + text.size() + 2 <= kLineLength) return text;
    const std::string margin = "\n" + std::string(static_cast<std::size_t>(indent_) + 4, ' ');
    return "(" + margin + join(parts, "," + margin) + ")";
  }

  std::string header() const {
    const std::string sizes = written_sizes(graph_.sizes);
    return sizes + inputs(sizes.size() + graph_.name.size() + 8);
  }

  std::string body() const {
    const std::string margin(static_cast<std::size_t>(indent_) + 2, ' ');
    std::string text;
    for (const Input& input : graph_.inputs) {
      if (input.role == Role::kState) text += margin + declaration(input) + "\n";
    }
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (graph_.nodes[n].op->name == "input") continue;
      text += margin + statement(static_cast<NodeId>(n)) + "\n";
    }
    for (const Update& update : graph_.updates) {
      text += margin + name({update.state, 0}) + " <- " + name(update.next) + "\n";
    }
    std::vector<std::string> results;
    for (const Output& output : graph_.outputs) {
      const std::string value = name(output.value);
      const std::string wanted = written_name(output.name);
      results.push_back(wanted == value ? value : wanted + "=" + value);
    }
    if (!results.empty()) text += margin + "return " + join(results) + "\n";
    return text;
  }

  std::string statement(NodeId id) const {
    const Node& node = graph_.nodes[static_cast<std::size_t>(id)];
    std::vector<std::string> left;
    for (std::size_t k = 0; k < node.types.size(); ++k) {
      left.push_back(name({id, static_cast<std::int32_t>(k)}) + ": " + to_string(node.types[k]));
    }
    return join(left) + " = " + call(node);
  }

  std::string call(const Node& node) const {
    std::vector<Printer> inner;
    for (const Graph& graph : node.graphs) inner.emplace_back(graph, indent_ + 2);
    const bool implied = headers_implied(node, inner);
    const std::size_t first = first_passed_input(*node.op);
    const auto inside = implied ? inner[0].input_names() : std::vector<std::string>{};
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      parts.push_back(name(node.inputs[i]));
      if (!implied || i < first || inside[i - first] == parts.back()) continue;
      parts.back() += " as " + inside[i - first];
    }
    for (const auto& [key, value] : node.attrs) {
      if (is_default(*node.op, key, value)) continue;
      parts.push_back(key + "=" + written_attr(value));
    }
    std::string text = std::string(node.op->name) + "(" + join(parts) + ")";
    for (std::size_t i = 0; i < inner.size(); ++i) {
      const std::string_view label = region_label(*node.op, i);
      text += label.empty() ? " " : fmt::format(" {} ", label);
      text += inner[i].inner(node, graph_, implied);
    }
    return text;
  }

  static bool is_default(const OpDef& op, const std::string& key, const Attr& value) {
    for (const AttrSpec& spec : op.attrs) {
      if (spec.name == key) return spec.fallback && *spec.fallback == value;
    }
    return false;
  }

  std::vector<std::string> input_names() const {
    std::vector<std::string> names;
    for (const Input& input : graph_.inputs) {
      if (input.role != Role::kState) names.push_back(name({input.node, 0}));
    }
    return names;
  }

  // Whether the inputs of the inner graphs follow from the arguments, which carry their names.
  bool headers_implied(const Node& node, std::span<const Printer> inner) const {
    if (inner.empty()) return false;
    const Level level = inner_level(*node.op, graph_.level);
    for (const Printer& region : inner) {
      if (region.graph_.level != level || region.graph_.sizes != graph_.sizes) return false;
      if (region.input_names() != inner[0].input_names()) return false;
      std::size_t i = first_passed_input(*node.op);
      for (const Input& input : region.graph_.inputs) {
        if (input.role == Role::kState) continue;
        const bool passed = input.role == Role::kInput && i < node.inputs.size() &&
                            region.graph_.type({input.node, 0}) == graph_.type(node.inputs[i]);
        if (!passed) return false;
        ++i;
      }
      if (i != node.inputs.size()) return false;
    }
    return true;
  }

  const Graph& graph_;
  int indent_;
  std::vector<std::vector<std::string>> names_;  // per node, per output
};

}  // namespace

std::string written_attr(const Attr& value) { return std::visit(AttrWriter{}, value); }

std::string print_graph(const Graph& graph) { return "lamina 1\n\n" + Printer(graph, 0).kernel(); }

}  // namespace lamina
