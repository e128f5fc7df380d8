// cross_entropy: -log softmax(logits)[target] along `axis`, per target; optionally times a weight
// per label (input 2). Targets equal to `ignore_index` count nothing. reduction: none, sum, or
// mean (the weighted mean over the targets that count).
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/normalization.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& logits = node.inputs[0];
  const Type& targets = node.inputs[1];
  const int axis = resolve_axis("cross_entropy", node.attrs.integer("axis"), logits.shape.size());
  Dims expected = logits.shape;
  expected.erase(expected.begin() + axis);
  require(targets.shape == expected, "cross_entropy: targets {} for logits {}",
          to_string(targets.shape), to_string(logits.shape));
  require(traits(targets.dtype).is_integer, "cross_entropy: targets are {}, expected integers",
          traits(targets.dtype).name);
  check_channel_input(node, 2, logits.shape[static_cast<std::size_t>(axis)]);
  const std::string& reduction = node.attrs.text("reduction");
  require(reduction == "none" || reduction == "mean" || reduction == "sum",
          "cross_entropy: reduction '{}' is none of none, mean, sum", reduction);
  return {{infer_same_float(node)[0].dtype, reduction == "none" ? expected : Dims{}, {}}};
}

// What every target counts: its label's weight, 0 where it is ignored, in the dtype of the logits.
Expr target_weights(const NodeView& node, const Expr& targets, std::span<const Value> inputs) {
  Graph& g = *targets.graph;
  const DType dtype = g.type(inputs[0]).dtype;
  Expr weights{&g, filled(g, {dtype, node.inputs[1].shape, {}}, 1.0)};
  if (inputs.size() > 2) weights = call("gather", {Expr{&g, inputs[2]}, targets});
  if (!node.attrs.has("ignore_index")) return weights;
  const auto ignored = static_cast<double>(node.attrs.integer("ignore_index"));
  return select(call("equal", {targets, number(targets, ignored)}), number(weights, 0.0), weights);
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> inputs) -> Value {
    const std::int64_t axis = node.attrs.integer("axis");
    const Expr targets{&g, inputs[1]};
    Dims column = node.inputs[0].shape;
    column[static_cast<std::size_t>(resolve_axis("cross_entropy", axis, column.size()))] = 1;
    const Expr log_odds = call("log_softmax", {Expr{&g, inputs[0]}}, {{"axis", axis}});
    const Expr places = call("reshape", {targets}, {{"shape", column}});
    const Expr picked = call("gather_elements", {log_odds, places}, {{"axis", axis}});
    const Expr per_target = call("reshape", {picked}, {{"shape", node.inputs[1].shape}});
    const Expr weights = target_weights(node, targets, inputs);
    const Expr losses = -(per_target * weights);
    const std::string& reduction = node.attrs.text("reduction");
    if (reduction == "none") return losses;
    const Expr total = call("sum", {losses});
    return reduction == "sum" ? total : total / call("sum", {weights});
  });
}

std::vector<Sample> samples() {
  const Type labels{DType::kI64, {4}, {}};
  return {{.inputs = {f32({4, 5}), labels}, .integer_ranges = {{0, 0}, {0, 4}}},
          {.inputs = {f32({2, 3, 4}), {DType::kI64, {2, 4}, {}}, f32({3})},
           .attrs = {{"axis", 1}, {"ignore_index", 1}},
           .low = 0.5,
           .integer_ranges = {{0, 0}, {0, 2}, {0, 0}}},
          {.inputs = {f32({4, 5}), labels},
           .attrs = {{"reduction", std::string("none")}, {"ignore_index", -100}},
           .integer_ranges = {{0, 0}, {0, 4}}}};
}

}  // namespace

OpDef cross_entropy() {
  return {.name = "cross_entropy",
          .kind = Kind::kRegion,
          .min_inputs = 2,
          .max_inputs = 3,
          .attrs = {{"axis", AttrKind::kInteger, std::int64_t{-1}},
                    {"reduction", AttrKind::kText, std::string("mean")},
                    {"ignore_index", AttrKind::kInteger, {}, false}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
