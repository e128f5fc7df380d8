// rotary_tables: the cosines and sines (two outputs, [positions..., dim / 2]) that rotary turns by:
// the angle of pair i at position p is p * base^(-2 i / dim).
#include <cmath>

#include "base/check.h"
#include "graph/expression.h"
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const std::int64_t dim = node.attrs.integer("dim");
  require(dim > 0 && dim % 2 == 0, "rotary_tables: dim {} is not a positive even number", dim);
  require(node.attrs.real("base") > 0, "rotary_tables: base {} is not positive",
          node.attrs.real("base"));
  Type table{node.attrs.dtype("dtype"), node.inputs[0].shape, {}};
  require(traits(table.dtype).is_float, "rotary_tables: a table of {}", traits(table.dtype).name);
  table.shape.push_back(dim / 2);
  return {table, table};
}

Graph expand(const NodeView& node) {
  Graph g;
  g.name = "rotary_tables";
  const Value positions = g.add_input("positions", node.inputs[0]);
  const auto dim = static_cast<double>(node.attrs.integer("dim"));
  const DType dtype = node.attrs.dtype("dtype");
  Dims column = node.inputs[0].shape;
  column.push_back(1);
  const Expr at = call("cast", {call("reshape", {Expr{&g, positions}}, {{"shape", column}})},
                       {{"dtype", DType::kF64}});
  const Expr exponent{&g, g.add("iota", {},
                                {{"shape", Dims{node.attrs.integer("dim") / 2}},
                                 {"dtype", DType::kF64},
                                 {"step", -2.0 * std::log(node.attrs.real("base")) / dim}})};
  const Expr angle = at * call("exp", {exponent});
  g.add_output("cos", call("cast", {call("cos", {angle})}, {{"dtype", dtype}}));
  g.add_output("sin", call("cast", {call("sin", {angle})}, {{"dtype", dtype}}));
  return g;
}

std::vector<Sample> samples() {
  return {{.inputs = {{DType::kI64, {5}, {}}},
           .attrs = {{"dim", 8}},
           .integer_ranges = {{0, 100}},
           .differentiable = false}};
}

}  // namespace

OpDef rotary_tables() {
  return {.name = "rotary_tables",
          .kind = Kind::kRegion,
          .attrs = {{"dim", AttrKind::kInteger, {}, true},
                    {"base", AttrKind::kReal, 10000.0},
                    {"dtype", AttrKind::kDType, DType::kF32}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
