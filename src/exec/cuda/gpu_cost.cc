// Counts and rates.
#include "exec/cuda/gpu_cost.h"

#include <algorithm>
#include <cmath>

#include "graph/work.h"

namespace lamina::cuda {
namespace {

double bytes_of(const Type& type, const Sizes& sizes) {
  return static_cast<double>(element_count(evaluate(type.shape, sizes)) *
                             traits(type.dtype).block_bytes);
}

// What one block loads and stores, as tiles. Loads that the loop does not move are read once.
double bytes_of_a_block(const Graph& block, const Attrs& attrs, const Sizes& sizes) {
  const Dims& loop = attrs.dims("loop");
  const double iterations = loop.empty() ? 1.0 : static_cast<double>(loop[0].evaluate(sizes));
  double bytes = 0.0;
  for (const Node& node : block.nodes) {
    if (op_name(node) == "load") {
      const bool moves = node.attrs.integer("loop") >= 0;
      bytes += bytes_of(node.types[0], sizes) * (moves ? iterations : 1.0);
    } else if (op_name(node) == "store") {
      const bool moves = node.attrs.integer("loop") >= 0;
      bytes += bytes_of(block.type(node.inputs[0]), sizes) * (moves ? iterations : 1.0);
    }
  }
  return bytes;
}

// The kernel that combines the parts of a split loop has inputs that only the first one loads.
bool is_read(const Node& node, std::size_t input) {
  if (op_name(node) != "block") return true;
  const Graph& block = node.graphs[0];
  return std::any_of(block.nodes.begin(), block.nodes.end(), [&](const Node& inner) {
    return std::any_of(inner.inputs.begin(), inner.inputs.end(),
                       [&](const Value& value) { return value.node == block.inputs[input].node; });
  });
}

double flops_of(const Graph& graph, const Node& node, const Sizes& sizes) {
  Graph alone;
  alone.sizes = graph.sizes;
  std::vector<Value> inputs;
  for (const Value& v : node.inputs) inputs.push_back(alone.add_input("x", graph.type(v)));
  alone.add(op_name(node), inputs, node.attrs, "y", node.graphs);
  return count_flops(alone, sizes);
}

}  // namespace

KernelWork work_of(const lower::Lowered& lowered, const Node& node, const Kernel& kernel,
                   const Sizes& sizes) {
  KernelWork work;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (is_read(node, i)) work.unique_bytes += bytes_of(lowered.graph.type(node.inputs[i]), sizes);
  }
  for (const Type& type : node.types) work.unique_bytes += bytes_of(type, sizes);
  work.blocks = static_cast<double>(kernel.blocks.evaluate(sizes));
  work.flops = flops_of(lowered.graph, node, sizes);
  work.tensor_cores = kernel.text.find("LmBf16") != std::string::npos ||
                      kernel.text.find("LmF16") != std::string::npos ||
                      kernel.text.find("LmTf32") != std::string::npos;
  work.tile_bytes = work.unique_bytes;
  if (op_name(node) == "block") {
    work.tile_bytes = work.blocks * bytes_of_a_block(node.graphs[0], node.attrs, sizes);
  } else if (op_name(node) == "matmul") {
    // One thread an element: every product reads two numbers from the caches.
    work.tile_bytes = work.flops / 2.0 * 2.0 * traits(node.types[0].dtype).block_bytes;
  }
  return work;
}

double seconds_of(const KernelWork& work, const GpuMachine& machine) {
  const double waves = std::ceil(work.blocks / machine.multiprocessors);
  const double filled = work.blocks / (std::max(1.0, waves) * machine.multiprocessors);
  const double memory = work.unique_bytes / machine.bytes_per_second;
  const double caches = work.tile_bytes / machine.cache_bytes_per_second;
  const double arithmetic =
      work.flops / (work.tensor_cores ? machine.flops_16bit : machine.flops_f32);
  // Memory is busy with fewer multiprocessors than arithmetic needs: half of them are enough.
  const double memory_share = std::min(1.0, 2.0 * filled);
  return machine.launch_seconds +
         std::max({memory / std::max(memory_share, 1e-3), caches / std::max(filled, 1e-3),
                   arithmetic / std::max(filled, 1e-3)});
}

double seconds_of(const GraphKernels& code, const GpuMachine& machine, const Sizes& sizes) {
  double total = 0.0;
  for (const auto& [s, kernel] : code.kernels) {
    const lower::Step& step = code.lowered.steps[s];
    if (step.at_load) continue;
    const Node& node = code.lowered.graph.nodes[static_cast<std::size_t>(step.node)];
    total += seconds_of(work_of(code.lowered, node, kernel, sizes), machine);
  }
  return total;
}

}  // namespace lamina::cuda
