// Runs single operators on the reference device, for tests with known answers.
#pragma once

#include <numeric>
#include <string_view>
#include <vector>

#include "exec/ref/ref_device.h"

namespace lamina {

struct Operand {
  Shape shape;
  std::vector<double> values;
  DType dtype = DType::kF32;
};

inline Operand integers(Shape shape, std::vector<double> values) {
  return {std::move(shape), std::move(values), DType::kI64};
}

// start, start + 1, ... in this shape.
inline Operand counted(Shape shape, double start = 0.0) {
  Operand x{std::move(shape), {}};
  x.values.resize(static_cast<std::size_t>(element_count(x.shape)));
  std::iota(x.values.begin(), x.values.end(), start);
  return x;
}

// Output `output` of `op`.
inline std::vector<double> run_op(std::string_view op, const std::vector<Operand>& operands,
                                  Attrs attrs = {}, int output = 0) {
  Graph g;
  std::vector<Value> inputs;
  std::vector<Tensor> tensors;
  for (const Operand& x : operands) {
    inputs.push_back(g.add_input("x", {x.dtype, Dims(x.shape.begin(), x.shape.end()), {}}));
    tensors.push_back(Tensor::from_doubles(x.dtype, x.shape, x.values));
  }
  const Value y = g.add(op, inputs, std::move(attrs));
  g.add_output("y", {y.node, output});
  return compile(g, ref_device())->run(tensors)[0].to_doubles();
}

}  // namespace lamina
