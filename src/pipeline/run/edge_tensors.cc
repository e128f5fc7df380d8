// What follows from the network's nodes and the plan's stages, before anything is cut.
#include "pipeline/run/edge_tensors.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/check.h"
#include "graph/simplify.h"
#include "lamina/train.h"
#include "pipeline/index.h"
#include "pipeline/run/extract.h"

namespace lamina::pipeline {
namespace {

constexpr int kEverywhere = -1;

bool is_float(const Graph& graph, Value v) { return traits(graph.type(v).dtype).is_float; }

std::vector<bool> live_nodes(const Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  live[at(graph.outputs[0].value.node)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (!live[n]) continue;
    for (const Value v : graph.nodes[n].inputs) live[at(v.node)] = true;
  }
  return live;
}

bool is_trained(const Graph& graph, const Input& input, std::span<const std::string> frozen) {
  const std::string& name = graph.nodes[at(input.node)].name;
  return input.role == Role::kWeight && is_float(graph, {input.node, 0}) &&
         std::find(frozen.begin(), frozen.end(), name) == frozen.end();
}

std::vector<bool> trained_nodes(const Graph& graph, std::span<const std::string> frozen) {
  std::vector<bool> trained(graph.nodes.size(), false);
  for (const Input& input : graph.inputs) {
    trained[at(input.node)] = is_trained(graph, input, frozen);
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const Value v : graph.nodes[n].inputs) {
      if (trained[at(v.node)] && is_float(graph, v)) trained[n] = true;
    }
  }
  return trained;
}

std::vector<bool> useful_nodes(const Graph& graph) {
  std::vector<bool> useful(graph.nodes.size(), false);
  useful[at(graph.outputs[0].value.node)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (!useful[n]) continue;
    for (const Value v : graph.nodes[n].inputs) {
      if (is_float(graph, v)) useful[at(v.node)] = true;
    }
  }
  return useful;
}

std::vector<int> stages_of_nodes(const GraphComputation& network, const Plan& plan) {
  const std::vector<int> of_operator = stage_of_operators(network.computation, plan);
  std::set<Value> inputs;
  for (const Input& input : network.graph.inputs) inputs.insert({input.node, 0});
  const std::vector<bool> constant = independent_of(network.graph, inputs);
  std::vector<int> stages(network.graph.nodes.size(), kEverywhere);
  for (std::size_t n = 0; n < stages.size(); ++n) {
    const int op = network.operators.at(n);
    if (op >= 0 && !constant[n]) stages[n] = of_operator.at(static_cast<std::size_t>(op));
    check(stages[n] >= 0 || constant[n] || op_name(network.graph.nodes[n]) == "input",
          "node '{}' belongs to no operator", network.graph.nodes[n].name);
  }
  return stages;
}

// The multiple of N that the dimension is; 0: none of it.
std::int64_t multiple_of_samples(const Dim& dim) {
  if (dim.constant_part() != 0 || dim.terms().size() != 1) return 0;
  const Dim::Term& term = dim.terms()[0];
  const bool is_n = term.factors.size() == 1 && term.factors[0].kind == Dim::Factor::Kind::kSize &&
                    term.factors[0].name == train::kSamples;
  return is_n ? term.coefficient : 0;
}

EdgeTensor edge_tensor(const Graph& graph, Value value, bool gradient) {
  EdgeTensor tensor{value, -1, 0, gradient};
  const Dims& shape = graph.type(value).shape;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::int64_t rows = multiple_of_samples(shape[axis]);
    if (rows == 0) continue;
    if (tensor.axis >= 0) return {value, -1, 0, gradient};  // which of the two?
    tensor.axis = static_cast<int>(axis);
    tensor.rows = rows;
  }
  return tensor;
}

bool equal_shares(const Stage& a, const Stage& b) {
  return a.micro_batch == b.micro_batch && a.devices.size() == b.devices.size();
}

class TensorsOfEdges {
 public:
  TensorsOfEdges(const GraphComputation& network, const Plan& plan, const NodeAnalysis& analysis,
                 const StageGraph& graph)
      : network_(network), plan_(plan), analysis_(analysis), graph_(graph) {
    for (std::size_t e = 0; e < graph.edges.size(); ++e) {
      const StageEdge& edge = graph.edges[e];
      edges_[{edge.from, edge.to, edge.producer}] = e;
    }
  }

  std::vector<std::vector<EdgeTensor>> find() {
    std::vector<std::map<Value, bool>> values(graph_.edges.size());  // does a gradient come back?
    const Graph& graph = network_.graph;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const int to = analysis_.stage[n];
      if (!analysis_.live[n] || to < 0) continue;
      for (const Value v : graph.nodes[n].inputs) {
        const int from = analysis_.stage[at(v.node)];
        if (from < 0 || from == to) continue;
        bool& gradient = values[edge_of(from, to, v)][v];
        gradient |= analysis_.useful[n] && analysis_.trained[at(v.node)] && is_float(graph, v);
      }
    }
    std::vector<std::vector<EdgeTensor>> tensors(values.size());
    for (std::size_t e = 0; e < values.size(); ++e) {
      for (const auto& [value, gradient] : values[e]) {
        tensors[e].push_back(edge_tensor(graph, value, gradient));
        refuse_unequal(graph_.edges[e], tensors[e].back());
      }
    }
    return tensors;
  }

 private:
  std::size_t edge_of(int from, int to, Value v) const {
    const auto known = edges_.find({from, to, network_.operators[at(v.node)]});
    require(known != edges_.end(),
            "the computation has no edge for '{}', which goes from stage {} to stage {}",
            network_.graph.node(v).name, from, to);
    return known->second;
  }

  void refuse_unequal(const StageEdge& edge, const EdgeTensor& tensor) const {
    const Stage& from = plan_.stages[static_cast<std::size_t>(edge.from)];
    const Stage& to = plan_.stages[static_cast<std::size_t>(edge.to)];
    if (tensor.axis >= 0 || equal_shares(from, to)) return;
    fail(ErrorCode::kUnsupported,
         "'{}' goes from stage {} to stage {}, whose micro-batches or devices differ, and has no "
         "single axis of samples: {}",
         network_.graph.node(tensor.value).name, edge.from, edge.to,
         to_string(network_.graph.type(tensor.value)));
  }

  const GraphComputation& network_;
  const Plan& plan_;
  const NodeAnalysis& analysis_;
  const StageGraph& graph_;
  std::map<std::tuple<int, int, int>, std::size_t> edges_;
};

}  // namespace

NodeAnalysis analyse_nodes(const GraphComputation& network, const Plan& plan,
                           std::span<const std::string> frozen) {
  return {live_nodes(network.graph), trained_nodes(network.graph, frozen),
          useful_nodes(network.graph), stages_of_nodes(network, plan)};
}

std::vector<std::vector<EdgeTensor>> tensors_of_edges(const GraphComputation& network,
                                                      const Plan& plan,
                                                      const NodeAnalysis& analysis,
                                                      const StageGraph& graph) {
  return TensorsOfEdges(network, plan, analysis, graph).find();
}

}  // namespace lamina::pipeline
