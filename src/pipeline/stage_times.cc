// Times of a plan's own passes in place of those of single operators.
#include <algorithm>

#include "pipeline/run/stage_program.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

// Seconds of the passes of a stage over one device's share of a micro-batch.
struct StageTimes {
  double forward = 0.0;
  double input_gradient = 0.0;
  double weight_gradient = 0.0;
};

double ratio(double part, double all) { return all > 0.0 ? part / all : 0.0; }

// What the costs of operators add up to.
StageTimes sum_of(const Computation& computation, const Stage& stage, double samples) {
  StageTimes sum;
  for (const int index : stage.operators) {
    const Operator& op = computation.operators[static_cast<std::size_t>(index)];
    const auto pass = [&](double rate) { return op.pass_s(rate, samples); };
    sum.forward += pass(op.forward_s);
    sum.input_gradient += pass(op.input_gradient_s);
    sum.weight_gradient += pass(op.weight_gradient_s);
  }
  return sum;
}

// Backward passes in one piece are shared out as the operators' costs say. Where forward passes run
// again, stage_costs() adds them.
StageTimes times_of(const StageProgram& program, const Stage& stage, const StageTimes& known,
                    const PassTime& seconds) {
  const auto time = [&](const PassProgram& pass) {
    return pass.graph.outputs.empty() && pass.graph.updates.empty() ? 0.0 : seconds(pass.graph);
  };
  StageTimes times{time(program.forward), time(program.input_gradient),
                   time(program.weight_gradient)};
  const double both = time(program.backward);
  const double share = ratio(known.input_gradient, known.input_gradient + known.weight_gradient);
  times.input_gradient += share * both;
  times.weight_gradient += (1.0 - share) * both;
  if (stage.recompute) {
    const double again = std::min(times.forward, times.input_gradient + times.weight_gradient);
    const double from_input = std::min(again, times.input_gradient);
    times.input_gradient -= from_input;
    times.weight_gradient -= again - from_input;
  }
  return times;
}

}  // namespace

Computation with_stage_times(const GraphComputation& network, const Plan& plan,
                             std::span<const std::string> frozen, const PassTime& seconds) {
  const PipelineProgram program = cut_stages(network, plan, frozen);
  Computation result = network.computation;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const Stage& stage = plan.stages[s];
    const double samples = stage.micro_batch / static_cast<double>(stage.devices.size());
    const StageTimes known = sum_of(network.computation, stage, samples);
    const StageTimes times = times_of(program.stages[s], stage, known, seconds);
    for (const int index : stage.operators) {
      Operator& op = result.operators[static_cast<std::size_t>(index)];
      const auto scale = [&](double& rate, double now, double before) {
        const double pass = op.pass_s(rate, samples);
        rate = ratio(pass, before) * now / samples;
      };
      scale(op.forward_s, times.forward, known.forward);
      scale(op.input_gradient_s, times.input_gradient, known.input_gradient);
      scale(op.weight_gradient_s, times.weight_gradient, known.weight_gradient);
      op.fixed_s = 0.0;
    }
  }
  return result;
}

}  // namespace lamina::pipeline
