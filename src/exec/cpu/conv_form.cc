// Reads a convolution from the attributes and types of its node.
#include "exec/cpu/conv_form.h"

#include <algorithm>

#include "exec/cpu/emit_common.h"
#include "graph/windows.h"

namespace lamina::cpu {

Dim ConvForm::rows() const {
  Dim count = batch;
  for (const ConvAxis& axis : axes) count = count * axis.count;
  return count;
}

std::int64_t ConvForm::taps() const {
  std::int64_t count = 1;
  for (const ConvAxis& axis : axes) count *= axis.size;
  return count;
}

std::optional<ConvForm> conv_form(const NodeView& node) {
  if (node.op.name != "conv_last") return std::nullopt;
  const Dims& x = node.inputs[0].shape;
  const Dims& w = node.inputs[1].shape;
  const auto known = [](const Dim& dim) { return dim.is_constant(); };
  if (!known(x.back()) || !std::all_of(w.begin(), w.end(), known)) return std::nullopt;
  const Windows windows =
      read_windows(node, {x.begin() + 1, x.end() - 1}, {w.begin() + 2, w.end()});
  if (!std::all_of(windows.low.begin(), windows.low.end(), known)) return std::nullopt;
  ConvForm form{
      node.attrs.flag("depthwise"), x.back().constant_part(), w[0].constant_part(), x[0], {}};
  for (std::size_t i = 0; i < windows.rank(); ++i) {
    const Dim last =
        (windows.count[i] - Dim(1)) * Dim(windows.stride[i]) - windows.low[i] + windows.reach(i);
    const std::int64_t low = windows.low[i].constant_part();
    form.axes.push_back({x[1 + i], windows.count[i], windows.stride[i], windows.dilation[i], low,
                         windows.size[i].constant_part(),
                         low <= 0 && never_negative(x[1 + i] - last)});
  }
  return form;
}

}  // namespace lamina::cpu
