// Every operator on the reference device: outputs of the inferred types, finite where floats.
#include <doctest/doctest.h>

#include <cmath>
#include <iostream>

#include "cases.h"
#include "graph/simplify.h"
#include "graph/tolerance.h"

using namespace lamina;
using namespace lamina::conformance;

namespace {

void check_reference(const Case& each, std::mt19937_64& random) {
  const Graph graph = graph_of(each);
  const std::vector<Tensor> outputs = run_reference(graph, random_inputs(each, random));
  REQUIRE(outputs.size() == graph.outputs.size());
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const Type& type = graph.type(graph.outputs[k].value);
    CHECK(outputs[k].dtype() == type.dtype);
    CHECK(outputs[k].shape() == evaluate(type.shape, {}));
    for (const double value : outputs[k].to_doubles()) REQUIRE(std::isfinite(value));
  }
}

void check_expansion(const Case& each, std::mt19937_64& random) {
  const Graph graph = graph_of(each);
  const Graph expanded = simplify(graph, [](const OpDef& op) { return op.expand != nullptr; });
  const std::vector<Tensor> inputs = random_inputs(each, random);
  const std::vector<Tensor> want = run_reference(graph, inputs);
  const std::vector<Tensor> got = run_reference(expanded, inputs);
  for (std::size_t k = 0; k < want.size(); ++k) {
    const auto wrong = difference(got[k], want[k], tolerance(expanded));
    CHECK_MESSAGE(!wrong, wrong.value_or(""));
  }
}

}  // namespace

TEST_CASE("the reference device computes every operator's samples") {
  std::mt19937_64 random(1);
  std::size_t count = 0;
  for (const Case& each : all_cases()) {
    try_case(each, [&](const Case& c) { check_reference(c, random); });
    ++count;
  }
  std::cout << "reference: " << count << " cases of " << all_ops().size() << " operators\n";
}

TEST_CASE("an expansion means what the operator means") {
  std::mt19937_64 random(2);
  std::size_t count = 0;
  for (const Case& each : all_cases()) {
    if (each.op->expand == nullptr || is_composite(*each.op)) continue;
    try_case(with_floats(each, DType::kF64), [&](const Case& c) { check_expansion(c, random); });
    ++count;
  }
  std::cout << "expansions: " << count << " cases with a meaning of their own\n";
}

TEST_CASE("the text form keeps the structure of every case") {
  for (const Case& from : all_cases()) {
    try_case(from, [](const Case& each) {
      const Graph graph = graph_of(each);
      CHECK(structure_hash(parse_graph(print_graph(graph))) == structure_hash(graph));
    });
  }
}
