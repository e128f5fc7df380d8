// matmul: x [..., m, k] times y [..., k, n], with NumPy's rules for batch axes and vectors.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

// The operands seen as matrices: vectors get an axis of size 1.
struct Matrices {
  Dims x;
  Dims y;
  bool x_vector;
  bool y_vector;

  explicit Matrices(const NodeView& node) : x(node.inputs[0].shape), y(node.inputs[1].shape) {
    require(!x.empty() && !y.empty(), "matmul: scalars are not matrices: {} and {}", to_string(x),
            to_string(y));
    x_vector = x.size() == 1;
    y_vector = y.size() == 1;
    if (x_vector) x.insert(x.begin(), 1);
    if (y_vector) y.push_back(1);
    require(x.back() == y[y.size() - 2], "matmul: inner sizes {} and {} differ ({} and {})",
            x.back().to_string(), y[y.size() - 2].to_string(), to_string(x), to_string(y));
  }

  Dims batch() const {
    return broadcast_shapes("matmul", {x.begin(), x.end() - 2}, {y.begin(), y.end() - 2});
  }
};

std::vector<Type> infer(const NodeView& node) {
  const Matrices m(node);
  Dims shape = m.batch();
  if (!m.x_vector) shape.push_back(m.x[m.x.size() - 2]);
  if (!m.y_vector) shape.push_back(m.y.back());
  return {{promote(node.inputs[0].dtype, node.inputs[1].dtype), shape, {}}};
}

LoopForm loop_form(const NodeView& node) {
  const Matrices m(node);
  const Dims batch = m.batch();
  LoopForm form;
  form.extents = batch;
  const auto row = static_cast<int>(form.extents.size());
  if (!m.x_vector) form.extents.push_back(m.x[m.x.size() - 2]);
  const auto column = static_cast<int>(form.extents.size());
  if (!m.y_vector) form.extents.push_back(m.y.back());
  const auto inner = static_cast<int>(form.extents.size());
  form.output_rank = inner;
  form.extents.push_back(m.x.back());
  Access x = broadcast_access({m.x.begin(), m.x.end() - 2}, batch);
  if (!m.x_vector) x.axes.push_back(AxisIndex::of(row));
  x.axes.push_back(AxisIndex::of(inner));
  Access y = broadcast_access({m.y.begin(), m.y.end() - 2}, batch);
  y.axes.push_back(AxisIndex::of(inner));
  if (!m.y_vector) y.axes.push_back(AxisIndex::of(column));
  form.operands = {x, y};
  return form;
}

Value transposed(Graph& g, Value x) {
  Dims axes;
  const std::size_t rank = g.type(x).shape.size();
  for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  std::swap(axes[rank - 1], axes[rank - 2]);
  return g.add("transpose", {x}, {{"axes", axes}});
}

// The operand's gradient: a matrix product, summed over the batch axes it was repeated along.
Value operand_gradient(const GradientView& node, Value left, Value right, int i) {
  Value grad = node.graph.add("matmul", {left, right});
  const Dims shape = node.type(node.input(i)).shape;
  if (shape.size() == 1) {
    Dims batch;
    for (std::size_t k = 0; k + 2 < node.type(grad).shape.size(); ++k) {
      batch.push_back(static_cast<std::int64_t>(k));
    }
    if (!batch.empty()) grad = node.graph.add("sum", {grad}, {{"axes", batch}});
    return node.graph.add("reshape", {grad}, {{"shape", shape}});
  }
  return sum_to(node, grad, i);
}

std::vector<Value> gradient(const GradientView& node) {
  Graph& g = node.graph;
  const NodeCopy self(node);
  const Matrices m(self.view());
  Dims product = m.batch();
  product.push_back(m.x[m.x.size() - 2]);
  product.push_back(m.y.back());
  const auto as = [&](Value v, const Dims& shape) {
    return g.type(v).shape == shape ? v : g.add("reshape", {v}, {{"shape", shape}});
  };
  const Value grad = as(node.grads[0], product);
  return {operand_gradient(node, grad, transposed(g, as(node.input(1), m.y)), 0),
          operand_gradient(node, transposed(g, as(node.input(0), m.x)), grad, 1)};
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({3, 4}), f32({4, 5})}},
          {.inputs = {f32({2, 3, 4}), f32({4, 5})}},
          {.inputs = {f32({2, 1, 3, 4}), f32({3, 4, 5})}},
          {.inputs = {f32({4}), f32({4, 5})}},
          {.inputs = {f32({3, 4}), f32({4})}},
          {.inputs = {f32({2, 3, 4}), f32({4})}},
          {.inputs = {f32({17, 33}), f32({33, 70})}}};
}

}  // namespace

OpDef matmul() {
  return {.name = "matmul",
          .kind = Kind::kContract,
          .min_inputs = 2,
          .max_inputs = 2,
          .flops = 2.0,
          .infer = infer,
          .loop_form = loop_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
