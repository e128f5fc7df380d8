// Gradients of broadcasting, and the samples that many operators share.
#include "graph/gradient_rules.h"

namespace lamina {

Value sum_to(const GradientView& node, Value gradient, int i) {
  const Dims wanted = node.type(node.input(i)).shape;
  const Dims have = node.type(gradient).shape;
  const std::size_t skip = have.size() - wanted.size();
  Dims axes;
  for (std::size_t k = 0; k < have.size(); ++k) {
    const bool repeated = k >= skip && wanted[k - skip] == Dim(1) && have[k] != Dim(1);
    if (k < skip || repeated) axes.push_back(static_cast<std::int64_t>(k));
  }
  if (axes.empty()) return gradient;
  const Value summed = node.graph.add("sum", {gradient}, {{"axes", axes}, {"keepdims", true}});
  if (skip == 0) return summed;
  return node.graph.add("reshape", {summed}, {{"shape", wanted}});
}

Expr grad_of(const GradientView& node, int output) {
  return {&node.graph, node.grads[static_cast<std::size_t>(output)]};
}
Expr input_of(const GradientView& node, int i) { return {&node.graph, node.input(i)}; }
Expr output_of(const GradientView& node) { return {&node.graph, node.output()}; }

std::vector<Value> zero_gradient(const GradientView&) { return {Value{}}; }

Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }

namespace {

std::vector<Sample> samples_within(double low, double high) {
  return {{.inputs = {f32({3, 5})}, .low = low, .high = high},
          {.inputs = {f32({37})}, .low = low, .high = high}};
}

}  // namespace

std::vector<Sample> real_samples() { return samples_within(-2.0, 2.0); }
std::vector<Sample> positive_samples() { return samples_within(0.5, 2.0); }
std::vector<Sample> unit_samples() { return samples_within(-0.9, 0.9); }

std::vector<Sample> step_samples() {
  return {{.inputs = {f32({3, 5})}, .low = -3.0, .high = 3.0},
          {.inputs = {{DType::kI32, {37}, {}}}, .differentiable = false}};
}

std::vector<Sample> binary_samples() {
  return {{.inputs = {f32({2, 3}), f32({2, 3})}},
          {.inputs = {f32({4, 1, 3}), f32({5, 1})}},
          {.inputs = {f32({}), f32({37})}},
          {.inputs = {{DType::kI32, {5}, {}}, {DType::kI32, {5}, {}}}, .differentiable = false}};
}

std::vector<Sample> boolean_samples() {
  return {
      {.inputs = {{DType::kBool, {3, 5}, {}}, {DType::kBool, {5}, {}}}, .differentiable = false}};
}

std::vector<Sample> integer_samples() {
  std::vector<Sample> samples;
  for (const DType dtype : {DType::kI64, DType::kI32, DType::kI8, DType::kU8}) {
    samples.push_back({.inputs = {{dtype, {3, 5}, {}}, {dtype, {5}, {}}},
                       .integer_ranges = {{-100, 100}, {0, 6}},
                       .differentiable = false});
  }
  return samples;
}

}  // namespace lamina
