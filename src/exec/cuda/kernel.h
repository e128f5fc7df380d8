// A generated CUDA kernel and what a host must know to launch it.
//
// Text: each kernel is one function
//   extern "C" __global__ void NAME(const T0* in0, ..., U0* out0, ..., LmSizes lm_sizes)
// behind the prelude (prelude.h). Inputs and outputs are dense and row-major; pointers are aligned
// as EmitContext says. Blocks have one dimension, and so has the grid.
#pragma once

#include <string>
#include <vector>

#include "exec/cuda/gpu_machine.h"
#include "graph/op_def.h"

namespace lamina::cuda {

struct Parameter {
  bool is_output = false;
  int index = 0;     // which input or output of the node
  std::string type;  // "const float"
};

struct Kernel {
  std::string name;  // made unique by the runtime when it clashes
  std::string text;  // with NAME in place of the function's name
  std::vector<Parameter> parameters;
  std::vector<std::string> sizes;  // named sizes, in the order of LmSizes
  Dim blocks = 1;
  int threads = 0;
  std::int64_t shared_bytes = 0;
};

struct EmitContext {
  NodeView node;
  std::vector<Type> outputs;
  GpuMachine machine;
  std::vector<int> alignments;  // of the inputs, in bytes; none: 16 each
};

// The kernels that compute a node, run in order. Throw kUnsupported that names the operator and
// what is missing, and kExhausted when a block needs more shared memory than the machine has.
std::vector<Kernel> emit_block(const EmitContext& context);  // emit_block.cc
std::vector<Kernel> emit_plain(const EmitContext& context);  // emit_plain.cc: without blocks
std::vector<Kernel> emit(const EmitContext& context);        // by the operator's kind

// The inner graph of a block node with what each step of its kernel computes as a thread node.
Graph block_threads(const EmitContext& context);  // emit_block.cc

// A whole translation unit: prelude and kernels under their names.
std::string translation_unit(const std::vector<Kernel>& kernels);

// The parameter list of a kernel over the context's inputs and outputs.
std::vector<Parameter> parameters_of(const EmitContext& context);
// "(const float* in0, float* out0, LmSizes lm_sizes)"
std::string parameter_text(const std::vector<Parameter>& parameters);

}  // namespace lamina::cuda
