// A generated kernel and what the runtime must know to run it: the seam between the emitters (one
// per operator kind, and one for block graphs) and the CPU runtime.
//
// Text: each kernel is one function
//   extern "C" void NAME(const LmCall* call, long begin, long end)
// that runs tasks [begin, end). `LmCall` and the lm_* functions come from the prelude (prelude.h),
// which is put before the kernels of a translation unit. Tasks write disjoint parts of the outputs
// and may run in any order on any thread; what a task computes does not depend on how tasks are
// grouped, so results never depend on the number of threads.
//   struct LmCall { void* const* buffers; const long* sizes; char* scratch; };
// buffers: in the order of Kernel::buffers; sizes: the values of Kernel::sizes; scratch: private
// to the calling thread, 64-byte aligned, Kernel::scratch_bytes long.
#pragma once

#include <string>
#include <vector>

#include "graph/op_def.h"

namespace lamina::cpu {

// What the generated code may use; decided at run time from the processor.
struct Target {
  int vector_bytes = 32;      // 16 (NEON, SSE), 32 (AVX2), 64 (AVX-512)
  bool has_bf16_dot = false;  // AVX-512 BF16
  bool has_int8_dot = false;  // AVX-512 VNNI
  std::int64_t l1_bytes = 32 << 10;
  std::int64_t l2_bytes = 512 << 10;

  int lanes(int element_bytes) const { return vector_bytes / element_bytes; }
};

// A constant operand that the runtime repacks once, at load: element (b, k, n) of the operand,
// found by `access` over the loops batch..., k..., n... (numbered in that order), goes to panel
// n / panel, row k, column n % panel; missing columns and rows are zero. Panels of one b are
// contiguous: [batch][ceil(N / panel)][ceil(K / interleave)][panel][interleave].
struct PackRequest {
  int input = 0;  // which input of the node
  Access access;
  Dims batch;
  Dims k;
  Dims n;
  int panel = 16;
  int interleave = 1;
  DType dtype = DType::kF32;  // of the packed elements
};

struct BufferUse {
  enum class Kind { kInput, kOutput, kPacked };
  Kind kind = Kind::kInput;
  int index = 0;  // which input, output, or entry of Kernel::packs
};

struct Kernel {
  std::string name;  // of the function; made unique by the runtime when it clashes
  std::string text;  // with NAME in place of the function's name
  std::vector<BufferUse> buffers;
  std::vector<std::string> sizes;  // named sizes, in the order of LmCall::sizes
  std::vector<PackRequest> packs;
  Dim tasks = 1;
  Dim scratch_bytes = 0;  // per thread
};

// False when the text of a kernel only declares its pointer to the input, as where the kernel
// reads packed elements instead.
bool reads_input(const Kernel& kernel, int input);

// What an emitter is told about a node beyond its NodeView.
struct EmitContext {
  NodeView node;
  std::vector<Type> outputs;
  std::vector<bool> constant_inputs;  // weights whose elements are known at load
  Target target;
};

// One emitter per kind. Each returns the kernels that run, in order, to compute the node (nearly
// always one). They throw kUnsupported, naming what is missing, rather than emit something slow in
// silence. All operands are dense row-major.
std::vector<Kernel> emit_elementwise(const EmitContext& context);  // emit_elementwise.cc
std::vector<Kernel> emit_reduce(const EmitContext& context);       // emit_reduce.cc
std::vector<Kernel> emit_contract(const EmitContext& context);     // emit_contract.cc
std::vector<Kernel> emit_move(const EmitContext& context);         // emit_move.cc
std::vector<Kernel> emit_order(const EmitContext& context);        // emit_order.cc
std::vector<Kernel> emit_block(const EmitContext& context);        // emit_block.cc

// By the emitter of the node's kind.
std::vector<Kernel> emit(const EmitContext& context);  // emit.cc

// A Dim as C++ text over `sizes[i]` of the call (names listed in `sizes`; new ones are appended).
std::string dim_text(const Dim& dim, std::vector<std::string>& sizes);

}  // namespace lamina::cpu
