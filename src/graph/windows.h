// Sliding windows over spatial axes: what convolutions and poolings share.
#pragma once

#include <vector>

#include "graph/op_def.h"

namespace lamina {

// Along spatial axis i, window w covers the elements w * stride + k * dilation - low, k < size.
struct Windows {
  Dims size;
  std::vector<std::int64_t> stride;
  std::vector<std::int64_t> dilation;
  Dims low;    // positions before the first element
  Dims high;   // positions after the last one
  Dims count;  // how many windows there are

  std::size_t rank() const { return size.size(); }
  // The positions from the first to the last that a window covers along axis i.
  Dim reach(std::size_t i) const { return (size[i] - Dim(1)) * Dim(dilation[i]) + Dim(1); }
  // The element of axis i that element `k` (a loop) of window `w` (a loop) covers.
  AxisIndex element(std::size_t i, int w, int k) const;
};

// The attributes strides, dilations, pads_low, pads_high: one entry per spatial axis; none: 1 or 0.
std::vector<AttrSpec> window_attrs();

// The windows of `size` over axes of the extents `spatial`. With `ceil_mode` a last window may
// reach beyond the padding, but must begin before the padding behind the last element.
Windows read_windows(const NodeView& node, const Dims& spatial, const Dims& size,
                     bool ceil_mode = false);

// The copy between the last axes of a tensor (operand or output) and its windows
// [leading..., windows..., window...]; `leading` are the axes in front.
struct WindowLoops {
  Dims extents;
  Access elements;
};
WindowLoops window_loops(const Dims& leading, const Windows& windows);

// Pooling over the last axes, as many as the attribute `window` lists; also: ceil_mode. Positions
// outside the tensor count as nothing.
OpDef pooling(std::string_view name, Kind kind);
LoopForm pooling_form(const NodeView& node);
Windows pooling_windows(const NodeView& node);

}  // namespace lamina
