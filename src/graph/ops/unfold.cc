// unfold: the sliding windows of the last axes side by side, [leading..., windows..., window...];
// positions outside the tensor hold `value`.
#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

WindowLoops loops_of(const NodeView& node) {
  const Windows windows = pooling_windows(node);
  const Dims& shape = node.inputs[0].shape;
  return window_loops({shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(windows.rank())},
                      windows);
}

std::vector<Type> infer(const NodeView& node) {
  return {{element_dtype(node.inputs[0]), loops_of(node).extents, {}}};
}

MoveForm move_form(const NodeView& node) {
  const WindowLoops loops = loops_of(node);
  Copy copy = whole_copy(0, loops.extents);
  copy.from = loops.elements;
  return {{fill_copy(node.attrs.real("value"), loops.extents), copy}};
}

std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Dims& shape = self.types[0].shape;
  const auto rank = static_cast<std::ptrdiff_t>(self.attrs.dims("window").size());
  Attrs attrs = self.attrs;
  attrs.erase("value");
  attrs.set("extents", Dims(shape.end() - rank, shape.end()));
  return {call("fold", {grad_of(node)}, attrs)};
}

}  // namespace

OpDef unfold() {
  OpDef op = pooling("unfold", Kind::kMove);
  op.attrs.push_back({"value", AttrKind::kReal, 0.0});
  op.infer = infer;
  op.move_form = move_form;
  op.gradient = gradient;
  return op;
}

}  // namespace lamina::ops
