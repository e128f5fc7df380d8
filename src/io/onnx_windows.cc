// kernel_shape, strides, dilations, pads and auto_pad.
#include "io/onnx_windows.h"

#include <algorithm>

namespace lamina {
namespace {

// The padding with which there are ceil(extent / stride) windows.
Dim same_padding(const OnnxCall& call, const Dim& extent, const Dim& stride, const Dim& reach) {
  if (stride == Dim(1)) return reach - Dim(1);
  if (!extent.is_constant() || !stride.is_constant() || !reach.is_constant()) {
    call.refuse("auto_pad with a stride over the size {}: give it a value", extent.to_string());
  }
  const std::int64_t n = *extent.constant();
  const std::int64_t step = *stride.constant();
  const std::int64_t last = (n + step - 1) / step - 1;
  return std::max<std::int64_t>(last * step + *reach.constant() - n, 0);
}

void resolve_auto_pad(const OnnxCall& call, const Dims& x_shape, OnnxWindows& windows) {
  const std::string mode = call.text("auto_pad", "NOTSET");
  if (mode == "NOTSET" || mode == "VALID") {
    if (mode == "VALID") windows.low = windows.high = Dims(windows.size.size(), 0);
    return;
  }
  require(mode == "SAME_UPPER" || mode == "SAME_LOWER", "auto_pad '{}'", mode);
  for (std::size_t i = 0; i < windows.size.size(); ++i) {
    const Dim reach = (windows.size[i] - Dim(1)) * windows.dilations[i] + Dim(1);
    const Dim total = same_padding(call, x_shape[2 + i], windows.strides[i], reach);
    const Dim half = floor_div(total, 2);
    windows.low[i] = mode == "SAME_UPPER" ? half : total - half;
    windows.high[i] = total - windows.low[i];
  }
}

}  // namespace

Dims per_spatial_axis(const OnnxCall& call, std::string_view name, std::size_t rank,
                      std::int64_t fallback) {
  const std::vector<std::int64_t> values = call.integers(name);
  if (values.empty()) return Dims(rank, fallback);
  require(values.size() == rank, "{} has {} entries for {} spatial axes", name, values.size(),
          rank);
  return {values.begin(), values.end()};
}

Attrs OnnxWindows::attrs() const {
  return {{"strides", strides}, {"dilations", dilations}, {"pads_low", low}, {"pads_high", high}};
}

Attrs OnnxWindows::pooling_attrs() const {
  Attrs all = attrs();
  all.set("window", size);
  all.set("ceil_mode", ceil_mode);
  return all;
}

OnnxWindows read_onnx_windows(const OnnxCall& call, const Dims& x_shape, const Dims& filter_shape) {
  require(x_shape.size() >= 3, "expected at least one spatial axis in {}", to_string(x_shape));
  const std::size_t rank = x_shape.size() - 2;
  OnnxWindows windows;
  if (call.has_attr("kernel_shape") || filter_shape.size() < 2) {
    require(call.has_attr("kernel_shape"), "the attribute 'kernel_shape' is missing");
    windows.size = per_spatial_axis(call, "kernel_shape", rank, 1);
  } else {
    windows.size = {filter_shape.begin() + 2, filter_shape.end()};
  }
  require(
      filter_shape.size() < 2 || windows.size == Dims(filter_shape.begin() + 2, filter_shape.end()),
      "kernel_shape {} but filters {}", to_string(windows.size), to_string(filter_shape));
  windows.strides = per_spatial_axis(call, "strides", rank, 1);
  windows.dilations = per_spatial_axis(call, "dilations", rank, 1);
  const Dims pads = per_spatial_axis(call, "pads", 2 * rank, 0);
  windows.low = {pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank)};
  windows.high = {pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end()};
  windows.ceil_mode = call.integer("ceil_mode", 0) != 0;
  resolve_auto_pad(call, x_shape, windows);
  return windows;
}

}  // namespace lamina
