// Gathering chains: clusters of nodes that grow while the graph of clusters stays without cycles.
#include "exec/lower/fuse.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "graph/kinds.h"
#include "graph/simplify.h"

namespace lamina::lower {
namespace {

// A chain's values live in registers, its operands have pointers.
constexpr std::size_t kMostNodes = 48;
constexpr std::size_t kMostOperands = 12;

bool is_lane(const Type& type) {
  return (type.dtype == DType::kF32 || type.dtype == DType::kBool) && type.strides.empty();
}

bool is_sum(const NodeView& node) { return node.op.name == "sum"; }

// A number that the code of a chain holds itself.
bool is_literal(const Node& node) {
  return node.op->name == "constant" && node.types[0].shape.empty() && is_lane(node.types[0]);
}

// Whether a chain can hold the node.
bool fits_lanes(const NodeView& node, const std::vector<Type>& outputs) {
  if (outputs.size() != 1 || !is_lane(outputs[0]) || node.inputs.empty()) return false;
  const bool sums = is_sum(node) && outputs[0].dtype == DType::kF32;
  if (!sums && (node.op.scalar.real == nullptr || node.op.scalar.code == nullptr)) return false;
  return std::all_of(node.inputs.begin(), node.inputs.end(), is_lane);
}

std::vector<bool> reduced_axes(const NodeView& node) {
  const std::size_t rank = node.inputs[0].shape.size();
  std::vector<bool> reduced(rank, node.attrs.dims("axes").empty());
  for (const std::int64_t axis : node.attrs.integers("axes")) {
    reduced[resolve_axis("sum", axis, rank)] = true;
  }
  return reduced;
}

std::int64_t known_elements(const Dims& shape) {
  const std::optional<Shape> known = constant_shape(shape);
  return known ? element_count(*known) : std::int64_t{1} << 40;
}

// Of clusters, by number.
class Set {
 public:
  Set() = default;
  explicit Set(std::size_t size) : words_((size + 63) / 64, 0) {}

  bool has(std::size_t i) const { return (words_[i / 64] >> (i % 64) & 1U) != 0; }
  void add(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  void remove(std::size_t i) { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  void add_all(const Set& other) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
  }

 private:
  std::vector<std::uint64_t> words_;
};

struct Cluster {
  std::vector<NodeId> nodes;  // ascending
  Dims shape;                 // of the elements; only where it is open
  std::vector<bool> reduced;  // empty: there is no sum
  bool open = false;          // a chain; else a node that stays alone
  std::set<int> before;       // clusters that one of its nodes reads
  Set ancestors;              // all clusters that must run first, itself included
};

class Fusion {
 public:
  explicit Fusion(const Graph& graph) : graph_(graph), owner_(graph.nodes.size(), -1) {
    find_constants();
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) add_cluster(static_cast<NodeId>(n));
    find_readers();
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) join_producers(static_cast<NodeId>(n));
    for (const auto& [value, readers] : readers_) join_siblings(value, readers);
  }

  Graph run() {
    Graph to;
    to.name = graph_.name;
    to.level = graph_.level;
    to.sizes = graph_.sizes;
    for (const Input& input : graph_.inputs) {
      const Node& node = node_of(input.node);
      moved_[{input.node, 0}] = to.add_input(node.name, node.types[0], input.role);
      to.inputs.back().value = input.value;
      to.inputs.back().initial = input.initial;
    }
    std::vector<bool> done(clusters_.size(), false);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) emit(owner_[n], to, done);
    for (const Output& output : graph_.outputs) to.add_output(output.name, moved_.at(output.value));
    for (const Update& update : graph_.updates) {
      to.add_update(moved_.at({update.state, 0}), moved_.at(update.next));
    }
    return to;
  }

 private:
  const Node& node_of(NodeId id) const { return graph_.nodes[static_cast<std::size_t>(id)]; }
  Cluster& cluster(int c) { return clusters_[static_cast<std::size_t>(c)]; }
  const Cluster& cluster(int c) const { return clusters_[static_cast<std::size_t>(c)]; }
  int owner(NodeId id) const { return owner_[static_cast<std::size_t>(id)]; }

