// Kernels of convolutions of channels-last tensors (docs/design/convolution.md).
#pragma once

#include "exec/cpu/conv_epilogue.h"

namespace lamina::cpu {

// The kernel of a convolution, or of a block of one and what follows it; nothing for other nodes.
std::optional<Kernel> emit_convolution(const EmitContext& context);

// emit_conv.cc: every filter sums over all channels.
Kernel emit_conv(const EmitContext& context, const ConvSource& source);
// emit_depthwise.cc: every channel has a filter of its own.
Kernel emit_depthwise(const EmitContext& context, const ConvSource& source);

// The filters as panels [tap..., channel][panel]; declares `packed`.
std::string request_filters(const EmitContext& context, const ConvSource& source, Kernel& kernel);

}  // namespace lamina::cpu
