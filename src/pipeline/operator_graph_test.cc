// Operators cut out of a network: run one after the other, forward and backward, they are the
// network and its gradient; and what depends on what stays as it was.
#include "pipeline/operator_graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "lamina/bench.h"
#include "lamina/nn.h"

using namespace lamina;
using namespace lamina::pipeline;

namespace {

const std::string& node_name(const Graph& graph, NodeId node) {
  return graph.nodes[static_cast<std::size_t>(node)].name;
}

std::string value_name(const Graph& graph, Value v) {
  const std::string& name = node_name(graph, v.node);
  return v.output == 0 ? name : name + "." + std::to_string(v.output);
}

// Runs a graph on inputs that it finds by name; gives its outputs by name.
NamedTensors run(const Graph& graph, const NamedTensors& known) {
  std::vector<Tensor> inputs;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kWeight) continue;
    REQUIRE_MESSAGE(known.count(node_name(graph, input.node)) == 1, node_name(graph, input.node));
    inputs.push_back(known.at(node_name(graph, input.node)));
  }
  const std::vector<Tensor> outputs = compile(graph, find_device("ref"))->run(inputs);
  NamedTensors result;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    result[graph.outputs[i].name] = outputs[i];
  }
  return result;
}

void add(NamedTensors& sums, const std::string& name, const Tensor& part) {
  const auto [entry, is_new] = sums.try_emplace(name, part);
  if (is_new) return;
  std::vector<double> total = entry->second.to_doubles();
  const std::vector<double> more = part.to_doubles();
  for (std::size_t i = 0; i < total.size(); ++i) total[i] += more[i];
  entry->second = Tensor::from_doubles(part.dtype(), part.shape(), total);
}

// A training step, operator by operator.
class Step {
 public:
  Step(const Grouping& grouping, NamedTensors data)
      : grouping_(grouping), operators_(operator_graphs(grouping)), values_(std::move(data)) {}

  // Gradients of all weights, "grad_<name>".
  NamedTensors run_all() {
    std::vector<Passes> passes;
    for (const OperatorGraph& op : operators_) passes.push_back(make_passes(op, wanted_of(op)));
    std::vector<NamedTensors> kept;
    for (std::size_t i = 0; i < operators_.size(); ++i) {
      kept.push_back(run(passes[i].forward, values_));
      for (const Value& v : operators_[i].sent) {
        const std::string name = value_name(grouping_.graph, v);
        values_[name] = kept.back().at(name);
      }
    }
    arrived_["grad_" + loss()] = Tensor::from_doubles(DType::kF32, {}, std::vector{1.0});
    for (std::size_t i = operators_.size(); i-- > 0;) backward(operators_[i], passes[i], kept[i]);
    return arrived_;
  }

 private:
  std::string loss() const { return value_name(grouping_.graph, grouping_.graph.outputs[0].value); }

  bool has_reader(Value v) const {
    return std::any_of(operators_.begin(), operators_.end(), [&](const OperatorGraph& op) {
      return std::count(op.received.begin(), op.received.end(), v) > 0;
    });
  }

  Wanted wanted_of(const OperatorGraph& op) const {
    const Graph& graph = grouping_.graph;
    const auto is_float = [&](Value v) { return traits(graph.type(v).dtype).is_float; };
    Wanted wanted;
    for (const Value& v : op.received) {
      if (is_float(v)) wanted.received.push_back(value_name(graph, v));
    }
    for (const Input& input : op.graph.inputs) {
      if (input.role == Role::kWeight) {
        wanted.weights.push_back(node_name(op.graph, input.node));
      }
    }
    for (const Value& v : op.sent) {
      const std::string name = value_name(graph, v);
      if (is_float(v) && (has_reader(v) || name == loss())) wanted.sent.push_back(name);
    }
    return wanted;
  }

  void backward(const OperatorGraph& op, const Passes& passes, const NamedTensors& kept) {
    NamedTensors known = values_;
    for (const std::string& name : passes.kept) known[name] = kept.at(name);
    for (const Value& v : op.sent) {
      const std::string name = value_name(grouping_.graph, v);
      if (arrived_.count("grad_" + name) == 1) known["seed_" + name] = arrived_["grad_" + name];
    }
    const NamedTensors all = run(passes.backward, known);
    if (!passes.input_gradient.outputs.empty()) {
      for (const auto& [name, value] : run(passes.input_gradient, known)) {
        CHECK(all.at(name).to_doubles() == value.to_doubles());
      }
    }
    for (const auto& [name, value] : all) add(arrived_, name, value);
  }

  const Grouping& grouping_;
  std::vector<OperatorGraph> operators_;
  NamedTensors values_;   // of the whole graph, by name
  NamedTensors arrived_;  // gradients
};

