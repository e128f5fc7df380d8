// Convolutions of channels-last tensors (conv_last) as the kernels of emit_conv.cc see them.
#pragma once

#include <optional>
#include <vector>

#include "graph/op_def.h"

namespace lamina::cpu {

// One spatial axis: window w covers the elements w * stride + k * dilation - low, k < size.
struct ConvAxis {
  Dim extent;  // of x
  Dim count;   // of the output
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t low = 0;
  std::int64_t size = 1;
  bool within = false;  // certainly no window reaches outside of x
};

// x [batch, spatial..., channels], filters [filters, channels or 1, window...].
struct ConvForm {
  bool depthwise = false;
  std::int64_t channels = 0;
  std::int64_t filters = 0;
  Dim batch;
  std::vector<ConvAxis> axes;

  Dim rows() const;  // output elements of one filter
  std::int64_t taps() const;
};

// Nothing for another operator, and where channels, filters or windows have no known size.
std::optional<ConvForm> conv_form(const NodeView& node);

}  // namespace lamina::cpu
