// fold: adds windows [leading..., windows..., window...] up where they lie in a tensor whose last
// axes have the given extents; what unfold does to gradients.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"
#include "graph/windows.h"

namespace lamina::ops {
namespace {

struct Folding {
  Dims shape;  // of the output
  WindowLoops loops;

  explicit Folding(const NodeView& node) {
    const Dims& x = node.inputs[0].shape;
    const Dims& extents = node.attrs.dims("extents");
    const Dims& size = node.attrs.dims("window");
    require(size.size() == extents.size() && x.size() >= 2 * size.size(),
            "fold: windows {} of {} into the extents {}", to_string(x), to_string(size),
            to_string(extents));
    shape.assign(x.begin(), x.end() - static_cast<std::ptrdiff_t>(2 * size.size()));
    loops = window_loops(shape, read_windows(node, extents, size, node.attrs.flag("ceil_mode")));
    require(loops.extents == x, "fold: the extents {} have the windows {}, got {}",
            to_string(extents), to_string(loops.extents), to_string(x));
    shape.insert(shape.end(), extents.begin(), extents.end());
  }
};

std::vector<Type> infer(const NodeView& node) {
  return {{element_dtype(node.inputs[0]), Folding(node).shape, {}}};
}

MoveForm move_form(const NodeView& node) {
  const Folding folding(node);
  Copy add = whole_copy(0, folding.loops.extents);
  add.to = folding.loops.elements;
  add.combine = Combine::kAdd;
  return {{fill_copy(0.0, folding.shape), add}};
}

std::vector<Value> gradient(const GradientView& node) {
  Attrs attrs = node.attrs();
  attrs.erase("extents");
  return {call("unfold", {grad_of(node)}, attrs)};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({2, 3, 3})},
           .attrs = {{"window", Dims{3}}, {"strides", Dims{2}}, {"extents", Dims{7}}}},
          {.inputs = {f32({4, 3, 2, 2})},
           .attrs = {{"window", Dims{2, 2}},
                     {"dilations", Dims{1, 2}},
                     {"pads_low", Dims{1, 0}},
                     {"extents", Dims{4, 5}}}}};
}

}  // namespace

OpDef fold() {
  OpDef op = pooling("fold", Kind::kMove);
  op.attrs.push_back({"extents", AttrKind::kDims, {}, true});
  op.infer = infer;
  op.move_form = move_form;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace lamina::ops
