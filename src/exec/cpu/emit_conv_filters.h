// Gradients of filters (conv_last_filters).
#pragma once

#include <optional>

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// Nothing for another operator, and where emit_contract.cc's general ways are as good: elements
// that are not f32, more than two spatial axes, sizes of windows or channels that are not known.
std::optional<Kernel> emit_conv_filters(const EmitContext& context);

}  // namespace lamina::cpu
