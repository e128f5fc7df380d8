// The window attributes of ONNX's convolutions and poolings, as Lamina writes them.
#pragma once

#include <vector>

#include "io/onnx_rules.h"

namespace lamina {

struct OnnxWindows {
  Dims size;
  Dims strides;
  Dims dilations;
  Dims low;  // padding
  Dims high;
  bool ceil_mode = false;

  // strides, dilations, pads_low, pads_high
  Attrs attrs() const;
  // window and ceil_mode too
  Attrs pooling_attrs() const;
};

// Windows over the spatial axes (2, 3, ...) of `x`; auto_pad is resolved. `size` is the attribute
// kernel_shape, or when it is absent the spatial shape of the filters.
OnnxWindows read_onnx_windows(const OnnxCall& call, const Dims& x_shape, const Dims& filter_shape);
// The attribute `name` with one entry for each spatial axis, 1 or 0 when it is absent.
Dims per_spatial_axis(const OnnxCall& call, std::string_view name, std::size_t rank,
                      std::int64_t fallback);

}  // namespace lamina
