// Parts of graphs.
#include "pipeline/run/extract.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/check.h"
#include "graph/op_def.h"
#include "pipeline/index.h"
#include "pipeline/run/min_cut.h"

namespace lamina::pipeline {
namespace {

// Worth running again rather than keeping its result.
bool is_cheap(const Node& node) {
  if (!node.graphs.empty()) return false;
  if (node.op->scalar.real != nullptr || node.op->scalar.whole != nullptr) return true;
  return node.op->move_form != nullptr;
}

class Extractor {
 public:
  Extractor(const Graph& graph, const std::set<Value>& given, const std::vector<Value>& wanted)
      : graph_(graph),
        given_(given),
        wanted_(wanted),
        needed_(nodes_between(graph, given, wanted)) {
    out_.graph.name = graph.name;
    out_.graph.sizes = graph.sizes;
    for (std::size_t n = 0; n < needed_.size(); ++n) {
      if (needed_[n]) names_.insert(graph.nodes[n].name);
    }
  }

  Extract run() {
    add_inputs();
    find_late();
    for (std::size_t n = 0; n < needed_.size(); ++n) {
      if (needed_[n] && !is_late_[n]) add(n);
    }
    for (std::size_t k = 0; k < wanted_.size(); ++k) {
      need(wanted_[k]);
      out_.graph.add_output("y" + std::to_string(k), place_.at(wanted_[k]));
    }
    return std::move(out_);
  }

 private:
  void add_inputs() {
    std::set<Value> read;
    const auto note = [&](Value v) {
      if (given_.contains(v)) read.insert(v);
    };
    for (std::size_t n = 0; n < needed_.size(); ++n) {
      if (!needed_[n]) continue;
      for (const Value v : graph_.nodes[n].inputs) note(v);
    }
    for (const Value v : wanted_) note(v);
    for (const Value v : read) {
      std::string name = graph_.node(v).name;
      while (!names_.insert(name).second) name += "_";
      const Type& type = graph_.type(v);
      place_[v] = out_.graph.add_input(name, {type.dtype, type.shape, {}});
      out_.inputs.push_back(v);
    }
  }

  // Cheap nodes of given values alone, so of what is kept, run just before they are first read: if
  // all of them ran first, as they stand in the whole graph, their results would be kept after all.
  void find_late() {
    is_late_.resize(needed_.size(), false);
    for (std::size_t n = 0; n < needed_.size(); ++n) {
      const Node& node = graph_.nodes[n];
      is_late_[n] = needed_[n] && is_cheap(node) &&
                    std::all_of(node.inputs.begin(), node.inputs.end(), [&](Value v) {
                      return given_.contains(v) || is_late_[at(v.node)];
                    });
    }
  }

  void need(Value v) {
    if (!place_.contains(v)) add(at(v.node));
  }

  void add(std::size_t n) {
    for (const Value v : graph_.nodes[n].inputs) need(v);
    Node node = graph_.nodes[n];
    for (Value& v : node.inputs) v = place_.at(v);
    out_.graph.nodes.push_back(std::move(node));
    const auto id = static_cast<NodeId>(out_.graph.nodes.size() - 1);
    for (std::size_t k = 0; k < graph_.nodes[n].types.size(); ++k) {
      const auto output = static_cast<std::int32_t>(k);
      place_.try_emplace({static_cast<NodeId>(n), output}, Value{id, output});
    }
  }

  const Graph& graph_;
  const std::set<Value>& given_;
  const std::vector<Value>& wanted_;
  std::vector<bool> needed_;
  std::vector<bool> is_late_;
  std::set<std::string> names_;
  std::map<Value, Value> place_;  // in the extract
  Extract out_;
};

// The choice of kept values as a minimal cut (as in PyTorch's AOTAutograd): every value of the
// first part is an arc of its bytes, from where it is computed to where it is read. What cannot be
// computed again hangs on the source, what the second part reads on the sink; a node that is run
// again needs its operands, so they lead to it.
class KeptValues {
 public:
  explicit KeptValues(const TwoParts& parts)
      : parts_(parts), again_(independent_of(parts.graph, batch_values())) {}

  std::set<Value> run() {
    std::vector<Value> open;
    std::set<NodeId> seen;
    for (const Value v : parts_.wanted) read(v, kSink, open);
    while (!open.empty()) {
      const Value v = open.back();
      open.pop_back();
      // A node of the second part, or one that may be run again: what it reads is read with it.
      const Node& node = parts_.graph.node(v);
      const bool second = runs_second(v.node);
      if (second && !seen.insert(v.node).second) continue;
      for (const Value input : node.inputs) read(input, second ? kSink : vertices_.at(v), open);
    }
    std::set<Value> kept;
    for (const int arc : cut_.minimal_arcs(kSource, kSink)) kept.insert(arcs_.at(arc));
    return kept;
  }

