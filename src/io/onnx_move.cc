// ONNX operators that move elements: cutting, joining, repeating, padding.
#include <algorithm>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

Items concat(const OnnxCall& call) {
  const Item& first = call.in(0);
  std::vector<Item> items;
  for (std::size_t i = 0; i < call.count(); ++i) {
    require(call.in(i).dtype == first.dtype, "inputs of {} and {}", traits(first.dtype).name,
            traits(call.in(i).dtype).name);
    items.push_back(call.in(i));
  }
  return {call.b.concat(items, call.axis(call.integer("axis", 1), first.rank()))};
}

// Sizes of the parts: given, or equal parts (the last one smaller, from opset 18 on).
Dims split_sizes(const OnnxCall& call, const Dim& extent) {
  if (call.has(1) || call.has_attr("split")) return call.sizes(1, "split");
  const auto parts = static_cast<std::int64_t>(call.node.outputs.size());
  require(call.integer("num_outputs", parts) == parts, "num_outputs is not the number of outputs");
  if (!extent.is_constant()) {
    call.refuse("equal parts of the size {}: give it a value", extent.to_string());
  }
  const std::int64_t n = *extent.constant();
  require(call.has_attr("num_outputs") || n % parts == 0, "{} elements in {} equal parts", n,
          parts);
  const std::int64_t part = (n + parts - 1) / parts;
  Dims sizes;
  for (std::int64_t i = 0; i < parts; ++i) {
    sizes.push_back(std::clamp<std::int64_t>(n - i * part, 0, part));
  }
  return sizes;
}

Items split(const OnnxCall& call) {
  const Item& x = call.in(0);
  const int axis = call.axis(call.integer("axis", 0), x.rank());
  const Dims sizes = split_sizes(call, x.shape[static_cast<std::size_t>(axis)]);
  require(sizes.size() == call.node.outputs.size(), "{} parts for {} outputs", sizes.size(),
          call.node.outputs.size());
  return call.b.add_all("split", {x}, {{"axis", std::int64_t{axis}}, {"sizes", sizes}});
}

Items slice(const OnnxCall& call) {
  const Item& x = call.in(0);
  const Dims starts = call.sizes(1, "starts");
  const Dims ends = call.sizes(2, "ends");
  const std::vector<std::int64_t> axes = call.known_integers(3, "axes");
  const std::vector<std::int64_t> steps = call.known_integers(4, "steps");
  const bool listed = call.has(3) || call.has_attr("axes");
  require(starts.size() == ends.size() && starts.size() <= x.rank() &&
              (!listed || axes.size() == starts.size()) &&
              (!call.has(4) || steps.size() == starts.size()),
          "starts, ends, axes and steps of different lengths");
  Dims start(x.rank(), 0), size = x.shape, step(x.rank(), 1);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<std::size_t>(listed ? call.axis(axes[i], x.rank()) : i);
    const std::int64_t stride = call.has(4) ? steps[i] : 1;
    const SliceRange range = slice_range(call, x.shape[axis], starts[i], ends[i], stride);
    start[axis] = range.size == Dim(0) ? Dim(0) : range.start;
    size[axis] = range.size;
    step[axis] = stride;
  }
  if (size == x.shape && step == Dims(x.rank(), 1)) return {x};
  return {call.b.add("slice", {x}, {{"start", start}, {"size", size}, {"step", step}})};
}

Items tile(const OnnxCall& call) {
  const Item& x = call.in(0);
  const Dims repeats = call.sizes(1, "repeats");
  require(repeats.size() == x.rank(), "{} repeats for rank {}", repeats.size(), x.rank());
  return {call.b.add("tile", {x}, {{"repeats", repeats}})};
}

struct Padding {
  Dims low;
  Dims high;
};

Padding padding(const OnnxCall& call, std::size_t rank) {
  const Dims pads = call.sizes(1, call.has_attr("paddings") ? "paddings" : "pads");
  Padding out{Dims(rank, 0), Dims(rank, 0)};
  std::vector<int> axes;
  for (const std::int64_t axis : call.known_integers(3, "axes")) {
    axes.push_back(call.axis(axis, rank));
  }
  if (!call.has(3)) {
    for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int>(i));
  }
  require(pads.size() == 2 * axes.size(), "{} pads for {} axes", pads.size(), axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    out.low[static_cast<std::size_t>(axes[i])] = pads[i];
    out.high[static_cast<std::size_t>(axes[i])] = pads[axes.size() + i];
  }
  return out;
}

Items pad(const OnnxCall& call) {
  const Item& x = call.in(0);
  const Padding pads = padding(call, x.rank());
  const std::string mode = call.text("mode", "constant");
  if (mode != "constant") {
    return {call.b.add("extend", {x}, {{"low", pads.low}, {"high", pads.high}, {"mode", mode}})};
  }
  const double value =
      call.has(2) ? call.known(2, "constant_value").to_doubles().at(0) : call.real("value", 0.0);
  if (x.rank() == 0) return {x};
  return {call.b.add("pad", {x}, {{"low", pads.low}, {"high", pads.high}, {"value", value}})};
}

}  // namespace

std::span<const OnnxRule> onnx_move_rules() {
  static const OnnxRule rules[] = {
      {"Concat", concat, 4}, {"Split", split, 2}, {"Slice", slice}, {"Tile", tile, 6}, {"Pad", pad},
  };
  return rules;
}

}  // namespace lamina
