// Gradients of every differentiable operator against central differences, in double.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <set>

#include "cases.h"
#include "exec/ref/ref_device.h"
#include "lamina/device.h"

using namespace lamina;
using namespace lamina::conformance;

namespace {

constexpr double kStep = 1e-5;
// The error of a central difference is step^2/6 times the third derivative plus rounding over
// step: both below 1e-8 for the functions and ranges of the samples.
constexpr double kAllowed = 1e-6;
constexpr std::size_t kElements = 24;  // tried per input

// The inner product of all float outputs with fresh inputs: a plain sum would hide the errors of
// operators whose outputs sum to a constant.
struct Loss {
  Graph graph;
  std::vector<Tensor> inputs;
  std::vector<Value> variables;        // the float inputs of the case
  std::vector<std::size_t> positions;  // and their places in `inputs`

  Loss(const Case& each, std::mt19937_64& random) : inputs(random_inputs(each, random)) {
    add_case(graph, each, "x");
    std::vector<Output> outputs;
    outputs.swap(graph.outputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!traits(inputs[i].dtype()).is_float) continue;
      variables.push_back({graph.inputs[i].node, 0});
      positions.push_back(i);
    }
    Value total = graph.constant(0.0, DType::kF64);
    for (const Output& output : outputs) {
      const Type type = graph.type(output.value);
      if (traits(type.dtype).is_float) total = graph.add("add", {total, weighted(output, random)});
    }
    graph.add_output("loss", total);
  }

  double at(Program& program) const { return program.run(inputs)[0].to_doubles().at(0); }

 private:
  Value weighted(const Output& output, std::mt19937_64& random) {
    const Type type = graph.type(output.value);
    const Value weight = graph.add_input("w_" + output.name, {DType::kF64, type.shape, {}});
    Case drawn;
    drawn.sample.inputs = {graph.type(weight)};
    inputs.push_back(random_inputs(drawn, random)[0]);
    return graph.add("sum", {graph.add("mul", {output.value, weight})});
  }
};

double central_difference(const Loss& loss, Program& program, std::size_t input, std::size_t i) {
  Loss moved = loss;
  moved.inputs[input] = loss.inputs[input].clone();
  double& x = moved.inputs[input].span<double>()[i];
  const double before = x;
  x = before + kStep;
  const double above = moved.at(program);
  x = before - kStep;
  return (above - moved.at(program)) / (2.0 * kStep);
}

void check_gradient(const Case& each, std::mt19937_64& random) {
  const Loss loss(each, random);
  const auto program = compile(loss.graph, ref_device());
  const Graph derived = gradient(loss.graph, loss.variables);
  const std::vector<Tensor> outputs = compile(derived, ref_device())->run(loss.inputs);
  REQUIRE(outputs.size() == 1 + loss.variables.size());
  for (std::size_t k = 0; k < loss.variables.size(); ++k) {
    const std::vector<double> got = outputs[1 + k].to_doubles();
    REQUIRE(outputs[1 + k].shape() == loss.inputs[loss.positions[k]].shape());
    const std::size_t stride = std::max<std::size_t>(1, got.size() / kElements);
    for (std::size_t i = 0; i < got.size(); i += stride) {
      CAPTURE(k);
      CAPTURE(i);
      const double want = central_difference(loss, *program, loss.positions[k], i);
      const bool close = std::fabs(got[i] - want) <= kAllowed * (1.0 + std::fabs(want));
      CHECK_MESSAGE(close, "got ", got[i], ", central difference ", want);
    }
  }
}

bool is_differentiable(const Case& each) {
  if (!each.sample.differentiable || !has_float(each.sample.inputs)) return false;
  const Graph graph = graph_of(each);
  return has_float(graph.node(graph.outputs[0].value).types);
}

}  // namespace

TEST_CASE("gradients agree with central differences") {
  std::mt19937_64 random(3);
  std::set<std::string_view> covered;
  for (const Case& from : all_cases()) {
    try_case(with_floats(from, DType::kF64), [&](const Case& each) {
      if (!is_differentiable(each)) return;
      check_gradient(each, random);
      covered.insert(each.op->name);
    });
  }
  std::cout << "gradients: " << covered.size() << " operators covered\n";
  CHECK(covered.size() >= 100);
}
