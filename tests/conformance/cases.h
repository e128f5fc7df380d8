// The cases of the conformance loop: every operator with every one of its samples.
#pragma once

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "graph/op_def.h"
#include "lamina/error.h"

namespace lamina::conformance {

struct Case {
  const OpDef* op;
  Sample sample;
  std::string name;  // "matmul/2"
};

// All samples of all operators that have some.
std::vector<Case> all_cases();

// The same with the f32 inputs, and an attribute that asks for f32, in `dtype`.
Case with_floats(const Case& from, DType dtype);

// Adds the operator on fresh inputs called <prefix>0, <prefix>1, ... and all its outputs.
void add_case(Graph& graph, const Case& from, const std::string& prefix);
Graph graph_of(const Case& from);

// Elements for the inputs of a case, drawn from the ranges of its sample.
std::vector<Tensor> random_inputs(const Case& from, std::mt19937_64& random);

// Runs a graph once on the reference device.
std::vector<Tensor> run_reference(const Graph& graph, std::span<const Tensor> inputs);

bool has_float(std::span<const Type> types);

// Calls check(each); an exception is a failure of this case only.
template <class Check>
void try_case(const Case& each, Check check) {
  CAPTURE(each.name);
  try {
    check(each);
  } catch (const Error& error) {
    FAIL_CHECK(std::string(error.what()));
  }
}

}  // namespace lamina::conformance
