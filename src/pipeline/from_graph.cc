// The computation of a graph: what the passes of its operators take and keep.
#include "pipeline/from_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "exec/cpu/program_memory.h"
#include "graph/channels_last.h"
#include "graph/expression.h"
#include "graph/op_def.h"
#include "pipeline/computation_builder.h"
#include "pipeline/pass_memory.h"
#include "pipeline/run/extract.h"
#include "pipeline/run/stage_device.h"
#include "pipeline/run/stage_program.h"

namespace lamina::pipeline {
namespace {

// A step of AdamW over so many parameters (lamina/train.h).
Graph update_pass(std::int64_t parameters) {
  Graph graph;
  graph.name = "update";
  const Type type{DType::kF32, {parameters}, {}};
  const Value gradient = graph.add_input("gradient", type);
  const Expr g{&graph, gradient};
  const Value p = graph.add_state("parameter", type), m = graph.add_state("mean", type),
              v = graph.add_state("square", type);
  const Expr mean = 0.9 * Expr{&graph, m} + 0.1 * g;
  const Expr square = 0.999 * Expr{&graph, v} + 0.001 * g * g;
  const Expr step = mean / (call("sqrt", {square}) + 1e-8);
  graph.add_update(p, Expr{&graph, p} - 1e-3 * step);
  graph.add_update(m, mean);
  graph.add_update(v, square);
  return graph;
}

class TrainingBuilder : public ComputationBuilder {
 public:
  TrainingBuilder(const train::Network& network, const PassTime& seconds, const PassOptions& passes)
      : ComputationBuilder(network.graph, seconds, passes), network_(network) {}

  GraphComputation build() {
    start(network_.name);
    widen_parameters();
    const PipelineProgram small = cut(passes_.small, ScheduleKind::kOneF1B);
    const PipelineProgram large = cut(passes_.large, ScheduleKind::kOneF1B);
    const PipelineProgram split = cut(passes_.large, ScheduleKind::kSplit);
    const PipelineProgram split_small = cut(passes_.small, ScheduleKind::kSplit);
    for (std::size_t i = 0; i < boundaries_.size(); ++i) {
      Operator& op = made_.computation.operators[i];
      const StageProgram& program = large.stages[i];
      const double input_s = time(split.stages[i].input_gradient.graph);
      const double backward_s = time(program.backward.graph);
      set_times(op, {time(small.stages[i].forward.graph), time(program.forward.graph), input_s,
                     std::max(0.0, backward_s - input_s)});
      add_memory(op, {small.stages[i], split_small.stages[i]}, {program, split.stages[i]});
      op.workspace_bytes += passing_bytes(static_cast<int>(i));
      add_kept(program, i);
      op.split_bytes = split_bytes(split.stages[i]) / static_cast<double>(passes_.large);
      const std::int64_t trained = trained_parameters(i);
      if (trained > 0) op.update_s = time(update_pass(trained));
    }
    return finish();
  }

 private:
  // Parameters in bf16 count as f32, in which their gradients are added up. With f32 masters and
  // moments a parameter then has 18 bytes: 4 (2 + ratio).
  void widen_parameters() {
    for (std::size_t i = 0; i < boundaries_.size(); ++i) {
      for (const Value& v : boundaries_[i].weights) {
        if (graph().type(v).dtype != DType::kBF16) continue;
        made_.computation.operators[i].parameter_bytes += bytes(v);
        made_.computation.optimizer_ratio = 2.5;
      }
    }
  }

  std::int64_t trained_parameters(std::size_t i) const {
    std::int64_t count = 0;
    for (const Value& v : boundaries_[i].weights) {
      const auto& frozen = network_.frozen;
      const bool is_frozen =
          std::find(frozen.begin(), frozen.end(), graph().node(v).name) != frozen.end();
      const Type& type = graph().type(v);
      if (!is_frozen && traits(type.dtype).is_float)
        count += element_count(evaluate(type.shape, {}));
    }
    return count;
  }

  // Every operator as a stage of its own.
  PipelineProgram cut(std::int64_t samples, ScheduleKind schedule) const {
    Plan plan;
    plan.batch = static_cast<int>(samples);
    plan.schedule = schedule;
    for (int i = 0; i < static_cast<int>(boundaries_.size()); ++i) {
      plan.stages.push_back({{i}, {i}, plan.batch});
    }
    return cut_stages(made_, plan, network_.frozen);
  }

  const cpu::ProgramMemory& memory(const PassProgram& pass) {
    const auto [known, is_new] = memories_.try_emplace(structure_hash(pass.graph));
    if (is_new) known->second = cpu::program_memory(as_compiled(pass.graph));
    return known->second;
  }

  // The workspace of the pass that needs most, and the packs of all passes. What goes from operator
  // to operator of a stage lies in its workspace too: what this one sends and the gradients of what
  // it receives.
  struct Held {
    double workspace = 0.0;
    double packs = 0.0;
  };
  Held held(const StageProgram& program) {
    Held held;
    for (const PassProgram* pass : passes_of(program)) {
      if (pass->is_empty()) continue;
      double bytes = static_cast<double>(memory(*pass).arena);
      for (std::size_t k = 0; k < pass->outputs.size(); ++k) {
        const Port::Kind kind = pass->outputs[k].kind;
        if (kind != Port::Kind::kSent && kind != Port::Kind::kReceivedGradient) continue;
        bytes += value_bytes(pass->graph.type(pass->graph.outputs[k].value), {});
      }
      held.workspace = std::max(held.workspace, bytes);
      held.packs += static_cast<double>(memory(*pass).made_of_weights);
    }
    return held;
  }