void check_step(const Graph& network) {
  const Graph graph = fill_weights(bind_sizes(network, {{"N", 2}}), 1);
  std::vector<Value> weights;
  NamedTensors data;
  const std::vector<Tensor> inputs = random_inputs(graph, {}, 2);
  std::size_t next = 0;
  for (const Input& input : graph.inputs) {
    if (input.role == Role::kWeight) {
      weights.push_back({input.node, 0});
    } else {
      data[node_name(graph, input.node)] = inputs[next++];
    }
  }
  const std::vector<Tensor> want =
      compile(gradient(graph, weights), find_device("ref"))->run(inputs);
  const Grouping grouping = group_nodes(graph, {});
  const NamedTensors got = Step(grouping, data).run_all();
  for (std::size_t w = 0; w < weights.size(); ++w) {
    const std::string name = node_name(graph, weights[w].node);
    CAPTURE(name);
    REQUIRE(got.count("grad_" + name) == 1);
    const std::vector<double> a = got.at("grad_" + name).to_doubles();
    const std::vector<double> b = want[graph.outputs.size() + w].to_doubles();
    double largest = 1e-9;
    for (const double x : b) largest = std::max(largest, std::fabs(x));
    for (std::size_t i = 0; i < b.size(); ++i) REQUIRE(std::fabs(a[i] - b[i]) <= 1e-5 * largest);
  }
}

// A random graph of products, activations and sums of values [3, 4], in which everything is used.
Graph random_dag(Rng& rng) {
  Graph graph;
  const auto pick = [&](std::size_t below) { return rng.bits() % below; };
  std::vector<Value> values = {graph.add_input("x", {DType::kF32, {3, 4}, {}})};
  const Value mask = graph.add("relu", {graph.add_input("m", {DType::kF32, {3, 4}, {}})});
  for (int i = 0; i < 25; ++i) {
    const Value a = values[values.size() - 1 - pick(std::min<std::size_t>(values.size(), 6))];
    const Value b = values[pick(values.size())];
    switch (pick(5)) {
      case 0:
      case 1:
        values.push_back(
            graph.add("matmul", {a, graph.add_input("w" + std::to_string(i),
                                                    {DType::kF32, {4, 4}, {}}, Role::kWeight)}));
        break;
      case 2:
        values.push_back(graph.add("add", {a, b}));
        break;
      case 3:
        values.push_back(graph.add("tanh", {a}));
        break;
      default:
        values.push_back(graph.add("mul", {a, mask}));
        break;
    }
  }
  graph.add_output("y", values.back());
  graph.add_output("z", values[values.size() / 2]);
  return graph;
}

// from -> to: whether a path leads there.
std::vector<std::vector<bool>> paths(std::size_t count, const std::vector<Edge>& edges) {
  std::vector<std::vector<bool>> reaches(count, std::vector<bool>(count, false));
  for (std::size_t n = count; n-- > 0;) {
    for (const Edge& edge : edges) {
      if (edge.from != static_cast<int>(n)) continue;
      const auto to = static_cast<std::size_t>(edge.to);
      reaches[n][to] = true;
      for (std::size_t m = 0; m < count; ++m) {
        if (reaches[to][m]) reaches[n][m] = true;
      }
    }
  }
  return reaches;
}

}  // namespace

TEST_CASE("operators one after the other, forward and backward, are a training step") {
  check_step(network("mmt", {.small = true, .branches = 2, .layers = 1, .tokens = 4}).graph);
  check_step(network("dlrm", {.small = true, .branches = 2, .layers = 1, .tables = 2}).graph);
  check_step(network("candle-uno", {.small = true, .branches = 3}).graph);
  check_step(network("decoder", {.small = true, .layers = 2, .tokens = 6, .tied = true}).graph);
  check_step(network("resnet", {.small = true, .image = 8}).graph);
}

TEST_CASE("random graphs: products depend on each other exactly as before") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const Grouping grouping = group_nodes(random_dag(rng), {});
    const Graph& graph = grouping.graph;
    validate(graph);
    std::vector<Edge> node_edges, edges;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const Value& v : graph.nodes[n].inputs) {
        node_edges.push_back({v.node, static_cast<int>(n)});
        const int from = grouping.operators[static_cast<std::size_t>(v.node)];
        const int to = grouping.operators[n];
        REQUIRE(from <= to);
        if (from >= 0 && from < to) edges.push_back({from, to});
      }
    }
    const auto of_nodes = paths(graph.nodes.size(), node_edges);
    const auto of_operators = paths(grouping.seeds.size(), edges);
    for (std::size_t a = 0; a < grouping.seeds.size(); ++a) {
      for (std::size_t b = a + 1; b < grouping.seeds.size(); ++b) {
        const auto from = static_cast<std::size_t>(grouping.seeds[a]);
        const auto to = static_cast<std::size_t>(grouping.seeds[b]);
        CHECK(of_operators[a][b] == of_nodes[from][to]);
      }
    }
  }
}