 private:
  static constexpr int kSource = 0, kSink = 1;

  // What differs from micro-batch to micro-batch: all inputs but those that were weights.
  std::set<Value> batch_values() const {
    std::set<Value> values;
    for (const Input& input : parts_.graph.inputs) {
      if (input.role != Role::kWeight) values.insert({input.node, 0});
    }
    return values;
  }

  bool runs_second(NodeId node) const { return !parts_.first[at(node)] || again_[at(node)]; }

  // `v` is read at vertex `by`, the entry of the value that is computed from it.
  void read(Value v, int by, std::vector<Value>& open) {
    if (parts_.free.contains(v)) return;
    if (runs_second(v.node)) {
      // Read by what may be run again: then it is of the second part itself, or depends on weights.
      open.push_back(v);
      return;
    }
    const auto [entry, first] =
        vertices_.try_emplace(v, 2 * static_cast<int>(vertices_.size()) + 2);
    const int in = entry->second;
    if (first) {
      arcs_[cut_.add_arc(in, in + 1, bytes_of(parts_.graph.type(v)))] = v;
      if (is_cheap(parts_.graph.node(v))) {
        open.push_back(v);
      } else {
        cut_.add_arc(kSource, in, MinCut::kUnlimited);
      }
    }
    cut_.add_arc(in + 1, by, MinCut::kUnlimited);
  }

  const TwoParts& parts_;
  std::vector<bool> again_;
  MinCut cut_;
  std::map<Value, int> vertices_;  // the entry; the exit follows
  std::map<int, Value> arcs_;
};

}  // namespace

Extract extract(const Graph& graph, const std::set<Value>& given,
                const std::vector<Value>& wanted) {
  return Extractor(graph, given, wanted).run();
}

std::vector<bool> nodes_between(const Graph& graph, const std::set<Value>& given,
                                const std::vector<Value>& wanted) {
  std::vector<bool> needed(graph.nodes.size(), false);
  const auto need = [&](Value v) {
    if (!given.contains(v)) needed[at(v.node)] = true;
  };
  for (const Value v : wanted) need(v);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (!needed[n]) continue;
    check(op_name(graph.nodes[n]) != "input", "'{}' is needed and not given", graph.nodes[n].name);
    for (const Value v : graph.nodes[n].inputs) need(v);
  }
  return needed;
}

std::set<Value> least_kept(const TwoParts& parts) { return KeptValues(parts).run(); }

std::vector<bool> independent_of(const Graph& graph, const std::set<Value>& values) {
  std::vector<bool> independent(graph.nodes.size(), true);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (values.contains({static_cast<NodeId>(n), 0})) independent[n] = false;
    for (const Value v : node.inputs) {
      if (!independent[at(v.node)]) independent[n] = false;
    }
  }
  return independent;
}

void move_up(Graph& graph, const std::set<NodeId>& nodes) {
  std::vector<NodeId> place(graph.nodes.size(), -1);
  std::vector<Node> sorted;
  const auto emit = [&](NodeId n) {
    place[at(n)] = static_cast<NodeId>(sorted.size());
    sorted.push_back(std::move(graph.nodes[at(n)]));
    for (Value& v : sorted.back().inputs) v.node = place[at(v.node)];
  };
  const auto can_run = [&](NodeId n) {
    const std::vector<Value>& inputs = graph.nodes[at(n)].inputs;
    return place[at(n)] < 0 && std::all_of(inputs.begin(), inputs.end(),
                                           [&](Value v) { return place[at(v.node)] >= 0; });
  };
  for (const Input& input : graph.inputs) emit(input.node);
  for (NodeId n = 0; n < static_cast<NodeId>(place.size()); ++n) {
    if (place[at(n)] < 0 && !nodes.contains(n)) emit(n);
    for (const NodeId early : nodes) {
      if (can_run(early)) emit(early);
    }
  }
  graph.nodes = std::move(sorted);
  for (Input& input : graph.inputs) input.node = place[at(input.node)];
  for (Output& output : graph.outputs) output.value.node = place[at(output.value.node)];
  for (Update& update : graph.updates) {
    update.state = place[at(update.state)];
    update.next.node = place[at(update.next.node)];
  }
}

std::int64_t bytes_of(const Type& type) {
  const auto shape = constant_shape(type.shape);
  check(shape.has_value(), "the shape {} is not constant", to_string(type.shape));
  return element_count(*shape) * traits(type.dtype).block_bytes;
}

}  // namespace lamina::pipeline
