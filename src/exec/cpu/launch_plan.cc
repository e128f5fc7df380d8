// Emission of steps and evaluation of plans.
#include "exec/cpu/launch_plan.h"

#include <algorithm>

#include "base/check.h"
#include "exec/binding.h"
#include "exec/cpu/host_steps.h"
#include "exec/lower/absorb.h"
#include "exec/lower/fuse.h"
#include "graph/simplify.h"

namespace lamina::cpu {
namespace {

using lower::Lowered;
using lower::Storage;

// Chains have code of their own; any other thread graph is expanded like all composites.
bool has_only_chains(const Graph& graph) {
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    std::vector<Type> types;
    return node.op->name != "thread" || lower::chain_of(view(graph, node, types));
  });
}

// Which operands are weights (or computed from weights) whose elements are there before a run.
std::vector<bool> constant_inputs(const Lowered& lowered, const lower::Step& step) {
  std::vector<bool> constant;
  const Node& node = lowered.graph.nodes[static_cast<std::size_t>(step.node)];
  for (const Value& v : node.inputs) {
    const auto kind = lowered.storages[static_cast<std::size_t>(lowered.place(v).storage)].kind;
    const bool known = kind == Storage::Kind::kWeight || kind == Storage::Kind::kLoaded;
    constant.push_back(known && !step.at_load && constant_shape(lowered.graph.type(v).shape));
  }
  return constant;
}

std::vector<Kernel> emit_step(const Lowered& lowered, const lower::Step& step,
                              const Target& target) {
  const Node& node = lowered.graph.nodes[static_cast<std::size_t>(step.node)];
  std::vector<Type> types;
  const NodeView seen = view(lowered.graph, node, types);
  return emit({seen, node.types, constant_inputs(lowered, step), target});
}

// Fills a plan.
class Planner {
 public:
  Planner(const Lowered& lowered, const Sizes& sizes) : lowered_(lowered) { plan_.sizes = sizes; }

  void add(const StepCode& code, int step) {
    const Node& node = node_of(step);
    if (code.kernels.empty()) plan_.launches.push_back({nullptr, step});
    for (const StepCode::Use& use : code.kernels) {
      const std::int64_t tasks = use.kernel.tasks.evaluate(plan_.sizes);
      if (tasks <= 0) continue;
      plan_.launches.push_back(
          {use.function, step, plan_.addresses.size(), plan_.size_values.size(), tasks});
      for (const BufferUse& buffer : use.kernel.buffers) add_address(node, step, use, buffer);
      for (const std::string& name : use.kernel.sizes) {
        plan_.size_values.push_back(Dim::size(name).evaluate(plan_.sizes));
      }
      plan_.scratch_bytes =
          std::max(plan_.scratch_bytes, use.kernel.scratch_bytes.evaluate(plan_.sizes));
    }
  }

  std::vector<ByteCopy> copies(const std::vector<lower::FinalCopy>& copies) const {
    std::vector<ByteCopy> result;
    for (const lower::FinalCopy& copy : copies) {
      const DType dtype = lowered_.storages[static_cast<std::size_t>(copy.to.storage)].dtype;
      result.push_back({address_of(lowered_, copy.from, plan_.sizes),
                        address_of(lowered_, copy.to, plan_.sizes),
                        copy.elements.evaluate(plan_.sizes) * traits(dtype).block_bytes});
    }
    return result;
  }

  LaunchPlan& plan() { return plan_; }

 private:
  const Node& node_of(int step) const {
    const NodeId id = lowered_.steps[static_cast<std::size_t>(step)].node;
    return lowered_.graph.nodes[static_cast<std::size_t>(id)];
  }

  void add_address(const Node& node, int step, const StepCode::Use& use, const BufferUse& buffer) {
    if (buffer.kind == BufferUse::Kind::kPacked) {
      plan_.addresses.push_back({use.first_pack + buffer.index});
      return;
    }
    const auto i = static_cast<std::size_t>(buffer.index);
    const NodeId id = lowered_.steps[static_cast<std::size_t>(step)].node;
    const Value value =
        buffer.kind == BufferUse::Kind::kInput ? node.inputs[i] : Value{id, buffer.index};
    plan_.addresses.push_back(address_of(lowered_, lowered_.place(value), plan_.sizes));
  }

  const Lowered& lowered_;
  LaunchPlan plan_;
};

}  // namespace

Lowered lower_graph(const Graph& graph) {
  const bool keep = has_only_chains(graph);
  const Graph simple = simplify(
      graph, [&](const OpDef& op) { return is_composite(op) && !(keep && op.name == "thread"); });
  Lowered lowered = lower::lower(lower::absorb_transposes(simple));
  for (Input& input : lowered.graph.inputs) input.value = Tensor();
  return lowered;
}

EmittedSteps emit_steps(const Lowered& lowered, const Target& target) {
  EmittedSteps emitted;
  int packs = 0;
  for (const lower::Step& step : lowered.steps) {
    const Node& node = lowered.graph.nodes[static_cast<std::size_t>(step.node)];
    StepCode code;
    // Constants are computed once: not worth a run of the compiler.
    const bool by_host = has_bodies(node) || (step.at_load && node.inputs.empty());
    try {
      if (!by_host) {
        for (Kernel& kernel : emit_step(lowered, step, target)) {
          const auto count = static_cast<int>(kernel.packs.size());
          code.kernels.push_back({std::move(kernel), nullptr, packs});
          packs += count;
        }
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      code.kernels.clear();
      emitted.fallback_ops.emplace_back(node.op->name);
    }
    emitted.steps.push_back(std::move(code));
  }
  return emitted;
}

Address address_of(const Lowered& lowered, const lower::Place& place, const Sizes& sizes) {
  const Storage& storage = lowered.storages[static_cast<std::size_t>(place.storage)];
  return {-1, place.storage, place.offset.evaluate(sizes) * traits(storage.dtype).block_bytes};
}

LaunchPlan plan_launches(const Lowered& lowered, const std::vector<StepCode>& code,
                         const Sizes& sizes, bool at_load) {
  Planner planner(lowered, sizes);
  for (std::size_t s = 0; s < lowered.steps.size(); ++s) {
    if (lowered.steps[s].at_load == at_load) planner.add(code[s], static_cast<int>(s));
  }
  LaunchPlan& plan = planner.plan();
  if (at_load) return std::move(plan);
  plan.arena = plan_storages(lowered, sizes);
  plan.output_copies = planner.copies(lowered.output_copies);
  plan.state_copies = planner.copies(lowered.state_copies);
  for (const Input* input : run_inputs(lowered.graph)) {
    const Node& node = lowered.graph.nodes[static_cast<std::size_t>(input->node)];
    plan.input_shapes.push_back(evaluate(node.types[0].shape, sizes));
  }
  for (const Output& output : lowered.graph.outputs) {
    plan.output_shapes.push_back(evaluate(lowered.graph.type(output.value).shape, sizes));
  }
  return std::move(plan);
}

}  // namespace lamina::cpu
