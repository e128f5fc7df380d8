// The thread graphs of every block of a graph, as the emitters of a target noted them.
#include "base/check.h"
#include "exec/cpu/target.h"
#include "exec/cpu/thread_graph.h"
#include "exec/cuda/kernel.h"
#include "graph/op_def.h"
#include "lamina/threads.h"

namespace lamina {
namespace {

constexpr std::string_view kCuda = "cuda:";

Graph threads_on_cpu(const Graph& graph, const Node& node) {
  std::vector<Type> types;
  cpu::EmitContext context{view(graph, node, types), node.types, {}, cpu::detect_target()};
  for (const Value& input : node.inputs) {
    const Input* outer = graph.input(input.node);
    context.constant_inputs.push_back(outer != nullptr && outer->role == Role::kWeight);
  }
  return cpu::block_threads(context);
}

Graph threads_on_gpu(const Graph& graph, const Node& node, const cuda::GpuMachine& machine) {
  std::vector<Type> types;
  return cuda::block_threads({view(graph, node, types), node.types, machine, {}});
}

}  // namespace

Graph with_thread_graphs(const Graph& graph, std::string_view target) {
  std::optional<cuda::GpuMachine> gpu;
  if (target.starts_with(kCuda)) {
    gpu = cuda::shipped_gpu_machine(target.substr(kCuda.size()));
  } else {
    require(target == "cpu", "'{}' has no thread graphs; \"cpu\" and \"cuda:sm_90\" have", target);
  }
  Graph result = graph;
  for (Node& node : result.nodes) {
    if (op_name(node) != "block") continue;
    try {
      node.graphs[0] = gpu ? threads_on_gpu(graph, node, *gpu) : threads_on_cpu(graph, node);
    } catch (const Error& error) {
      const bool none =
          error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kExhausted;
      if (!none) throw;
    }
  }
  validate(result);
  return result;
}

}  // namespace lamina
