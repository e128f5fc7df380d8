// Kernels of convolutions of channels-last tensors (docs/design/convolution.md).
#pragma once

#include <string_view>

#include "exec/cpu/conv_epilogue.h"

namespace lamina::cpu {

// The kernel of a convolution, or of a block of one and what follows it; nothing for other nodes.
std::optional<Kernel> emit_convolution(const EmitContext& context);

// emit_conv.cc: every filter sums over all channels.
Kernel emit_conv(const EmitContext& context, const ConvSource& source);
// emit_depthwise.cc: every channel has a filter of its own.
Kernel emit_depthwise(const EmitContext& context, const ConvSource& source);

// Text of a type whose objects, while they live, let the processor take subnormal numbers for zero.
// Trained filters of channels that have died are so small that their sums would be subnormal, which
// makes every multiply-add many times slower.
extern const std::string_view kFlush;

// The filters as panels [tap..., channel][panel] of `panel` filters; declares `packed`.
std::string request_filters(const ConvSource& source, int panel, Kernel& kernel);

}  // namespace lamina::cpu
