// Borders of operators, their names, edges between them, and their rates.
#include "pipeline/computation_builder.h"

#include <algorithm>

#include "base/check.h"
#include "graph/op_def.h"
#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

// The named size that counts samples: the only one, if any.
std::string samples_name(const Graph& graph) {
  std::string names;
  for (const SizeRange& size : graph.sizes) names += (names.empty() ? "" : ", ") + size.name;
  require(graph.sizes.size() <= 1,
          "graph '{}': all named sizes but that of samples need a value; there are {}", graph.name,
          names);
  return names;
}

std::vector<Boundary> boundaries(const Grouping& grouping) {
  std::vector<Boundary> result(grouping.seeds.size());
  const Graph& graph = grouping.graph;
  const auto owner = [&](Value v) { return grouping.operators[at(v.node)]; };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const int reader = grouping.operators[n];
    for (const Value& v : graph.nodes[n].inputs) {
      if (owner(v) == reader) continue;
      Boundary& own = result[static_cast<std::size_t>(reader)];
      const Input* input = graph.input(v.node);
      if (input == nullptr) {
        own.received.insert(v);
        result[static_cast<std::size_t>(owner(v))].sent.insert(v);
      } else {
        (input->role == Role::kWeight ? own.weights : own.data).insert(v);
      }
    }
  }
  const auto leaves = [&](Value v) {
    if (owner(v) >= 0) result[static_cast<std::size_t>(owner(v))].sent.insert(v);
  };
  for (const Output& output : graph.outputs) leaves(output.value);
  for (const Update& update : graph.updates) leaves(update.next);
  return result;
}

bool are_nested(const std::map<int, std::set<Value>>& read) {
  std::vector<const std::set<Value>*> sets;
  for (const auto& [to, values] : read) sets.push_back(&values);
  std::sort(sets.begin(), sets.end(), [](auto* a, auto* b) { return a->size() < b->size(); });
  for (std::size_t i = 1; i < sets.size(); ++i) {
    const auto &small = *sets[i - 1], &large = *sets[i];
    if (!std::includes(large.begin(), large.end(), small.begin(), small.end())) return false;
  }
  return true;
}

}  // namespace

ComputationBuilder::ComputationBuilder(const Graph& graph, const PassTime& seconds,
                                       const PassOptions& passes)
    : samples_(samples_name(graph)), seconds_(seconds), passes_(passes) {
  require(passes.small > 0 && passes.large > passes.small && passes.large <= INT32_MAX,
          "passes of {} and {} samples: expected a small and a larger number", passes.small,
          passes.large);
  Grouping grouping = group_nodes(graph, sizes(1));
  boundaries_ = boundaries(grouping);
  names_ = operator_names(grouping);
  made_.graph = std::move(grouping.graph);
  made_.operators = std::move(grouping.operators);
}

double ComputationBuilder::bytes(const std::set<Value>& values) const {
  double sum = 0.0;
  for (const Value& v : values) sum += bytes(v);
  return sum;
}

void ComputationBuilder::start(const std::string& name) {
  Computation& computation = made_.computation;
  computation.name = name;
  for (std::size_t i = 0; i < boundaries_.size(); ++i) {
    Operator& op = computation.operators.emplace_back();
    op.name = names_[i];
    op.parameter_bytes = bytes(boundaries_[i].weights);
    op.saved_bytes = bytes(boundaries_[i].data);
    add_edges(static_cast<int>(i));
  }
}

GraphComputation ComputationBuilder::finish() {
  validate(made_.computation);
  return std::move(made_);
}

double ComputationBuilder::time(const Graph& pass) {
  if (pass.outputs.empty() && pass.updates.empty()) return 0.0;
  const auto [known, is_new] = times_.try_emplace(structure_hash(pass), 0.0);
  if (is_new) known->second = seconds_(pass);
  return known->second;
}

void ComputationBuilder::set_times(Operator& op, const Times& times) const {
  const auto small = static_cast<double>(passes_.small);
  const auto large = samples_.empty() ? 1.0 : static_cast<double>(passes_.large);
  if (!samples_.empty()) {
    const double rate = std::max(0.0, times.forward - times.small_forward) / (large - small);
    op.fixed_s = std::max(0.0, times.forward - large * rate);
  }
  const auto rate = [&](double seconds) {
    // A pass that is shorter than the fixed time still takes some.
    constexpr double kLeast = 1e-3;
    return seconds <= 0.0 ? 0.0 : std::max(seconds - op.fixed_s, kLeast * seconds) / large;
  };
  op.forward_s = rate(times.forward);
  op.input_gradient_s = rate(times.input_gradient);
  op.weight_gradient_s = rate(times.weight_gradient);
}

// By the first weight that the seed reads, or any other node, or by the seed.
std::vector<std::string> ComputationBuilder::operator_names(const Grouping& grouping) const {
  std::vector<std::string> names;
  const Graph& graph = grouping.graph;
  for (std::size_t i = 0; i < grouping.seeds.size(); ++i) {
    const Node& seed = graph.nodes[at(grouping.seeds[i])];
    std::vector<Value> read = seed.inputs;
    read.insert(read.end(), boundaries_[i].weights.begin(), boundaries_[i].weights.end());
    const auto weight = std::find_if(read.begin(), read.end(), [&](const Value& v) {
      return boundaries_[i].weights.contains(v);
    });
    if (weight == read.end()) {
      names.push_back(fmt::format("{} {}", seed.op->name, seed.name));
      continue;
    }
    std::string name = graph.node(*weight).name;
    constexpr std::string_view kWeight = ".weight";
    if (name.ends_with(kWeight)) name.resize(name.size() - kWeight.size());
    names.push_back(std::move(name));
  }
  return names;
}

// Several tensors may go from one operator to another. A stage counts the largest edge of one
// producer: where readers' tensors are not within each other, every reader is given all.
void ComputationBuilder::add_edges(int from) {
  std::map<int, std::set<Value>> read;
  for (std::size_t to = 0; to < boundaries_.size(); ++to) {
    for (const Value& v : boundaries_[to].received) {
      if (made_.operators[at(v.node)] == from) read[static_cast<int>(to)].insert(v);
    }
  }
  std::set<Value> all;
  for (const auto& [to, values] : read) all.insert(values.begin(), values.end());
  const bool nested = are_nested(read);
  for (const auto& [to, values] : read) {
    made_.computation.edges.push_back({from, to, bytes(nested ? values : all)});
  }
}

}  // namespace lamina::pipeline
