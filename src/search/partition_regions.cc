// Growing and enumerating convex sets, each structure priced once.
#include "search/partition_regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "graph/op_def.h"
#include "search/conv_regions.h"
#include "search/region.h"

namespace lamina::search {
namespace {

using Positions = std::vector<std::size_t>;  // ascending

struct PositionsHash {
  template <class T>
  std::size_t operator()(const std::vector<T>& numbers) const {
    std::uint64_t sum = numbers.size();
    for (const T number : numbers) {
      sum = (sum ^ static_cast<std::uint64_t>(number)) * 0x9e3779b97f4a7c15ULL;
      sum ^= sum >> 29;
    }
    return static_cast<std::size_t>(sum);
  }
};

// Numbers for texts: equal texts have equal numbers.
class Interned {
 public:
  int of(const std::string& text) {
    return numbers_.try_emplace(text, static_cast<int>(numbers_.size())).first->second;
  }

 private:
  std::map<std::string, int> numbers_;
};

// Describes regions by numbers such that equal descriptions mean equal cuts, up to names.
class Structures {
 public:
  explicit Structures(const OperatorGraph& operators) : operators_(operators) {
    const Graph& graph = operators.graph;
    Interned texts;
    position_.assign(graph.nodes.size(), kOutside);
    for (std::size_t p = 0; p < operators.nodes.size(); ++p) {
      position_[static_cast<std::size_t>(operators.nodes[p])] = static_cast<int>(p);
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Input* input = graph.input(static_cast<NodeId>(n));
      labels_.push_back(texts.of(label(graph.nodes[n], input)));
      for (const Type& type : graph.nodes[n].types) {
        const bool weight = input != nullptr && input->role == Role::kWeight;
        types_.resize(n + 1);
        types_[n].push_back(texts.of((weight ? "weight " : "value ") + to_string(type)));
      }
      types_.resize(n + 1);
    }
    read_at_end_.assign(graph.nodes.size(), false);
    for (const Output& output : graph.outputs) mark(output.value);
    for (const Update& update : graph.updates) mark(update.next);
  }

  std::vector<int> describe(const Positions& region) const {
    std::vector<int> text;
    std::vector<Value> border;
    for (const std::size_t p : region) {
      const Node& node = node_at(p);
      text.push_back(labels_[id_at(p)]);
      for (const Value& input : node.inputs) describe(region, input, border, text);
      text.push_back(is_read_outside(region, p) ? kRead : kUnread);
    }
    return text;
  }

 private:
  static constexpr int kOutside = -1;
  // Marks in descriptions; labels and types are not negative.
  static constexpr int kInside = -1;
  static constexpr int kBorder = -2;
  static constexpr int kRead = -3;
  static constexpr int kUnread = -4;

  static std::string label(const Node& node, const Input* input) {
    if (input != nullptr) return "input";
    // The node as the only one of a graph: its text without operands.
    std::string text(node.op->name);
    for (const auto& [name, attr] : node.attrs) text += "|" + name + "=" + text_of(attr);
    for (const Type& type : node.types) text += "|" + to_string(type);
    for (const Graph& inner : node.graphs) text += "|" + structure_hash(inner);
    return text;
  }

