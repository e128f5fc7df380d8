// Bytes by looking at programs.
#include "pipeline/run/rank_memory.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
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
        passes_(passes_of(stage_)) {}

  // Of the weights of a rank, by name, and of the sums of their gradients, which every stage has.
  void add_parameters(std::map<std::string, double>& weights, double& sums) const {
    std::set<int> summed;
    for (const PassProgram* pass : passes_) {
      for (std::size_t i = 0; i < pass->inputs.size(); ++i) {
        const Port& port = pass->inputs[i];
        if (port.kind != Port::Kind::kWeight) continue;
        const StageWeight& weight = stage_.weights[static_cast<std::size_t>(port.index)];
        const double bytes = input_bytes(pass->graph, i);
        weights.emplace(weight.name, bytes);
        const Type& type = pass->graph.type({pass->graph.inputs[i].node, 0});
        const double sum = bytes / traits(type.dtype).block_bytes * sizeof(float);
        if (weight.trained && summed.insert(port.index).second) sums += sum;
      }
    }
  }

  double micro_batches() const {
    double bytes = 0.0;
    for (const int e : edges_in_) bytes += incoming(e, true);
    for (const int e : edges_out_) bytes += incoming(e, false) + outgoing(e, true, 0);
    double most = 0.0;
    for (int in_flight = 0; in_flight <= own_.in_flight; ++in_flight) {
      double held = in_flight * kept();
      for (const int e : edges_in_) held += outgoing(e, false, in_flight);
      most = std::max(most, held);
    }
    return bytes + most;
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

  // What the forward pass has and no other keeps: the loss, and data that it alone reads. All else
  // that passes make is kept or goes over an edge.
  double outputs() const {
    const PassProgram& pass = stage_.forward;
    const std::map<Port, double> kept = read_later();
    double bytes = stage_.has_loss ? sizeof(float) : 0.0;
    for (std::size_t i = 0; i < pass.inputs.size(); ++i) {
      const Port& port = pass.inputs[i];
      if (port.kind == Port::Kind::kData && !kept.contains(port))
        bytes += input_bytes(pass.graph, i);
    }
    return bytes;
  }

 private:
  // By what passes behind the forward pass read.
  std::map<Port, double> read_later() const {
    std::map<Port, double> read;
    for (std::size_t k = 1; k < passes_.size(); ++k) {
      for (std::size_t i = 0; i < passes_[k]->inputs.size(); ++i) {
        read[passes_[k]->inputs[i]] = input_bytes(passes_[k]->graph, i);
      }
    }
    return read;
  }

  // Of a micro-batch, from pass to pass: outputs and data that a later pass reads.
  double kept() const {
    double bytes = 0.0;
    for (const auto& [port, size] : read_later()) {
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
  // the tensors are from. There is no gradient yet of what is in flight here, but of the
  // micro-batch whose pass runs; unless passes are split.
  double outgoing(int edge, bool forward, int in_flight) const {
    const StageEdge& ends = program_.graph.edges[static_cast<std::size_t>(edge)];
    const Stage& from = plan_.stages[static_cast<std::size_t>(ends.from)];
    const int samples = from.in_flight * from.micro_batch;
    const int all = std::min((samples + own_.micro_batch - 1) / own_.micro_batch,
                             plan_.batch / own_.micro_batch);
    const int without = forward || splits_backward(plan_) ? 0 : std::max(in_flight - 1, 0);
    return expected_bytes(expected(network_, program_, own_, edge, forward)) *
           std::max(all - without, 0);
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
