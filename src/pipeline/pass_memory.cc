// Bytes of values and of what a pass holds while it runs.
#include "pipeline/pass_memory.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "graph/op_def.h"

namespace lamina::pipeline {
namespace {

std::size_t at(NodeId node) { return static_cast<std::size_t>(node); }

bool reads_rows(const Node& node, Value table) {
  const bool picks = node.op->name == "gather" || node.op->name == "embedding";
  return picks && node.inputs[0] == table && node.inputs[1] != table;
}

// Of an input that only look-ups read: the rows that they pick.
double read_bytes(const Graph& pass, Value input, const Sizes& sizes) {
  const double all = value_bytes(pass.type(input), sizes);
  double picked = 0.0;
  for (const Node& node : pass.nodes) {
    if (std::count(node.inputs.begin(), node.inputs.end(), input) == 0) continue;
    if (!reads_rows(node, input)) return all;
    picked += value_bytes(node.types[0], sizes);
  }
  return std::min(all, picked);
}

double node_bytes(const Node& node, const Sizes& sizes) {
  double sum = 0.0;
  for (const Type& type : node.types) sum += value_bytes(type, sizes);
  return sum;
}

// A walk over the nodes in order that knows what is alive.
class Liveness {
 public:
  Liveness(const Graph& graph, const Sizes& sizes) : graph_(graph), sizes_(sizes) {
    const std::size_t count = graph.nodes.size();
    root_.resize(count);
    last_reader_.resize(count);
    held_.resize(count, 0.0);
    for (std::size_t n = 0; n < count; ++n) {
      const Node& node = graph.nodes[n];
      root_[n] = node.op->name == "reshape" ? root_[at(node.inputs[0].node)] : n;
      for (const Value& v : node.inputs) last_reader_[root_[at(v.node)]] = n;
    }
    for (const Output& output : graph.outputs) outside_.insert(root_[at(output.value.node)]);
    for (const Input& input : graph.inputs) outside_.insert(at(input.node));
  }

  double peak() {
    double live = 0.0, most = 0.0;
    for (std::size_t n = 0; n < held_.size(); ++n) {
      if (outside_.contains(n) || root_[n] != n) continue;
      const std::set<std::size_t> ended = ended_by(n);
      live += claim(n, ended);
      most = std::max(most, live);
      for (const std::size_t root : ended) live -= held_[root];
    }
    return most;
  }

 private:
  std::set<std::size_t> ended_by(std::size_t n) const {
    std::set<std::size_t> ended;
    for (const Value& v : graph_.nodes[n].inputs) {
      const std::size_t root = root_[at(v.node)];
      if (last_reader_[root] == n && !outside_.contains(root)) ended.insert(root);
    }
    return ended;
  }

  // Gives a node its memory, that of an operand where it can be computed in place; returns what is
  // new.
  double claim(std::size_t n, const std::set<std::size_t>& ended) {
    const Node& node = graph_.nodes[n];
    held_[n] = node_bytes(node, sizes_);
    if (node.op->kind != Kind::kElementwise) return held_[n];
    for (const std::size_t root : ended) {
      if (held_[root] < held_[n]) continue;
      held_[n] = std::exchange(held_[root], 0.0);
      return 0.0;
    }
    return held_[n];
  }

  const Graph& graph_;
  const Sizes& sizes_;
  std::vector<std::size_t> root_;  // whose memory a node's value is in
  std::vector<std::size_t> last_reader_;
  std::vector<double> held_;
  std::set<std::size_t> outside_;
};

}  // namespace

double value_bytes(const Type& type, const Sizes& sizes) {
  const DTypeTraits& t = traits(type.dtype);
  return static_cast<double>(element_count(evaluate(type.shape, sizes))) / t.block_elements *
         t.block_bytes;
}

double boundary_bytes(const Graph& pass, const Sizes& sizes) {
  std::set<Value> outputs;
  double sum = 0.0;
  for (const Output& output : pass.outputs) {
    if (outputs.insert(output.value).second) sum += value_bytes(pass.type(output.value), sizes);
  }
  for (const Input& input : pass.inputs) {
    if (!outputs.contains({input.node, 0})) sum += read_bytes(pass, {input.node, 0}, sizes);
  }
  return sum;
}

double workspace_bytes(const Graph& pass, const Sizes& sizes) {
  return Liveness(pass, sizes).peak();
}

}  // namespace lamina::pipeline