  static std::string text_of(const Attr& attr) {
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

  std::size_t id_at(std::size_t p) const { return static_cast<std::size_t>(operators_.nodes[p]); }
  const Node& node_at(std::size_t p) const { return operators_.graph.nodes[id_at(p)]; }
  void mark(Value value) { read_at_end_[static_cast<std::size_t>(value.node)] = true; }

  void describe(const Positions& region, Value input, std::vector<Value>& border,
                std::vector<int>& text) const {
    const auto n = static_cast<std::size_t>(input.node);
    const auto p = static_cast<std::size_t>(position_[n]);
    const auto inside = std::lower_bound(region.begin(), region.end(), p);
    if (position_[n] != kOutside && inside != region.end() && *inside == p) {
      text.insert(text.end(), {kInside, static_cast<int>(inside - region.begin()), input.output});
      return;
    }
    const auto known = std::find(border.begin(), border.end(), input);
    text.insert(text.end(), {kBorder, static_cast<int>(known - border.begin())});
    if (known != border.end()) return;
    border.push_back(input);
    const bool literal = position_[n] == kOutside && operators_.graph.input(input.node) == nullptr;
    text.push_back(literal ? labels_[n] : types_[n][static_cast<std::size_t>(input.output)]);
  }

  bool is_read_outside(const Positions& region, std::size_t p) const {
    if (read_at_end_[id_at(p)]) return true;
    const Positions& consumers = operators_.order.consumers(p);
    return !std::includes(region.begin(), region.end(), consumers.begin(), consumers.end());
  }

  const OperatorGraph& operators_;
  std::vector<int> position_;            // by node
  std::vector<int> labels_;              // by node
  std::vector<std::vector<int>> types_;  // by node and output
  std::vector<bool> read_at_end_;        // by node
};

class Finder {
 public:
  Finder(const OperatorGraph& operators, const CostModel& costs, const RegionLimits& limits)
      : operators_(operators), costs_(costs), limits_(limits), structures_(operators) {
    for (const NodeId n : operators.nodes) {
      alone_.push_back(costs.alone()[static_cast<std::size_t>(n)]);
    }
  }

  std::vector<CoverCandidate> run() {
    const std::size_t count = operators_.order.size();
    for (std::size_t seed = 0; seed < count; ++seed) {
      if (!can_join(seed)) continue;
      grow({seed}, {Towards::kConsumers});
      grow({seed}, {Towards::kProducers});
      grow({seed}, {Towards::kConsumers, Towards::kProducers});
      grow({seed}, {Towards::kProducers, Towards::kConsumers});
      grow({seed}, {Towards::kBoth});
    }
    for (std::size_t seed = 0; seed < count; ++seed) {
      if (can_join(seed)) enumerate(seed, limits_.enumerated / count);
    }
    return std::move(found_);
  }

 private:
  enum class Towards : std::uint8_t { kConsumers, kProducers, kBoth };

  // A region has one output per node and no inner graphs (a block is a region already).
  bool can_join(std::size_t p) const {
    const Node& node = operators_.graph.nodes[static_cast<std::size_t>(operators_.nodes[p])];
    return operators_.free[p] && node.types.size() == 1 && node.graphs.empty();
  }

  double apart(const Positions& region) const {
    double seconds = 0.0;
    for (const std::size_t p : region) seconds += alone_[p];
    return seconds;
  }

  // What the region saves as blocks; nothing when it cannot be tiled.
  std::optional<double> saving(const Positions& region) {
    const auto [entry, fresh] = savings_.try_emplace(structures_.describe(region), std::nullopt);
    if (!fresh || savings_.size() > limits_.programs) return entry->second;
    Region nodes;
    for (const std::size_t p : region) nodes.nodes.push_back(operators_.nodes[p]);
    if (const auto fused = costs_.fused(cut(operators_.graph, nodes))) {
      entry->second = apart(region) - fused->seconds;
    }
    return entry->second;
  }

  void offer(const Positions& region, double saved) {
    if (region.size() < 2 || saved <= -limits_.loss * apart(region)) return;
    if (offered_.insert(region).second) found_.push_back({region, saved});
  }

  // The region with `next` and all that lies between; nothing when it may not grow so.
  std::optional<Positions> joined(Positions region, std::size_t next) const {
    region.push_back(next);
    Positions hull = operators_.order.convex_hull(std::move(region));
    const bool fits = hull.size() <= limits_.nodes &&
                      std::all_of(hull.begin(), hull.end(), [&](auto p) { return can_join(p); });
    return fits ? std::optional(std::move(hull)) : std::nullopt;
  }

