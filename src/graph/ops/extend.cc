// extend: puts `low` elements before and `high` after every axis, taken from the tensor itself:
// mode "edge" repeats the outermost element, "reflect" mirrors about it, "wrap" goes round.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& x = node.inputs[0];
  const std::size_t rank = x.shape.size();
  const std::vector<std::int64_t> low = numbers_per_axis(node, "low", rank, 0);
  const std::vector<std::int64_t> high = numbers_per_axis(node, "high", rank, 0);
  const std::string& mode = node.attrs.text("mode");
  require(mode == "edge" || mode == "reflect" || mode == "wrap",
          "extend: mode '{}' is none of edge, reflect, wrap", mode);
  Type out{element_dtype(x), x.shape, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    require(low[i] >= 0 && high[i] >= 0, "extend: axis {} by {} and {}; pad cuts off", i, low[i],
            high[i]);
    const auto n = x.shape[i].constant();
    const std::int64_t reach = mode == "edge"   ? 1
                               : mode == "wrap" ? std::max(low[i], high[i])
                                                : std::max(low[i], high[i]) + 1;
    require(!n || low[i] + high[i] == 0 || *n >= reach,
            "extend: mode {} by {} and {} needs {} elements, axis {} has {}", mode, low[i], high[i],
            reach, i, x.shape[i].to_string());
    out.shape[i] = x.shape[i] + Dim(low[i] + high[i]);
  }
  return {out};
}

// `size` elements of x along `axis`.
Expr part(const Expr& x, std::size_t axis, const Dim& start, std::int64_t size, std::int64_t step) {
  Dims sizes = x.graph->type(x).shape;
  Dims starts(sizes.size()), steps(sizes.size(), 1);
  sizes[axis] = size;
  starts[axis] = start;
  steps[axis] = step;
  return call("slice", {x}, {{"start", starts}, {"size", sizes}, {"step", steps}});
}

// What stands before (or after) the elements of x along `axis`.
Expr border(const Expr& x, std::size_t axis, std::int64_t size, bool before,
            const std::string& mode) {
  Dims shape = x.graph->type(x).shape;
  const Dim n = shape[axis];
  if (mode == "wrap") return part(x, axis, before ? n - Dim(size) : Dim(0), size, 1);
  if (mode == "reflect") return part(x, axis, before ? Dim(size) : n - Dim(2), size, -1);
  shape[axis] = size;
  return call("broadcast", {part(x, axis, before ? Dim(0) : n - Dim(1), 1, 1)}, {{"shape", shape}});
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    Expr y{&g, inputs[0]};
    const std::string& mode = node.attrs.text("mode");
    const std::size_t rank = node.inputs[0].shape.size();
    const std::vector<std::int64_t> low = numbers_per_axis(node, "low", rank, 0);
    const std::vector<std::int64_t> high = numbers_per_axis(node, "high", rank, 0);
    for (std::size_t axis = 0; axis < rank; ++axis) {
      std::vector<Value> parts;
      if (low[axis] > 0) parts.push_back(border(y, axis, low[axis], true, mode));
      parts.push_back(y);
      if (high[axis] > 0) parts.push_back(border(y, axis, high[axis], false, mode));
      if (parts.size() == 1) continue;
      y.value = g.add("concat", parts, {{"axis", static_cast<std::int64_t>(axis)}});
    }
    return y;
  });
}

std::vector<Sample> samples() {
  std::vector<Sample> result;
  for (const char* mode : {"edge", "reflect", "wrap"}) {
    result.push_back(
        {.inputs = {f32({3, 4})},
         .attrs = {{"low", Dims{1, 0}}, {"high", Dims{2, 3}}, {"mode", std::string(mode)}}});
  }
  return result;
}

}  // namespace

OpDef extend() {
  return {.name = "extend",
          .kind = Kind::kRegion,
          .attrs = {{"low", AttrKind::kDims, Dims{}},
                    {"high", AttrKind::kDims, Dims{}},
                    {"mode", AttrKind::kText, {}, true}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
