// What is planned.
#include "cli/plan_input.h"

#include <fmt/format.h>

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

struct Costs {
  PassTime seconds;
  PassOptions passes;
};

Costs costs(const PlanInputOptions& options, Json& report) {
  RunOptions run;
  run.threads = options.threads;
  if (options.profile) {
    require(options.machine.empty(), "--profile measures here: it has no use for --machine");
    report["costs"] = "measured";
    return {measured(run), options.passes};
  }
  const DeviceRates rates =
      options.machine.empty() ? this_device_rates(run) : load_device_rates(options.machine);
  report["costs"] = "modelled";
  report["machine"] = rates.name;
  PassOptions passes = options.passes;
  passes.packs = rates.packs;
  return {modelled(rates), passes};
}

PlanInput of_network(const train::Network& network, const PlanInputOptions& options, Json& report) {
  const auto [seconds, passes] = costs(options, report);
  return {graph_computation(network, seconds, passes), network.frozen, true};
}

PlanInput of_graph(const PlanInputOptions& options, Json& report) {
  ModelOptions model;
  model.model = options.input;
  model.fix = options.fix;
  model.size = options.size;
  const Graph graph = load_model(model);
  if (train::has_loss(graph)) {
    report["input"] = "training graph";
    train::Network network{graph.name, graph, {}};
    freeze(network, options.network.frozen);
    return of_network(network, options, report);
  }
  require(options.network.frozen.empty(), "--frozen: '{}' has no loss, nothing is trained",
          options.input);
  report["input"] = "model";
  fmt::print("{}: has no loss; each gradient is taken to cost what the forward pass does\n",
             options.input);
  const auto [seconds, passes] = costs(options, report);
  return {graph_computation(graph, seconds, passes), {}, false};
}

}  // namespace

PlanInput load_plan_input(const PlanInputOptions& options, Json& report) {
  const auto built = named_network(options.input, options.network);
  const bool is_model_file = !built && is_model(options.input);
  require(is_model_file || (options.fix.empty() && options.size.empty()),
          "--fix and --size belong to models, and '{}' is none", options.input);
  if (built) {
    report["input"] = "network";
    return of_network(*built, options, report);
  }
  if (is_model_file) return of_graph(options, report);
  require(options.network.frozen.empty(), "--frozen: '{}' has costs already", options.input);
  const PassOptions sizes;
  const bool measures = options.profile || options.threads != 0 || !options.machine.empty() ||
                        options.passes.small != sizes.small || options.passes.large != sizes.large;
  require(!measures, "'{}' has costs already: there is nothing to measure, nor a machine to model",
          options.input);
  report["input"] = "computation";
  if (!std::filesystem::exists(options.input)) {
    fail(ErrorCode::kNotFound, "'{}' is neither a file nor a network: these are {}", options.input,
         fmt::join(network_names(), ", "));
  }
  return {{{}, load_computation(options.input, options.profile_batch), {}}, {}, false};
}

}  // namespace lamina::cli
