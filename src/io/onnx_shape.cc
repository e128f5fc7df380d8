// ONNX operators that change the shape of a tensor, not its elements or their order in memory.
#include <algorithm>
#include <set>

#include "graph/kinds.h"
#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

Items shape_of(const OnnxCall& call) {
  const Dims& shape = call.in(0).shape;
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto bound = [&](std::string_view name, std::int64_t fallback) {
    const std::int64_t value = call.integer(name, fallback);
    return std::clamp<std::int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  const std::int64_t start = bound("start", 0);
  const std::int64_t end = std::max(start, bound("end", rank));
  return {sizes_item({shape.begin() + start, shape.begin() + end})};
}

Items size_of(const OnnxCall& call) {
  Dim total = 1;
  for (const Dim& dim : call.in(0).shape) total = total * dim;
  return {sizes_item({total}, 0)};
}

// -1 stands for what is left over; found here when the sizes are known.
Dims resolve_shape(const OnnxCall& call, Dims shape, const Dims& from) {
  Dim product = 1;
  std::optional<std::size_t> left_over;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == Dim(0) && call.integer("allowzero", 0) == 0) {
      require(i < from.size(), "axis {} copies from an input of rank {}", i, from.size());
      shape[i] = from[i];
    }
    if (shape[i] != Dim(-1)) {
      product = product * shape[i];
      continue;
    }
    require(!left_over, "two axes are -1 in {}", to_string(shape));
    left_over = i;
  }
  if (!left_over) return shape;
  Dim total = 1;
  for (const Dim& dim : from) total = total * dim;
  if (product == Dim(0)) {
    require(total == Dim(0), "cannot reshape {} to {}", to_string(from), to_string(shape));
    shape[*left_over] = 0;
  } else if (total.is_constant() && product.is_constant()) {
    shape[*left_over] = *total.constant() / *product.constant();
  }
  return shape;
}

Items reshape(const OnnxCall& call) {
  const Item& x = call.in(0);
  return {call.b.reshape(x, resolve_shape(call, call.sizes(1, "shape"), x.shape))};
}

Items flatten(const OnnxCall& call) {
  const Item& x = call.in(0);
  const auto rank = static_cast<std::int64_t>(x.rank());
  std::int64_t axis = call.integer("axis", 1);
  require(axis >= -rank && axis <= rank, "axis {} is outside a tensor of rank {}", axis, rank);
  if (axis < 0) axis += rank;
  Dims shape{1, 1};
  for (std::int64_t i = 0; i < rank; ++i) {
    Dim& part = shape[i < axis ? 0 : 1];
    part = part * x.shape[static_cast<std::size_t>(i)];
  }
  return {call.b.reshape(x, shape)};
}

std::set<int> axes_of(const OnnxCall& call, std::size_t rank) {
  std::set<int> axes;
  for (const std::int64_t axis : call.known_integers(1, "axes")) {
    require(axes.insert(call.axis(axis, rank)).second, "axis {} is listed twice", axis);
  }
  return axes;
}

Items squeeze(const OnnxCall& call) {
  const Item& x = call.in(0);
  const bool all = !call.has(1) && !call.has_attr("axes");
  const std::set<int> axes = axes_of(call, x.rank());
  Dims shape;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    const bool listed = axes.count(static_cast<int>(i)) != 0;
    if (listed) {
      require(x.shape[i] == Dim(1), "axis {} of {} has not size 1", i, to_string(x.shape));
    } else if (!all || x.shape[i] != Dim(1)) {
      shape.push_back(x.shape[i]);
    }
  }
  return {call.b.reshape(x, shape)};
}

Items unsqueeze(const OnnxCall& call) {
  const Item& x = call.in(0);
  const std::size_t added = call.known_integers(1, "axes").size();
  Dims shape = x.shape;
  // In ascending order, every axis is where it will be in the output.
  for (const int axis : axes_of(call, x.rank() + added)) shape.insert(shape.begin() + axis, 1);
  return {call.b.reshape(x, shape)};
}

Items transpose(const OnnxCall& call) {
  const Item& x = call.in(0);
  std::vector<int> order;
  for (const std::int64_t axis : call.integers("perm")) order.push_back(call.axis(axis, x.rank()));
  if (!call.has_attr("perm")) {
    for (std::size_t i = x.rank(); i-- > 0;) order.push_back(static_cast<int>(i));
  }
  std::set<int> distinct(order.begin(), order.end());
  require(order.size() == x.rank() && distinct.size() == x.rank(),
          "perm does not permute the axes of {}", to_string(x.shape));
  return {call.b.transpose(x, order)};
}

Items expand(const OnnxCall& call) {
  const Dims shape = broadcast_shapes("Expand", call.in(0).shape, call.sizes(1, "shape"));
  return {call.b.broadcast(call.in(0), shape)};
}

// The axes are [n, (blocks), c, h, w]: `blocks` of the channel axis move behind h and w.
Items depth_to_space(const OnnxCall& call) {
  const Item& x = call.in(0);
  const std::int64_t block = call.integer("blocksize", 0);
  require(x.rank() == 4 && block > 0, "expected rank 4 and a positive blocksize");
  const Dim depth = floor_div(x.shape[1], block * block);
  const std::string mode = call.text("mode", "DCR");
  require(mode == "DCR" || mode == "CRD", "mode '{}'", mode);
  const bool depth_last = mode == "DCR";
  const Dims cut = depth_last ? Dims{x.shape[0], block, block, depth, x.shape[2], x.shape[3]}
                              : Dims{x.shape[0], depth, block, block, x.shape[2], x.shape[3]};
  const std::vector<int> order =
      depth_last ? std::vector<int>{0, 3, 4, 1, 5, 2} : std::vector<int>{0, 1, 4, 2, 5, 3};
  const Item moved = call.b.transpose(call.b.reshape(x, cut), order);
  return {
      call.b.reshape(moved, {x.shape[0], depth, x.shape[2] * Dim(block), x.shape[3] * Dim(block)})};
}

Items space_to_depth(const OnnxCall& call) {
  const Item& x = call.in(0);
  const std::int64_t block = call.integer("blocksize", 0);
  require(x.rank() == 4 && block > 0, "expected rank 4 and a positive blocksize");
  const Dim height = floor_div(x.shape[2], block);
  const Dim width = floor_div(x.shape[3], block);
  const Item cut = call.b.reshape(x, {x.shape[0], x.shape[1], height, block, width, block});
  const Item moved = call.b.transpose(cut, {0, 3, 5, 1, 2, 4});
  return {call.b.reshape(moved, {x.shape[0], x.shape[1] * Dim(block * block), height, width})};
}

}  // namespace

std::span<const OnnxRule> onnx_shape_rules() {
  static const OnnxRule rules[] = {
      {"Shape", shape_of},
      {"Size", size_of},
      {"Reshape", reshape, 5},
      {"Flatten", flatten},
      {"Squeeze", squeeze},
      {"Unsqueeze", unsqueeze},
      {"Transpose", transpose},
      {"Expand", expand},
      {"DepthToSpace", depth_to_space},
      {"SpaceToDepth", space_to_depth},
  };
  return rules;
}

}  // namespace lamina