  // What is computed once, at load.
  void find_constants() {
    constant_.resize(graph_.nodes.size(), false);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      const Input* input = graph_.input(static_cast<NodeId>(n));
      constant_[n] = input != nullptr
                         ? input->role == Role::kWeight
                         : std::all_of(node.inputs.begin(), node.inputs.end(), [&](Value v) {
                             return constant_[static_cast<std::size_t>(v.node)];
                           });
    }
  }

  void add_cluster(NodeId id) {
    const auto n = static_cast<std::size_t>(id);
    const Node& node = graph_.nodes[n];
    Cluster added;
    added.nodes = {id};
    added.ancestors = Set(graph_.nodes.size());
    added.ancestors.add(n);
    for (const Value& value : node.inputs) {
      added.before.insert(owner(value.node));
      added.ancestors.add_all(cluster(owner(value.node)).ancestors);
    }
    std::vector<Type> types;
    const NodeView seen = view(graph_, node, types);
    if (!constant_[n] && node.op->name != "input" && fits_lanes(seen, node.types)) {
      added.open = true;
      added.shape = is_sum(seen) ? types[0].shape : node.types[0].shape;
      if (is_sum(seen)) added.reduced = reduced_axes(seen);
    }
    owner_[n] = static_cast<int>(n);
    clusters_.push_back(std::move(added));
  }

  // Values and the chains that read them whole.
  void find_readers() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (!clusters_[n].open) continue;
      for (const Value& value : graph_.nodes[n].inputs) {
        if (graph_.type(value).shape == clusters_[n].shape) {
          readers_[value].push_back(static_cast<NodeId>(n));
        }
      }
    }
  }

  void join_producers(NodeId id) {
    for (const Value& value : node_of(id).inputs) try_merge(owner(value.node), owner(id));
  }

  // Chains that read the same tensor read it once.
  void join_siblings(Value value, const std::vector<NodeId>& readers) {
    if (known_elements(graph_.type(value).shape) < 2) return;
    for (std::size_t i = 1; i < readers.size(); ++i) {
      try_merge(owner(readers[0]), owner(readers[i]));
    }
  }

  void try_merge(int a, int b) {
    if (a == b || !cluster(a).open || !cluster(b).open) return;
    if (cluster(a).shape != cluster(b).shape || !same_sums(cluster(a), cluster(b))) return;
    if (cluster(a).nodes.size() + cluster(b).nodes.size() > kMostNodes) return;
    if (!stays_acyclic(a, b) || !stays_acyclic(b, a)) return;
    if (operands_of(a, b) > kMostOperands) return;
    merge(a, b);
  }

  static bool same_sums(const Cluster& a, const Cluster& b) {
    return a.reduced.empty() || b.reduced.empty() || a.reduced == b.reduced;
  }

  // No way from `first` to `then` but single edges, none of which carries a sum.
  bool stays_acyclic(int first, int then) const {
    for (const int before : cluster(then).before) {
      if (before != first && before != then &&
          cluster(before).ancestors.has(static_cast<std::size_t>(first))) {
        return false;
      }
    }
    for (const NodeId id : cluster(then).nodes) {
      for (const Value& value : node_of(id).inputs) {
        if (owner(value.node) == first && node_of(value.node).op->name == "sum") return false;
      }
    }
    return true;
  }

  std::size_t operands_of(int a, int b) const {
    std::set<Value> operands;
    for (const int c : {a, b}) {
      for (const NodeId id : cluster(c).nodes) {
        for (const Value& value : node_of(id).inputs) {
          const bool outside = owner(value.node) != a && owner(value.node) != b;
          if (outside && !is_literal(node_of(value.node))) operands.insert(value);
        }
      }
    }
    return operands.size();
  }

  // Moves everything of cluster b into a.
  void merge(int a, int b) {
    Cluster& to = cluster(a);
    Cluster& from = cluster(b);
    for (const NodeId id : from.nodes) owner_[static_cast<std::size_t>(id)] = a;
    std::vector<NodeId> nodes;
    std::merge(to.nodes.begin(), to.nodes.end(), from.nodes.begin(), from.nodes.end(),
               std::back_inserter(nodes));
    to.nodes = std::move(nodes);
    if (to.reduced.empty()) to.reduced = from.reduced;
    to.before.insert(from.before.begin(), from.before.end());
    to.before.erase(a);
    to.before.erase(b);
    to.ancestors.add_all(from.ancestors);
    const auto old = static_cast<std::size_t>(b), now = static_cast<std::size_t>(a);
    for (std::size_t c = 0; c < clusters_.size(); ++c) {
      Cluster& other = clusters_[c];
      if (c == old) continue;
      if (other.before.erase(b) > 0) other.before.insert(a);
      const bool follows = other.ancestors.has(old) || other.ancestors.has(now);
      if (follows) other.ancestors.add_all(to.ancestors);
      other.ancestors.remove(old);
    }
    from = Cluster();
    from.ancestors = Set(clusters_.size());
  }

  void emit(int c, Graph& to, std::vector<bool>& done) {
    if (done[static_cast<std::size_t>(c)]) return;
    done[static_cast<std::size_t>(c)] = true;
    for (const int before : cluster(c).before) emit(before, to, done);
    const Cluster& from = cluster(c);
    if (from.nodes.size() == 1) {
      copy(from.nodes[0], to);
    } else {
      add_thread(from, to);
    }
  }

  void copy(NodeId id, Graph& to) {
    const Node& node = node_of(id);
    if (node.op->name == "input") return;
    std::vector<Value> inputs;
    for (const Value& value : node.inputs) inputs.push_back(moved_.at(value));
    const Value added = to.add(node.op->name, inputs, node.attrs, node.name, node.graphs);
    for (std::int32_t k = 0; k < std::ssize(node.types); ++k) moved_[{id, k}] = {added.node, k};
  }

  bool is_read_outside(NodeId id) const {
    const int own = owner(id);
    const auto outside = [&](const Node& node) {
      return std::any_of(node.inputs.begin(), node.inputs.end(),
                         [&](Value value) { return value.node == id; });
    };
    for (std::size_t n = static_cast<std::size_t>(id) + 1; n < graph_.nodes.size(); ++n) {
      if (owner_[n] != own && outside(graph_.nodes[n])) return true;
    }
    return std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                       [&](const Output& o) { return o.value.node == id; }) ||
           std::any_of(graph_.updates.begin(), graph_.updates.end(),
                       [&](const Update& u) { return u.next.node == id; });
  }

  void add_thread(const Cluster& from, Graph& to) {
    Graph inner;
    inner.level = Level::kThread;
    inner.sizes = graph_.sizes;
    std::map<Value, Value> inside;
    std::vector<Value> operands;
    std::vector<NodeId> results;
    for (const NodeId id : from.nodes) {
      const Node& node = node_of(id);
      std::vector<Value> inputs;
      for (const Value& value : node.inputs) {
        auto [found, fresh] = inside.try_emplace(value);
        const Node& operand = node_of(value.node);
        if (fresh && is_literal(operand)) {
          found->second = inner.add("constant", {}, operand.attrs);
        } else if (fresh) {
          found->second =
              inner.add_input("x" + std::to_string(operands.size()), graph_.type(value));
          operands.push_back(moved_.at(value));
        }
        inputs.push_back(found->second);
      }
      inside[{id, 0}] = inner.add(node.op->name, inputs, node.attrs);
      if (!is_read_outside(id)) continue;
      inner.add_output("y" + std::to_string(results.size()), inside.at({id, 0}));
      results.push_back(id);
    }
    const Value added =
        to.add("thread", operands, {}, node_of(results.at(0)).name, {std::move(inner)});
    for (std::size_t k = 0; k < results.size(); ++k) {
      moved_[{results[k], 0}] = {added.node, static_cast<std::int32_t>(k)};
    }
  }

  const Graph& graph_;
  std::vector<bool> constant_;
  std::vector<Cluster> clusters_;  // by the node that they began as; those merged away are empty
  std::vector<int> owner_;         // of each node
  std::map<Value, std::vector<NodeId>> readers_;
  std::map<Value, Value> moved_;
};