  Positions neighbours(const Positions& region, Towards towards) const {
    Positions found;
    for (const std::size_t p : region) {
      if (towards != Towards::kProducers) {
        const Positions& to = operators_.order.consumers(p);
        found.insert(found.end(), to.begin(), to.end());
      }
      if (towards != Towards::kConsumers) {
        const Positions& from = operators_.order.producers(p);
        found.insert(found.end(), from.begin(), from.end());
      }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    std::erase_if(found, [&](std::size_t p) {
      return !can_join(p) || std::binary_search(region.begin(), region.end(), p);
    });
    return found;
  }

  // Steps that do not save more than the best stage are taken for a while: a sum alone saves
  // nothing, the norm that it ends in does. So are steps to what cannot be tiled by itself.
  void grow(Positions region, const std::vector<Towards>& directions) {
    constexpr int kPatience = 5;
    double best = 0.0;
    for (const Towards towards : directions) {
      for (int patience = kPatience; patience > 0;) {
        std::optional<Positions> next = best_step(region, towards);
        if (!next) break;
        region = std::move(*next);
        const std::optional<double> saved = saving(region);
        if (saved) offer(region, *saved);
        if (saved && *saved > best) {
          best = *saved;
          patience = kPatience;
        } else {
          --patience;
        }
      }
    }
  }

  std::optional<Positions> best_step(const Positions& region, Towards towards) {
    std::optional<Positions> best;
    std::optional<double> most;
    for (const std::size_t next : neighbours(region, towards)) {
      std::optional<Positions> larger = joined(region, next);
      if (!larger) continue;
      const std::optional<double> saved = saving(*larger);
      if (best && (!saved || (most && *saved <= *most))) continue;
      most = saved;
      best = std::move(larger);
    }
    return best;
  }

  // Every connected convex set around the seed is reached by joining one neighbour after another.
  void enumerate(std::size_t seed, std::size_t most) {
    std::vector<Positions> sets = {{seed}};
    std::set<Positions> known = {{seed}};
    for (std::size_t s = 0; s < sets.size() && sets.size() < most; ++s) {
      const Positions region = sets[s];
      for (const std::size_t next : neighbours(region, Towards::kBoth)) {
        std::optional<Positions> larger = joined(region, next);
        if (!larger || sets.size() >= most || !known.insert(*larger).second) continue;
        if (const auto saved = saving(*larger)) offer(*larger, *saved);
        sets.push_back(std::move(*larger));
      }
    }
  }

  const OperatorGraph& operators_;
  const CostModel& costs_;
  const RegionLimits& limits_;
  Structures structures_;
  std::vector<double> alone_;  // by position
  std::unordered_map<std::vector<int>, std::optional<double>, PositionsHash> savings_;
  std::set<Positions> offered_;
  std::vector<CoverCandidate> found_;
};

Precedence precedence_of(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::vector<std::size_t> position(graph.nodes.size(), nodes.size());
  std::vector<std::vector<std::size_t>> producers(nodes.size());
  for (std::size_t p = 0; p < nodes.size(); ++p) {
    position[static_cast<std::size_t>(nodes[p])] = p;
    for (const Value& input : graph.nodes[static_cast<std::size_t>(nodes[p])].inputs) {
      const std::size_t from = position[static_cast<std::size_t>(input.node)];
      std::vector<std::size_t>& list = producers[p];
      if (from < nodes.size() && std::find(list.begin(), list.end(), from) == list.end()) {
        list.push_back(from);
      }
    }
  }
  return Precedence(std::move(producers));
}

// By node: computed from weights alone.
std::vector<bool> constant_nodes(const Graph& graph) {
  std::vector<bool> constant(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const Input* input = graph.input(static_cast<NodeId>(n));
    constant[n] = input != nullptr
                      ? input->role == Role::kWeight
                      : std::all_of(node.inputs.begin(), node.inputs.end(), [&](Value value) {
                          return constant[static_cast<std::size_t>(value.node)];
                        });
  }
  return constant;
}

}  // namespace

OperatorGraph::OperatorGraph(const Graph& from)
    : graph(from),
      nodes(operator_nodes(from)),
      order(precedence_of(from, nodes)),
      convolutions(convolution_regions(from)) {
  std::vector<bool> held = constant_nodes(from);
  for (const Region& region : convolutions) {
    for (const NodeId n : region.nodes) held[static_cast<std::size_t>(n)] = true;
  }
  for (const NodeId n : nodes) free.push_back(!held[static_cast<std::size_t>(n)]);
}

std::vector<CoverCandidate> candidate_regions(const OperatorGraph& operators,
                                              const CostModel& costs, const RegionLimits& limits) {
  return Finder(operators, costs, limits).run();
}

}  // namespace lamina::search
