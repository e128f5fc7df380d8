// For tests: a random network with a plan that can run, and what the reference makes of it.
#pragma once

#include <cstring>
#include <optional>
#include <vector>

#include "lamina/error.h"
#include "pipeline/run/random_training_for_test.h"
#include "pipeline/run/reference_step.h"

namespace lamina::pipeline::test {

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

// A network, a plan for it, and all that runs need.
struct Trial {
  train::Network network;
  GraphComputation computation;
  Cluster cluster;
  Plan plan;
  PipelineProgram program;
  Schedule schedule;
  NamedTensors parameters;
  UpdateOptions update;

  PipelineJob job() const {
    return {computation, plan, schedule, program, "ref", {.threads = 1}, update};
  }
};

// nullopt: the plan cannot run as it is.
inline std::optional<Trial> make_trial(const RandomPlanOptions& options, Rng& rng) {
  Trial trial;
  trial.network = RandomNetwork(rng, options.bf16).make(static_cast<int>(rng.integer(4, 12)));
  trial.computation = node_operators(trial.network);
  trial.plan = random_stages(trial.computation, options, rng);
  trial.cluster = uniform_cluster(options.ranks, 1e9, {1e9, 1e-6}, options.ranks);
  try {
    trial.schedule = make_schedule(trial.computation.computation, trial.cluster, trial.plan);
  } catch (const Error&) {
    return std::nullopt;  // too few micro-batches in flight for stages that share devices
  }
  check_schedule(trial.computation.computation, trial.plan, trial.schedule);
  trial.program = cut_stages(trial.computation, trial.plan, trial.network.frozen);
  trial.parameters = train::initial_parameters(trial.network, 7);
  trial.update.optimizer.optimizer = rng.chance(0.5) ? "adamw" : "momentum";
  trial.update.optimizer.weight_decay = 0.01;
  trial.update.clip_norm = rng.chance(0.5) ? 0.05 : 0.0;
  trial.update.run.threads = 1;
  return trial;
}

struct Ran {
  std::vector<double> losses;
  std::vector<double> norms;
  NamedTensors parameters;
  NamedTensors gradients;
};

inline Ran run_reference(const Trial& trial, int steps) {
  const PipelineJob job = trial.job();
  ReferenceStep reference(job, trial.parameters);
  Ran ran;
  for (int step = 0; step < steps; ++step) {
    const StepResult result =
        reference.step([&](const Samples& s) { return random_inputs(step, s.begin, s.end); }, 0.05);
    ran.losses.push_back(result.loss);
    ran.norms.push_back(result.gradient_norm);
  }
  ran.parameters = reference.parameters();
  ran.gradients = reference.gradients();
  return ran;
}

}  // namespace lamina::pipeline::test
