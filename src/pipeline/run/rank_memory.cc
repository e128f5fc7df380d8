// Bytes by looking at programs.
#include "pipeline/run/rank_memory.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "exec/cpu/program_memory.h"
#include "graph/simplify.h"
#include "pipeline/run/edges.h"
#include "pipeline/run/extract.h"
#include "pipeline/run/stage_device.h"

namespace lamina::pipeline {
namespace {

double expected_bytes(const std::vector<Expected>& tensors) {
  double bytes = 0.0;
  for (const Expected& tensor : tensors) {
    bytes += static_cast<double>(element_count(tensor.shape)) * traits(tensor.dtype).block_bytes;
  }
  return bytes;
}

double input_bytes(const Graph& graph, std::size_t i) {
  return static_cast<double>(bytes_of(graph.type({graph.inputs[i].node, 0})));
}

class StageMemory {
 public:
  StageMemory(const GraphComputation& network, const Plan& plan, const PipelineProgram& program,
              std::size_t stage)
      : network_(network),
        plan_(plan),
        program_(program),
        own_(plan.stages[stage]),
        stage_(program.stages[stage]),
        edges_in_(program.graph.in[stage]),
        edges_out_(program.graph.out[stage]),
        passes_(
            {&stage_.forward, &stage_.backward, &stage_.input_gradient, &stage_.weight_gradient}) {}

  // Of the stage's weights, by name, and of the sums of their gradients.
  void add_parameters(std::map<std::string, double>& weights, double& sums) const {
    for (const PassProgram* pass : passes_) {
      for (std::size_t i = 0; i < pass->inputs.size(); ++i) {
        const Port& port = pass->inputs[i];
        if (port.kind != Port::Kind::kWeight) continue;
        const StageWeight& weight = stage_.weights[static_cast<std::size_t>(port.index)];
        const double bytes = input_bytes(pass->graph, i);
        if (weights.emplace(weight.name, bytes).second && weight.trained) sums += bytes;
      }
    }
  }

  double micro_batches() const {
    double bytes = own_.in_flight * kept();
    for (const int e : edges_in_) bytes += incoming(e, true) + outgoing(e, false);
    for (const int e : edges_out_) bytes += incoming(e, false) + outgoing(e, true);
    return bytes;
  }

  // Programs share one arena; each has its own packs.
  void add_programs(MemoryBound& bound) const {
    for (const PassProgram* pass : passes_) {
      if (pass->is_empty()) continue;
      const cpu::ProgramMemory memory = cpu::program_memory(as_compiled(pass->graph));
      bound.arena = std::max(bound.arena, static_cast<double>(memory.arena));
      bound.made_of_weights += static_cast<double>(memory.made_of_weights);
    }
  }

  // What the largest pass makes, and the data that it reads.
  double outputs() const {
    double most = 0.0;
    for (const PassProgram* pass : passes_) {
      double bytes = 0.0;
      for (const Output& output : pass->graph.outputs) {
        bytes += static_cast<double>(bytes_of(pass->graph.type(output.value)));
      }
      for (std::size_t i = 0; i < pass->inputs.size(); ++i) {
        if (pass->inputs[i].kind == Port::Kind::kData) bytes += input_bytes(pass->graph, i);
      }
      most = std::max(most, bytes);
    }
    return most;
  }

 private:
  // Of a micro-batch, from pass to pass: outputs and data that a later pass reads.
  double kept() const {
    std::map<Port, double> read;
    for (std::size_t k = 1; k < passes_.size(); ++k) {
      for (std::size_t i = 0; i < passes_[k]->inputs.size(); ++i) {
        read[passes_[k]->inputs[i]] = input_bytes(passes_[k]->graph, i);
      }
    }
    double bytes = 0.0;
    for (const auto& [port, size] : read) {
      const bool counts = port.kind == Port::Kind::kData || port.kind == Port::Kind::kSent ||
                          port.kind == Port::Kind::kKept ||
                          port.kind == Port::Kind::kReceivedGradient;
      if (counts) bytes += size;
    }
    return bytes;
  }

  double incoming(int edge, bool forward) const {
    const StageEdge& ends = program_.graph.edges[static_cast<std::size_t>(edge)];
    const Stage& sender = plan_.stages[static_cast<std::size_t>(forward ? ends.from : ends.to)];
    const double bytes = expected_bytes(expected(network_, program_, own_, edge, forward));
    return bytes * std::min(slots(plan_, sender, own_, forward), plan_.batch / own_.micro_batch);
  }

  // What was made for another stage and is on its way: of all that is in flight at the stage that
  // the tensors are from.
  double outgoing(int edge, bool forward) const {
    const StageEdge& ends = program_.graph.edges[static_cast<std::size_t>(edge)];
    const Stage& from = plan_.stages[static_cast<std::size_t>(ends.from)];
    const int samples = from.in_flight * from.micro_batch;
    const int micro_batches = (samples + own_.micro_batch - 1) / own_.micro_batch;
    return expected_bytes(expected(network_, program_, own_, edge, forward)) *
           std::min(micro_batches, plan_.batch / own_.micro_batch);
  }

  const GraphComputation& network_;
  const Plan& plan_;
  const PipelineProgram& program_;
  const Stage& own_;
  const StageProgram& stage_;
  const std::vector<int>& edges_in_;
  const std::vector<int>& edges_out_;
  std::array<const PassProgram*, 4> passes_;
};

}  // namespace

MemoryBound rank_memory(const GraphComputation& network, const Plan& plan,
                        const PipelineProgram& program, int rank) {
  MemoryBound bound;
  std::map<std::string, double> weights;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const std::vector<int>& devices = plan.stages[s].devices;
    if (std::count(devices.begin(), devices.end(), rank) == 0) continue;
    const StageMemory stage(network, plan, program, s);
    stage.add_parameters(weights, bound.parameters);
    bound.micro_batches += stage.micro_batches();
    stage.add_programs(bound);
    bound.outputs = std::max(bound.outputs, stage.outputs());
  }
  for (const auto& [name, bytes] : weights) bound.parameters += bytes;
  return bound;
}

}  // namespace lamina::pipeline
