// Kernels of chains (exec/lower/fuse.h).
#pragma once

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// Throws kUnsupported for nodes that are no chains.
Kernel emit_chain(const EmitContext& context);

}  // namespace lamina::cpu
