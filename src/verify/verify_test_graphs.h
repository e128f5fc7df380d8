// Building graphs for the tests of the identity tester.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lamina/error.h"
#include "lamina/verify.h"

namespace lamina::verify_test {

// A graph under construction; all values are f32 unless said otherwise.
struct Builder {
  Graph g;

  Value in(std::string name, Dims shape, DType dtype = DType::kF32) {
    return g.add_input(std::move(name), {dtype, std::move(shape), {}});
  }
  Value op(std::string_view name, std::vector<Value> x, Attrs attrs = {}) {
    return g.add(name, std::move(x), std::move(attrs));
  }
  Value c(double value) { return g.constant(value); }
  Value sum(Value x, std::int64_t axis) {
    return op("sum", {x}, {{"axes", Dims{axis}}, {"keepdims", true}});
  }
  Value max_of(Value x, std::int64_t axis) {
    return op("reduce_max", {x}, {{"axes", Dims{axis}}, {"keepdims", true}});
  }
  Value transpose(Value x) { return op("transpose", {x}, {{"axes", Dims{1, 0}}}); }
  Graph out(Value y) {
    g.add_output("y", y);
    return g;
  }
};

// A graph of one output made of inputs of the given shapes, called x0, x1, ...
template <class Body>
Graph make(const std::vector<Dims>& shapes, Body body) {
  Builder b;
  std::vector<Value> x;
  for (std::size_t i = 0; i < shapes.size(); ++i)
    x.push_back(b.in("x" + std::to_string(i), shapes[i]));
  return b.out(body(b, x));
}

}  // namespace lamina::verify_test