// Operators that broadcast by themselves read what a broadcast repeats.
void bypass_broadcasts(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (node.op->kind != Kind::kElementwise || node.types.size() != 1) continue;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Node& operand = graph.node(node.inputs[i]);
      if (operand.op->name != "broadcast" || operand.inputs.empty()) continue;
      const bool another_is_whole = [&] {
        for (std::size_t k = 0; k < node.inputs.size(); ++k) {
          if (k != i && graph.type(node.inputs[k]).shape == node.types[0].shape) return true;
        }
        return false;
      }();
      if (another_is_whole) node.inputs[i] = operand.inputs[0];
    }
  }
  drop_dead_nodes(graph);
}

}  // namespace

Graph fuse_chains(const Graph& graph) {
  Graph simple = graph;
  bypass_broadcasts(simple);
  return Fusion(simple).run();
}

std::optional<Chain> chain_of(const NodeView& node) {
  if (node.op.name != "thread" || node.graphs.size() != 1) return std::nullopt;
  const Graph& inner = node.graphs[0];
  std::optional<Chain> chain;
  std::vector<bool> sums(inner.nodes.size(), false);
  for (std::size_t n = 0; n < inner.nodes.size(); ++n) {
    const Node& each = inner.nodes[n];
    if (each.op->name == "input" || is_literal(each)) continue;
    std::vector<Type> types;
    const NodeView seen = view(inner, each, types);
    if (!fits_lanes(seen, each.types)) return std::nullopt;
    sums[n] = is_sum(seen);
    for (const Value& value : each.inputs) {
      if (sums[static_cast<std::size_t>(value.node)]) return std::nullopt;
    }
    const Dims& shape = sums[n] ? types[0].shape : each.types[0].shape;
    if (!chain) chain = Chain{shape, std::vector<bool>(shape.size(), false)};
    if (chain->shape != shape) return std::nullopt;
    if (!sums[n]) continue;
    const std::vector<bool> reduced = reduced_axes(seen);
    const bool first =
        std::none_of(chain->reduced.begin(), chain->reduced.end(), [](bool axis) { return axis; });
    if (!first && chain->reduced != reduced) return std::nullopt;
    chain->reduced = reduced;
  }
  return chain;
}

}  // namespace lamina::lower
