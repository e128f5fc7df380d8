// max_pool: the largest element of every window.
#include <limits>

#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

// The windows side by side show which elements were largest; equal ones share the gradient evenly.
std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Dims& shape = self.types[0].shape;
  const std::size_t rank = self.attrs.dims("window").size();
  Attrs attrs = self.attrs;
  attrs.set("value", -std::numeric_limits<double>::infinity());
  const Expr windows = call("unfold", {input_of(node, 0)}, attrs);
  Dims kept = node.type(node.output()).shape;
  kept.resize(kept.size() + rank, 1);
  Dims inside;
  for (std::size_t i = 0; i < rank; ++i) {
    inside.push_back(static_cast<std::int64_t>(shape.size() + i));
  }
  const Expr largest = call("reshape", {output_of(node)}, {{"shape", kept}});
  const Expr arrived = call("reshape", {grad_of(node)}, {{"shape", kept}});
  const Expr hits = indicator(call("equal", {windows, largest}), windows);
  const Expr count = call("sum", {hits}, {{"axes", inside}, {"keepdims", true}});
  attrs.erase("value");
  attrs.set("extents", Dims(shape.end() - static_cast<std::ptrdiff_t>(rank), shape.end()));
  return {call("fold", {hits * (arrived / count)}, attrs)};
}

}  // namespace

OpDef max_pool() {
  OpDef op = pooling("max_pool", Kind::kReduce);
  op.loop_form = pooling_form;
  op.monoid = Monoid::kMax;
  op.gradient = gradient;
  return op;
}

}  // namespace lamina::ops
