// What gradient() promises about graphs; the rules of the operators are in tests/conformance.
#include <doctest/doctest.h>

#include <algorithm>

#include "graph/gradient_rules.h"
#include "graph/simplify.h"
#include "lamina/error.h"

using namespace lamina;

TEST_CASE("a gradient graph keeps inputs and outputs and adds one gradient per input asked for") {
  Graph g;
  g.sizes = {{"T", 1, 64}};
  const Value x = g.add_input("x", f32({Dim::size("T"), 4}));
  const Value w = g.add_input("w", f32({4, 3}));
  g.add_output("y", g.add("matmul", {x, w}));
  const std::vector<Value> wanted = {w, x};
  const Graph d = gradient(g, wanted);
  validate(d);
  REQUIRE(d.inputs.size() == 2);
  REQUIRE(d.outputs.size() == 3);
  CHECK(d.outputs[0].name == "y");
  CHECK(d.outputs[1].name == "grad_w");
  CHECK(d.type(d.outputs[1].value).shape == Dims{4, 3});
  CHECK(d.type(d.outputs[2].value).shape == Dims{Dim::size("T"), 4});
}

TEST_CASE("gradients have the dtype of their input, and zeros where there is no path") {
  Graph g;
  const Value x = g.add_input("x", {DType::kBF16, {3}, {}});
  const Value y = g.add_input("y", f32({3}));
  const Value unused = g.add_input("unused", f32({2}));
  g.add_output("z", g.add("mul", {x, y}));
  const std::vector<Value> wanted = {x, unused};
  const Graph d = gradient(g, wanted);
  CHECK(d.type(d.outputs[1].value).dtype == DType::kBF16);
  CHECK(d.node(d.outputs[2].value).op->name == "constant");
  CHECK(d.type(d.outputs[2].value).shape == Dims{2});
}

TEST_CASE("nothing is computed that no gradient needs") {
  Graph g;
  const Value x = g.add_input("x", f32({3}));
  g.add_output("y", g.add("pow", {x, g.constant(2.0)}));
  const Graph d = gradient(g, std::vector<Value>{x});
  const bool has_log = std::any_of(d.nodes.begin(), d.nodes.end(),
                                   [](const Node& node) { return node.op->name == "log"; });
  CHECK(!has_log);  // of the gradient towards the exponent
}

TEST_CASE("an operator without a gradient is named") {
  Graph g;
  const Value x = g.add_input("x", f32({3}));
  const Value tile = g.add("load", {x}, {{"grid", Dims{-1}}, {"tile", Dims{3}}});
  g.add_output("y", tile);
  CHECK_THROWS_WITH_AS(gradient(g, std::vector<Value>{x}), doctest::Contains("'load'"), Error);
}

TEST_CASE("only float inputs can be differentiated for") {
  Graph g;
  const Value i = g.add_input("i", {DType::kI32, {3}, {}});
  const Value x = g.add_input("x", f32({3}));
  const Value y = g.add("mul", {x, i});
  g.add_output("y", y);
  CHECK_THROWS_AS(gradient(g, std::vector<Value>{i}), Error);
  CHECK_THROWS_AS(gradient(g, std::vector<Value>{y}), Error);
  CHECK_NOTHROW(gradient(g, std::vector<Value>{x}));
}

TEST_CASE("simplify expands composites and merges equal nodes") {
  Graph g;
  const Value x = g.add_input("x", f32({3, 8}));
  const Value a = g.add("rms_norm", {x});
  const Value b = g.add("rms_norm", {x});
  g.add_output("y", g.add("sub", {a, b}));
  const Graph s = simplify(g);
  validate(s);
  for (const Node& node : s.nodes) CHECK(!is_composite(*node.op));
  const Node& last = s.node(s.outputs[0].value);
  CHECK(last.inputs[0] == last.inputs[1]);
}
