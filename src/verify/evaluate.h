// Graphs as functions of all their inputs, over any number type.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "graph/interpret.h"

namespace lamina {

// The outputs, then the next value of each state, in the order of the inputs; a state without an
// update keeps its value.
template <class Domain>
std::vector<Array<typename Domain::Number>> evaluate(
    const Graph& graph, Domain& domain, std::vector<Array<typename Domain::Number>> inputs,
    const Sizes& sizes) {
  std::vector<Array<typename Domain::Number>> states;
  std::vector<std::size_t> updates;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    if (graph.inputs[i].role != Role::kState) continue;
    const auto update =
        std::find_if(graph.updates.begin(), graph.updates.end(),
                     [&](const Update& u) { return u.state == graph.inputs[i].node; });
    updates.push_back(static_cast<std::size_t>(update - graph.updates.begin()));
    states.emplace_back();
    if (update == graph.updates.end()) states.back() = inputs[i];
  }
  auto result = Interpreter<Domain>(domain).run(graph, std::move(inputs), sizes);
  auto values = std::move(result.outputs);
  for (std::size_t k = 0; k < states.size(); ++k) {
    const bool kept = updates[k] == graph.updates.size();
    values.push_back(std::move(kept ? states[k] : result.next_states[updates[k]]));
  }
  return values;
}

// Names for the values of evaluate(): "y", "next h".
inline std::vector<std::string> value_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Output& output : graph.outputs) names.push_back(output.name);
  for (const Input& input : graph.inputs) {
    if (input.role != Role::kState) continue;
    names.push_back("next " + graph.nodes[static_cast<std::size_t>(input.node)].name);
  }
  return names;
}

}  // namespace lamina
