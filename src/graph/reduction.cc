// Shape rule, loop form and samples of the reductions over axes.
#include "graph/reduction.h"

#include <algorithm>

#include "graph/gradient_rules.h"

namespace lamina {
namespace {

bool listed(const std::vector<int>& axes, std::size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<int>(axis)) != axes.end();
}

Dims reduced_shape(const Dims& shape, const std::vector<int>& axes, bool keep) {
  Dims out;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!listed(axes, i)) {
      out.push_back(shape[i]);
    } else if (keep) {
      out.push_back(1);
    }
  }
  return out;
}

LoopForm loop_form(const NodeView& node) {
  const Dims& shape = node.inputs[0].shape;
  const std::vector<int> axes = resolve_axes(node, "axes", shape.size());
  LoopForm form;
  form.extents = reduced_shape(shape, axes, node.attrs.flag("keepdims"));
  form.output_rank = static_cast<int>(form.extents.size());
  Access access;
  int output_axis = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (listed(axes, i)) {
      access.axes.push_back(AxisIndex::of(static_cast<int>(form.extents.size())));
      form.extents.push_back(shape[i]);
      output_axis += node.attrs.flag("keepdims") ? 1 : 0;
    } else {
      access.axes.push_back(AxisIndex::of(output_axis++));
    }
  }
  form.operands = {access};
  return form;
}

std::vector<Sample> samples() {
  std::vector<Sample> result = float_reduction_samples();
  result.push_back({.inputs = {{DType::kI32, {2, 9}, {}}},
                    .attrs = {{"axes", Dims{1}}},
                    .differentiable = false});
  return result;
}

}  // namespace

std::vector<Type> infer_reduction(const NodeView& node) {
  const Type& x = node.inputs[0];
  const std::vector<int> axes = resolve_axes(node, "axes", x.shape.size());
  return {{is_packed(x.dtype) ? DType::kF32 : x.dtype,
           reduced_shape(x.shape, axes, node.attrs.flag("keepdims")),
           {}}};
}

std::vector<Sample> float_reduction_samples() {
  return {{.inputs = {f32({3, 4, 5})}, .attrs = {{"axes", Dims{-1}}}},
          {.inputs = {f32({3, 4, 5})}, .attrs = {{"axes", Dims{0, 2}}, {"keepdims", true}}},
          {.inputs = {f32({3, 4})}}};
}

OpDef reduction(std::string_view name, Monoid monoid) {
  return {.name = name,
          .kind = Kind::kReduce,
          .attrs = {{"axes", AttrKind::kDims, Dims{}}, {"keepdims", AttrKind::kFlag, false}},
          .infer = infer_reduction,
          .loop_form = loop_form,
          .monoid = monoid,
          .samples = samples};
}

Value keep_reduced_axes(const GradientView& node, Value output) {
  if (node.attrs().flag("keepdims")) return output;
  Dims shape = node.type(node.input(0)).shape;
  std::vector<Type> types{node.type(node.input(0))};
  const Node& self = node.graph.nodes[static_cast<std::size_t>(node.node)];
  const NodeView seen{*self.op, types, self.attrs, {}};
  for (const int axis : resolve_axes(seen, "axes", shape.size())) {
    shape[static_cast<std::size_t>(axis)] = 1;
  }
  return node.graph.add("reshape", {output}, {{"shape", shape}});
}

std::vector<Value> extremum_gradient(const GradientView& node) {
  Graph& g = node.graph;
  const Attrs kept = {{"axes", node.attrs().dims("axes")}, {"keepdims", true}};
  const DType dtype = node.type(node.input(0)).dtype;
  const Value extreme = keep_reduced_axes(node, node.output());
  const Value hits = g.add("cast", {g.add("equal", {node.input(0), extreme})}, {{"dtype", dtype}});
  const Value share =
      g.add("div", {keep_reduced_axes(node, node.grads[0]), g.add("sum", {hits}, kept)});
  return {g.add("mul", {hits, share})};
}

}  // namespace lamina
