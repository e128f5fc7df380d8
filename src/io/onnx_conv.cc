// ONNX convolutions and poolings.
#include <algorithm>
#include <limits>
#include <numeric>

#include "io/onnx_windows.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

std::vector<Item> operands(const OnnxCall& call) {
  std::vector<Item> items{call.in(0), call.in(1)};
  require(items[0].dtype == items[1].dtype, "inputs of {} and {}", traits(items[0].dtype).name,
          traits(items[1].dtype).name);
  if (call.has(2)) items.push_back(call.in(2));
  return items;
}

Items conv(const OnnxCall& call) {
  Attrs attrs = read_onnx_windows(call, call.in(0).shape, call.in(1).shape).attrs();
  attrs.set("groups", call.integer("group", 1));
  return {call.b.add("conv", operands(call), attrs)};
}

// The padding of a transposed convolution follows from the wanted output shape, or from
// output = input * stride when auto_pad is SAME.
void fit_output(const OnnxCall& call, const Dims& x, OnnxWindows& windows, Dims& extra) {
  const std::string mode = call.text("auto_pad", "NOTSET");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  std::vector<std::int64_t> wanted = call.integers("output_shape");
  if (wanted.size() == x.size()) wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (wanted.empty() && !same) return;
  require(wanted.empty() || wanted.size() == windows.size.size(), "output_shape has {} entries",
          wanted.size());
  for (std::size_t i = 0; i < windows.size.size(); ++i) {
    const Dim reach = (windows.size[i] - Dim(1)) * windows.dilations[i] + Dim(1);
    const Dim output = wanted.empty() ? x[2 + i] * windows.strides[i] : Dim(wanted[i]);
    Dim total = (x[2 + i] - Dim(1)) * windows.strides[i] + extra[i] + reach - output;
    if (!total.is_constant()) call.refuse("an output shape over sizes: give them values");
    // A larger output than the windows cover gets zeros at its end.
    if (*total.constant() < 0) {
      extra[i] = extra[i] - total;
      total = 0;
    }
    const Dim half = floor_div(total, 2);
    windows.low[i] = mode == "SAME_UPPER" ? half : total - half;
    windows.high[i] = total - windows.low[i];
  }
}

Items conv_transpose(const OnnxCall& call) {
  const Dims& x = call.in(0).shape;
  OnnxWindows windows = read_onnx_windows(call, x, call.in(1).shape);
  Dims extra = per_spatial_axis(call, "output_padding", windows.size.size(), 0);
  fit_output(call, x, windows, extra);
  Attrs attrs = windows.attrs();
  attrs.set("groups", call.integer("group", 1));
  attrs.set("output_padding", extra);
  return {call.b.add("conv_transpose", operands(call), attrs)};
}

std::int64_t number(const OnnxCall& call, const Dim& dim) {
  if (!dim.is_constant())
    call.refuse("positions over the size {}: give it a value", dim.to_string());
  return *dim.constant();
}

// Where the windows lie in the row-major spatial axes: one row of positions per window; -1:
// outside.
struct Positions {
  std::vector<std::int64_t> at;
  std::int64_t windows = 1;
  std::int64_t elements = 1;  // of a window
};

Positions window_positions(const OnnxCall& call, const OnnxWindows& windows, const Dims& x,
                           const Dims& counts) {
  Positions result{{0}, 1, 1};
  for (std::size_t i = 0; i < windows.size.size(); ++i) {
    const std::int64_t extent = number(call, x[2 + i]);
    const std::int64_t size = number(call, windows.size[i]);
    const std::int64_t count = number(call, counts[2 + i]);
    const double total = static_cast<double>(result.windows * result.elements) *
                         static_cast<double>(count) * static_cast<double>(size);
    if (!(total < 1e7)) call.refuse("the places of {} elements of windows", total);
    std::vector<std::int64_t> next;
    for (std::int64_t w = 0; w < result.windows; ++w) {
      for (std::int64_t v = 0; v < count; ++v) {
        for (std::int64_t e = 0; e < result.elements; ++e) {
          const std::int64_t before = result.at[static_cast<std::size_t>(w * result.elements + e)];
          for (std::int64_t k = 0; k < size; ++k) {
            const std::int64_t place = v * number(call, windows.strides[i]) +
                                       k * number(call, windows.dilations[i]) -
                                       number(call, windows.low[i]);
            const bool inside = before >= 0 && place >= 0 && place < extent;
            next.push_back(inside ? before * extent + place : -1);
          }
        }
      }
    }
    result = {std::move(next), result.windows * count, result.elements * size};
  }
  return result;
}