  // Workspaces do not grow in proportion: gradients of weights are as large for one sample. One
  // sample's and so many shares of a large pass are never too little.
  struct BothKinds {
    const StageProgram& whole;
    const StageProgram& split;
  };
  void add_memory(Operator& op, const BothKinds& small, const BothKinds& large) {
    const Held least[] = {held(small.whole), held(small.split)};
    const Held most[] = {held(large.whole), held(large.split)};
    op.workspace_bytes =
        std::max(most[0].workspace, most[1].workspace) / static_cast<double>(passes_.large);
    op.fixed_bytes = std::max(least[0].workspace, least[1].workspace) +
                     (passes_.packs ? std::max(most[0].packs, most[1].packs) : 0.0);
  }

  // What goes from the input gradient to the weight gradient of a pass.
  static double split_bytes(const StageProgram& program) {
    double bytes = 0.0;
    const PassProgram& pass = program.weight_gradient;
    std::set<Port> made(program.input_gradient.outputs.begin(),
                        program.input_gradient.outputs.end());
    for (std::size_t i = 0; i < pass.inputs.size(); ++i) {
      const Port& port = pass.inputs[i];
      if (port.kind != Port::Kind::kSeed && !made.contains(port)) continue;
      bytes += value_bytes(pass.graph.type({pass.graph.inputs[i].node, 0}), {});
    }
    return bytes;
  }

  // Of a sample: what passes an operator by while it runs backward, from one behind it to one
  // before: gradients, and values that were computed again.
  double passing_bytes(int i) const {
    std::map<int, double> waiting;  // by producer
    for (const Edge& edge : made_.computation.edges) {
      if (edge.from < i && edge.to > i) {
        waiting[edge.from] = std::max(waiting[edge.from], edge.bytes);
      }
    }
    double sum = 0.0;
    for (const auto& [from, bytes] : waiting) sum += 2.0 * bytes;
    return sum;
  }

  // What is sent counts for the sender: on its way to another stage, or read backward, by the
  // sender or by a reader of the same stage.
  void add_kept(const StageProgram& program, std::size_t i) {
    const PassProgram& forward = program.forward;
    for (std::size_t k = 0; k < forward.outputs.size(); ++k) {
      if (forward.outputs[k].kind != Port::Kind::kKept) continue;
      made_.computation.operators[i].saved_bytes +=
          value_bytes(forward.graph.type(forward.graph.outputs[k].value), {}) /
          static_cast<double>(passes_.large);
    }
    for (const Value v : program.sent) made_.computation.operators[i].saved_bytes += bytes(v);
  }

  const train::Network& network_;
  std::map<GraphHash, cpu::ProgramMemory> memories_;
};

class InferenceBuilder : public ComputationBuilder {
 public:
  using ComputationBuilder::ComputationBuilder;

  GraphComputation build() {
    start(graph().name);
    for (std::size_t i = 0; i < boundaries_.size(); ++i) {
      Operator& op = made_.computation.operators[i];
      const Graph pass = forward(boundaries_[i]);
      const double forward_s = time(bind_sizes(pass, sizes(passes_.large)));
      set_times(op, {time(bind_sizes(pass, sizes(passes_.small))), forward_s, forward_s,
                     op.parameter_bytes > 0.0 ? forward_s : 0.0});
      for (const Node& node : pass.nodes) {
        if (node.op->name == "reshape" || node.inputs.empty()) continue;
        for (const Type& type : node.types) op.saved_bytes += value_bytes(type, sizes(1));
      }
      op.workspace_bytes = workspace_bytes(bind_sizes(pass, sizes(1)));
    }
    return finish();
  }

 private:
  Graph forward(const Boundary& boundary) const {
    std::set<Value> given = boundary.received;
    given.insert(boundary.data.begin(), boundary.data.end());
    given.insert(boundary.weights.begin(), boundary.weights.end());
    return extract(graph(), given, {boundary.sent.begin(), boundary.sent.end()}).graph;
  }
};

}  // namespace

GraphComputation graph_computation(const train::Network& network, const PassTime& seconds,
                                   const PassOptions& passes) {
  train::validate(network);
  // Stages run in the layout in which convolutions and their gradients are fast.
  std::optional<ChannelsLast> moved = channels_last(network.graph);
  if (!moved) return TrainingBuilder(network, seconds, passes).build();
  const train::Network last{network.name, std::move(moved->graph), network.frozen};
  return TrainingBuilder(last, seconds, passes).build();
}

GraphComputation graph_computation(const Graph& model, const PassTime& seconds,
                                   const PassOptions& passes) {
  validate(model);
  return InferenceBuilder(model, seconds, passes).build();
}

}  // namespace lamina::pipeline
