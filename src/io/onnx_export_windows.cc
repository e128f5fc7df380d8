// Convolutions, poolings and sliding windows as ONNX.
#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "graph/windows.h"
#include "io/onnx_writer.h"

namespace lamina {
namespace {

Dim product(const Dims& dims) {
  return std::accumulate(dims.begin(), dims.end(), Dim(1),
                         [](const Dim& a, const Dim& b) { return a * b; });
}

std::int64_t known(const ExportCall& call, const Dim& dim) {
  if (const std::optional<std::int64_t> value = dim.constant()) return *value;
  call.refuse(fmt::format("{} must be a number in ONNX", dim.to_string()));
}

// strides, dilations, pads: `rank` numbers each, pads twice as many.
OnnxAttrs window_attributes(const ExportCall& call, std::size_t rank) {
  std::vector<std::int64_t> pads = call.numbers("pads_low", rank, 0);
  const std::vector<std::int64_t> high = call.numbers("pads_high", rank, 0);
  pads.insert(pads.end(), high.begin(), high.end());
  return {{"strides", onnx_integers(call.numbers("strides", rank, 1))},
          {"dilations", onnx_integers(call.numbers("dilations", rank, 1))},
          {"pads", onnx_integers(pads)}};
}

Wires conv(const ExportCall& call) {
  OnnxAttrs attrs = window_attributes(call, call.shape().size() - 2);
  attrs["group"] = onnx_integer(call.attrs().integer("groups"));
  return {call.w.add("Conv", call.inputs, attrs, call.out())};
}

// ONNX keeps channels second: they are moved there and back.
Wires conv_last(const ExportCall& call) {
  const auto rank = static_cast<std::int64_t>(call.shape().size());
  std::vector<std::int64_t> to_second = {0, rank - 1}, to_last = {0};
  for (std::int64_t axis = 1; axis + 1 < rank; ++axis) to_second.push_back(axis);
  for (std::int64_t axis = 2; axis < rank; ++axis) to_last.push_back(axis);
  to_last.push_back(1);
  OnnxAttrs attrs = window_attributes(call, static_cast<std::size_t>(rank) - 2);
  const bool depthwise = call.attrs().flag("depthwise");
  attrs["group"] = onnx_integer(depthwise ? known(call, call.shape().back()) : 1);
  const Wire x = call.w.transpose(call.inputs[0], to_second);
  Type type = call.out();
  for (std::size_t axis = 0; axis < to_second.size(); ++axis) {
    type.shape[axis] = call.out().shape[static_cast<std::size_t>(to_second[axis])];
  }
  return {call.w.transpose(call.w.add("Conv", {x, call.inputs[1]}, attrs, type), to_last)};
}

Wires conv_transpose(const ExportCall& call) {
  const std::size_t rank = call.shape().size() - 2;
  OnnxAttrs attrs = window_attributes(call, rank);
  attrs["group"] = onnx_integer(call.attrs().integer("groups"));
  attrs["output_padding"] = onnx_integers(call.numbers("output_padding", rank, 0));
  return {call.w.add("ConvTranspose", call.inputs, attrs, call.out())};
}

// x [n, g, c, ...] and w [g, o, c, ...] with the groups put among the channels.
Wires grouped_conv(const ExportCall& call) {
  const auto merged = [](const Dims& shape, std::size_t first) {
    Dims out(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(first));
    out.push_back(shape[first] * shape[first + 1]);
    out.insert(out.end(), shape.begin() + static_cast<std::ptrdiff_t>(first) + 2, shape.end());
    return out;
  };
  OnnxAttrs attrs = window_attributes(call, call.shape().size() - 3);
  attrs["group"] = onnx_integer(known(call, call.shape()[1]));
  const Wire x = call.w.reshape(call.inputs[0], merged(call.shape(), 1));
  const Wire filters = call.w.reshape(call.inputs[1], merged(call.shape(1), 0));
  const Wire y =
      call.w.add("Conv", {x, filters}, attrs, {call.out().dtype, merged(call.out().shape, 1), {}});
  return {call.w.reshape(y, call.out().shape)};
}

// The padding behind axis i that makes room for the last window; ceil_mode is written that way.
std::int64_t reached(const ExportCall& call, const Windows& w, std::size_t i, const Dim& extent) {
  const Dim end = (w.count[i] - Dim(1)) * Dim(w.stride[i]) + w.reach(i);
  const std::optional<std::int64_t> beyond = (end - extent - w.low[i]).constant();
  const std::int64_t high = known(call, w.high[i]);
  return beyond ? std::max(high, *beyond) : high;
}

// Pooling of ONNX wants two axes in front: all leading axes as one, and one channel.
struct PoolShape {
  Dims in;
  Dims out;
  OnnxAttrs attrs;
};

PoolShape pool_shape(const ExportCall& call) {
  const Windows w = pooling_windows(call.node);
  const std::size_t rank = w.rank();
  const std::size_t first = call.shape().size() - rank;
  const Dims leading(call.shape().begin(),
                     call.shape().begin() + static_cast<std::ptrdiff_t>(first));
  PoolShape pool{{product(leading), Dim(1)}, {product(leading), Dim(1)}, {}};
  std::vector<std::int64_t> pads;
  std::vector<std::int64_t> high;
  std::vector<std::int64_t> size;
  for (std::size_t i = 0; i < rank; ++i) {
    pool.in.push_back(call.shape()[first + i]);
    pool.out.push_back(w.count[i]);
    pads.push_back(known(call, w.low[i]));
    high.push_back(reached(call, w, i, call.shape()[first + i]));
    size.push_back(known(call, w.size[i]));
  }
  pads.insert(pads.end(), high.begin(), high.end());
  pool.attrs = {{"strides", onnx_integers(w.stride)},
                {"dilations", onnx_integers(w.dilation)},
                {"pads", onnx_integers(pads)},
                {"kernel_shape", onnx_integers(size)}};
  return pool;
}

Wires max_pool(const ExportCall& call) {
  if (!traits(call.out().dtype).is_float) call.refuse("ONNX pools floats only");
  const PoolShape pool = pool_shape(call);
  const Wire y = call.w.add("MaxPool", {call.w.reshape(call.inputs[0], pool.in)}, pool.attrs,
                            {call.out().dtype, pool.out, {}});
  return {call.w.reshape(y, call.out().shape)};
}

// A convolution with ones: ONNX has means only, which count padding in their own ways.
Wires sum_pool(const ExportCall& call) {
  if (!traits(call.out().dtype).is_float) call.refuse("ONNX pools floats only");
  const PoolShape pool = pool_shape(call);
  Dims window{1, 1};
  for (const Dim& dim : call.attrs().dims("window")) window.push_back(dim);
  const Shape shape = *constant_shape(window);
  const std::vector<double> ones(static_cast<std::size_t>(element_count(shape)), 1.0);
  const Wire filter = call.w.constant(Tensor::from_doubles(call.out().dtype, shape, ones));
  const Wire y = call.w.add("Conv", {call.w.reshape(call.inputs[0], pool.in), filter}, pool.attrs,
                            {call.out().dtype, pool.out, {}});
  return {call.w.reshape(y, call.out().shape)};
}

Wires avg_pool(const ExportCall& call) {
  const std::size_t rank = call.attrs().dims("window").size();
  const std::vector<std::int64_t> dilations = call.numbers("dilations", rank, 1);
  const bool dense = std::all_of(dilations.begin(), dilations.end(), [](auto d) { return d == 1; });
  if (!dense || call.attrs().flag("ceil_mode") || !traits(call.out().dtype).is_float) return {};
  PoolShape pool = pool_shape(call);
  pool.attrs.erase("dilations");  // since opset 19
  pool.attrs["count_include_pad"] = onnx_integer(call.attrs().flag("count_padding") ? 1 : 0);
  const Wire y = call.w.add("AveragePool", {call.w.reshape(call.inputs[0], pool.in)}, pool.attrs,
                            {call.out().dtype, pool.out, {}});
  return {call.w.reshape(y, call.out().shape)};
}

// Positions of the padded axis i that its windows cover, [count, size].
Tensor window_places(const ExportCall& call, const Windows& w, std::size_t i) {
  const std::int64_t count = known(call, w.count[i]);
  const std::int64_t size = known(call, w.size[i]);
  std::vector<std::int64_t> places;
  for (std::int64_t at = 0; at < count; ++at) {
    for (std::int64_t k = 0; k < size; ++k) {
      places.push_back(at * w.stride[i] + k * w.dilation[i]);
    }
  }
  return Tensor::from_integers(DType::kI64, {count, size}, places);
}

// Gathers the windows of one axis after the other, then moves the window axes behind the counts.
Wires unfold(const ExportCall& call) {
  const Windows w = pooling_windows(call.node);
  const std::size_t rank = w.rank();
  const std::size_t first = call.shape().size() - rank;
  Dims pads(2 * call.shape().size(), Dim(0));
  Dims padded = call.shape();
  for (std::size_t i = 0; i < rank; ++i) {
    pads[first + i] = w.low[i];
    pads[call.shape().size() + first + i] = reached(call, w, i, call.shape()[first + i]);
    padded[first + i] = padded[first + i] + w.low[i] + pads[call.shape().size() + first + i];
  }
  const DType dtype = call.out().dtype;
  Wire x = call.w.add(
      "Pad", {call.inputs[0], call.w.shape(pads), call.w.scalar(call.attrs().real("value"), dtype)},
      {}, {dtype, padded, {}});
  for (std::size_t i = rank; i-- > 0;) {
    Dims shape = x.type.shape;
    shape[first + i] = w.count[i];
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(first + i) + 1, w.size[i]);
    x = call.w.add("Gather", {x, call.w.constant(window_places(call, w, i))},
                   {{"axis", onnx_integer(static_cast<std::int64_t>(first + i))}},
                   {dtype, shape, {}});
  }
  std::vector<std::int64_t> order(first);
  std::iota(order.begin(), order.end(), 0);
  for (const std::size_t second : {std::size_t{0}, std::size_t{1}}) {
    for (std::size_t i = 0; i < rank; ++i) {
      order.push_back(static_cast<std::int64_t>(first + 2 * i + second));
    }
  }
  return {call.w.transpose(x, order)};
}

// Where every element of [windows..., window...] lies in the padded, flattened spatial axes.
std::vector<std::int64_t> folded_places(const ExportCall& call, const Windows& w,
                                        const std::vector<std::int64_t>& padded) {
  std::vector<std::int64_t> flat{0};
  const auto add_axis = [&](std::int64_t count, std::int64_t step) {
    std::vector<std::int64_t> longer;
    for (const std::int64_t base : flat) {
      for (std::int64_t k = 0; k < count; ++k) longer.push_back(base + k * step);
    }
    flat = std::move(longer);
  };
  std::vector<std::int64_t> stride(w.rank(), 1);
  for (std::size_t i = w.rank() - 1; i-- > 0;) stride[i] = stride[i + 1] * padded[i + 1];
  for (std::size_t i = 0; i < w.rank(); ++i) {
    add_axis(known(call, w.count[i]), w.stride[i] * stride[i]);
  }
  for (std::size_t i = 0; i < w.rank(); ++i) {
    add_axis(known(call, w.size[i]), w.dilation[i] * stride[i]);
  }
  return flat;
}

// Scatters into the padded tensor, then cuts the padding off.
Wires fold(const ExportCall& call) {
  const Dims& extents = call.attrs().dims("extents");
  const Windows w =
      read_windows(call.node, extents, call.attrs().dims("window"), call.attrs().flag("ceil_mode"));
  const std::size_t first = call.out().shape.size() - w.rank();
  Dims leading(call.out().shape.begin(),
               call.out().shape.begin() + static_cast<std::ptrdiff_t>(first));
  std::vector<std::int64_t> padded;
  Dims cut = Dims(2 * call.out().shape.size(), Dim(0));
  Dims wide = leading;
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const std::int64_t high = reached(call, w, i, extents[i]);
    padded.push_back(known(call, extents[i] + w.low[i]) + high);
    cut[first + i] = Dim(0) - w.low[i];
    cut[call.out().shape.size() + first + i] = -high;
    wide.push_back(padded.back());
  }
  const std::vector<std::int64_t> places = folded_places(call, w, padded);
  const Dims flat{product(leading), static_cast<std::int64_t>(places.size())};
  const Dims target{
      flat[0], std::accumulate(padded.begin(), padded.end(), std::int64_t{1}, std::multiplies<>())};
  const DType dtype = call.out().dtype;
  const Wire zeros = call.w.expand(call.w.scalar(0.0, dtype), target);
  const Wire sum = call.w.add(
      "ScatterElements",
      {zeros, call.w.expand(call.w.integers(places), flat), call.w.reshape(call.inputs[0], flat)},
      {{"axis", onnx_integer(1)}, {"reduction", onnx_text("add")}}, {dtype, target, {}});
  return {call.w.add("Pad",
                     {call.w.reshape(sum, wide), call.w.shape(cut), call.w.scalar(0.0, dtype)}, {},
                     call.out())};
}

}  // namespace

std::span<const OnnxExportRule> onnx_window_exports() {
  static const OnnxExportRule rules[] = {
      {"conv", conv},
      {"conv_last", conv_last},
      {"conv_transpose", conv_transpose},
      {"grouped_conv", grouped_conv},
      {"max_pool", max_pool},
      {"sum_pool", sum_pool},
      {"avg_pool", avg_pool},
      {"unfold", unfold},
      {"fold", fold},
  };
  return rules;
}

}  // namespace lamina
