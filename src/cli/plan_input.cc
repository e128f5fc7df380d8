// What is planned.
#include "cli/plan_input.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/check.h"

namespace lamina::cli {
namespace {

using namespace lamina::pipeline;

bool is_model(const std::string& path) {
  std::error_code ignored;  // what cannot be looked at cannot be read either: loading says so
  return path.ends_with(".lam") || path.ends_with(".onnx") ||
         std::filesystem::is_directory(path, ignored);
}

// A graph that training could begin with (lamina/train.h).
bool has_loss(const Graph& graph) {
  if (graph.outputs.empty()) return false;
  const Type& type = graph.type(graph.outputs[0].value);
  const bool samples = graph.sizes.size() == 1 && graph.sizes[0].name == train::kSamples;
  return samples && type.shape.empty() && type.dtype == DType::kF32;
}

PassTime costs(const PlanInputOptions& options, Json& report) {
  RunOptions run;
  run.threads = options.threads;
  if (options.profile) {
    require(options.machine.empty(), "--profile measures here: it has no use for --machine");
    report["costs"] = "measured";
    return measured(run);
  }
  const DeviceRates rates =
      options.machine.empty() ? this_device_rates(run) : load_device_rates(options.machine);
  report["costs"] = "modelled";
  report["machine"] = rates.name;
  return modelled(rates);
}

Computation of_graph(const PlanInputOptions& options, Json& report) {
  ModelOptions model;
  model.model = options.input;
  model.fix = options.fix;
  model.size = options.size;
  const Graph graph = load_model(model);
  const PassTime seconds = costs(options, report);
  if (has_loss(graph)) {
    report["input"] = "training graph";
    return graph_computation(train::Network{graph.name, graph, {}}, seconds, options.passes)
        .computation;
  }
  report["input"] = "model";
  fmt::print("{}: has no loss; each gradient is taken to cost what the forward pass does\n",
             options.input);
  return graph_computation(graph, seconds, options.passes).computation;
}

bool is_default(const NetworkOptions& options) {
  return to_json(options) == to_json(NetworkOptions());
}

}  // namespace

Computation load_plan_input(const PlanInputOptions& options, Json& report) {
  const auto names = network_names();
  const bool is_network = std::count(names.begin(), names.end(), options.input) > 0;
  require(is_network || is_default(options.network),
          "shapes such as --branches belong to named networks, and '{}' is none", options.input);
  if (is_network) {
    report["input"] = "network";
    const train::Network built = network(options.input, options.network);
    return graph_computation(built, costs(options, report), options.passes).computation;
  }
  if (is_model(options.input)) return of_graph(options, report);
  require(!options.profile, "'{}' has costs already: there is nothing to measure", options.input);
  report["input"] = "computation";
  return load_computation(options.input, options.profile_batch);
}

}  // namespace lamina::cli
