// Small pieces shared by the gradients and samples of the operator files.
#pragma once

#include "graph/op_def.h"

namespace lamina {

// `gradient` summed over the axes along which input `i` of the node was broadcast.
Value sum_to(const GradientView& node, Value gradient, int i);

// A dense f32 type, for samples.
Type f32(Dims shape);

}  // namespace lamina