// The places of the maxima: indices into the whole row-major input (column-major spatial axes when
// storage_order is 1).
Item max_indices(const OnnxCall& call, const OnnxWindows& windows, const Item& y) {
  const Item& x = call.in(0);
  OnnxBuilder& b = call.b;
  const Positions places = window_positions(call, windows, x.shape, y.shape);
  Dim spatial = 1;
  for (std::size_t i = 2; i < x.rank(); ++i) spatial = spatial * x.shape[i];
  const Item table = constant_item(
      Tensor::from_integers(DType::kI64, {places.windows, places.elements}, places.at));
  const Item flat = b.reshape(x, {x.shape[0], x.shape[1], spatial});
  const Item zero = OnnxBuilder::scalar(0, DType::kI64);
  const Item gathered = b.add("gather", {flat, b.add("max", {table, zero})}, {{"axis", 2}});
  const Item least = OnnxBuilder::scalar(
      traits(x.dtype).is_float ? -std::numeric_limits<double>::infinity() : -9e15, x.dtype);
  const Item seen = b.select(b.add("less", {table, zero}), least, gathered);
  const Item best = b.add("argmax", {seen}, {{"axis", 3}, {"keepdims", true}});
  const Item spread = b.broadcast(table, {x.shape[0], x.shape[1], places.windows, places.elements});
  Item index = b.add("gather_elements", {spread, best}, {{"axis", 3}});
  index = b.reshape(index, {x.shape[0], x.shape[1], places.windows});
  if (call.integer("storage_order", 0) != 0) {
    if (x.rank() != 4) call.refuse("storage_order 1 with {} spatial axes", x.rank() - 2);
    const Item width =
        OnnxBuilder::scalar(static_cast<double>(number(call, x.shape[3])), DType::kI64);
    const Item height =
        OnnxBuilder::scalar(static_cast<double>(number(call, x.shape[2])), DType::kI64);
    const Item row = b.add("div", {index, width});
    const Item column = b.add("mod", {index, width});
    index = b.add("add", {b.add("mul", {column, height}), row});
  }
  const Item plane = b.reshape(b.iota(x.shape[0] * x.shape[1]), {x.shape[0], x.shape[1], 1});
  const Item size = OnnxBuilder::scalar(static_cast<double>(number(call, spatial)), DType::kI64);
  return b.reshape(b.add("add", {index, b.add("mul", {plane, size})}), y.shape);
}

Items max_pool(const OnnxCall& call) {
  const OnnxWindows windows = read_onnx_windows(call, call.in(0).shape, {});
  const Item y = call.b.add("max_pool", {call.in(0)}, windows.pooling_attrs());
  if (!call.wants(1)) return {y};
  return {y, max_indices(call, windows, y)};
}

Items average_pool(const OnnxCall& call) {
  Attrs attrs = read_onnx_windows(call, call.in(0).shape, {}).pooling_attrs();
  attrs.set("count_padding", call.integer("count_include_pad", 0) != 0);
  return {call.b.add("avg_pool", {call.in(0)}, attrs)};
}

Items lp_pool(const OnnxCall& call) {
  Attrs attrs = read_onnx_windows(call, call.in(0).shape, {}).pooling_attrs();
  attrs.set("p", static_cast<double>(call.integer("p", 2)));
  return {call.b.add("lp_pool", {call.in(0)}, attrs)};
}

Items global_pool(const OnnxCall& call) {
  const Item& x = call.in(0);
  require(x.rank() >= 2, "expected at least rank 2, got {}", x.rank());
  if (x.rank() == 2) return {x};
  Dims axes;
  for (std::size_t i = 2; i < x.rank(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  const std::string_view op = call.node.op == "GlobalMaxPool" ? "reduce_max" : "mean";
  return {call.b.add(op, {x}, {{"axes", axes}, {"keepdims", true}})};
}

// The shape that max pooling had before; given an output_shape, zeros follow at the ends.
Items max_unpool(const OnnxCall& call) {
  const Item& x = call.in(0);
  const OnnxWindows windows = read_onnx_windows(call, x.shape, {});
  Dims shape{x.shape[0], x.shape[1]};
  for (std::size_t i = 0; i < windows.size.size(); ++i) {
    shape.push_back((x.shape[2 + i] - Dim(1)) * windows.strides[i] + windows.size[i] -
                    windows.low[i] - windows.high[i]);
  }
  Dim total = 1, given = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    total = total * shape[i];
    given = given * x.shape[i];
  }
  const Item zeros = call.b.filled(0.0, x.dtype, {total});
  const Item y = call.b.add(
      "scatter_elements", {zeros, call.b.reshape(call.in(1), {given}), call.b.reshape(x, {given})});
  const Item shaped = call.b.reshape(y, shape);
  if (!call.has(2)) return {shaped};
  Dims high = call.sizes(2, "output_shape");
  require(high.size() == shape.size(), "output_shape has {} entries", high.size());
  for (std::size_t i = 0; i < shape.size(); ++i) high[i] = high[i] - shape[i];
  return {call.b.add("pad", {shaped}, {{"high", high}})};
}

}  // namespace

std::span<const OnnxRule> onnx_conv_rules() {
  static const OnnxRule rules[] = {
      {"Conv", conv},
      {"ConvTranspose", conv_transpose},
      {"MaxPool", max_pool},
      {"AveragePool", average_pool},
      {"LpPool", lp_pool, 2},
      {"GlobalAveragePool", global_pool},
      {"GlobalMaxPool", global_pool},
      {"MaxUnpool", max_unpool},
  };
  return rules;
}

}  // namespace lamina
