// The kernels of one node in emulation, compared with the reference device: for tests.
#pragma once

#include <functional>

#include "exec/cpu/node_kernels_test.h"
#include "exec/cuda/emulation_test.h"
#include "exec/ref/ref_device.h"

namespace lamina::cuda {

using cpu::random_tensor;

// A GPU of sm_90 with the limits of the H100.
inline GpuMachine test_machine() { return load_gpu_machine("share/machines/h100.json"); }

inline std::vector<Kernel> emit_node(const Graph& graph, const GpuMachine& machine) {
  const Node& node = graph.node(graph.outputs.at(0).value);
  std::vector<Type> types;
  return emit({view(graph, node, types), node.types, machine, {}});
}

// Runs the kernels of the node behind output 0 on all of its inputs. `conflicts`: of banks, by
// ldmatrix.
inline std::vector<Tensor> run_node(const Graph& graph, const std::vector<Kernel>& kernels,
                                    const std::vector<Tensor>& inputs, const Sizes& sizes,
                                    unsigned seed, long* conflicts = nullptr) {
  const Node& node = graph.node(graph.outputs[0].value);
  std::vector<Tensor> outputs;
  for (const Type& type : node.types) outputs.emplace_back(type.dtype, evaluate(type.shape, sizes));
  const Emulator emulator(kernels);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    std::vector<const void*> pointers;
    for (const Parameter& p : kernels[k].parameters) {
      const auto i = static_cast<std::size_t>(p.index);
      pointers.push_back(p.is_output ? outputs[i].data() : inputs[i].data());
    }
    std::array<long, 16> values{};
    for (std::size_t i = 0; i < kernels[k].sizes.size(); ++i) {
      values[i] = sizes.find(kernels[k].sizes[i])->second;
    }
    std::vector<void*> arguments;
    for (const void*& pointer : pointers) arguments.push_back(&pointer);
    arguments.push_back(values.data());
    CHECK(emulator.launch(k, arguments.data(), kernels[k].blocks.evaluate(sizes), seed));
  }
  if (conflicts != nullptr) *conflicts = emulator.bank_conflicts();
  return outputs;
}

inline double tolerance_of(DType dtype) { return dtype == DType::kF32 ? 2e-5 : 0.01; }

// The node behind output 0, in emulation under two orders of the threads, and by the reference.
inline void compare(const Graph& graph, std::vector<Tensor> tensors = {}, const Sizes& sizes = {},
                    const std::function<void(GpuMachine&)>& change = {}) {
  Graph plain = graph;
  for (std::size_t i = 0; i < plain.inputs.size(); ++i) {
    const Type& type = graph.nodes[static_cast<std::size_t>(plain.inputs[i].node)].types[0];
    if (tensors.size() <= i) {
      tensors.push_back(
          random_tensor(type.dtype, evaluate(type.shape, sizes), static_cast<unsigned>(i) + 1));
    }
    plain.inputs[i].role = Role::kInput;
  }
  GpuMachine machine = test_machine();
  if (change) change(machine);
  const std::vector<Kernel> kernels = emit_node(graph, machine);
  const std::vector<Tensor> want = lamina::compile(plain, ref_device())->run(tensors);
  for (const unsigned seed : {1u, 2u}) {
    const std::vector<Tensor> got = run_node(graph, kernels, tensors, sizes, seed);
    for (std::size_t k = 0; k < want.size(); ++k) {
      INFO(kernels[0].text);
      CHECK(cpu::relative_error(got[k], want[k]) <= tolerance_of(want[k].dtype()));
    }
  }
}

}  // namespace lamina::cuda
