// Gradients of convolutions with channels last, as convolutions and sums of that layout.
#pragma once

#include <vector>

#include "graph/op_def.h"
#include "graph/windows.h"

namespace lamina {

struct ConvLast {
  Value x;       // [n, spatial..., c]
  Value filter;  // [o, c, window...]; depthwise: [c, 1, window...]
  Value grad;    // of the output
  bool depthwise = false;
};

// Of x and of the filter. `attrs` are those of the convolution.
std::vector<Value> conv_last_gradients(Graph& graph, const ConvLast& conv, const Windows& windows,
                                       const Attrs& attrs);

}  // namespace lamina
