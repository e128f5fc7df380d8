// Distributions over counters.
#include "graph/random.h"

#include "base/check.h"

namespace lamina {
namespace {

std::vector<Type> infer(const NodeView& node) {
  require(node.inputs[0].dtype == DType::kI64, "{}: expected i64 counters, got {}", node.op.name,
          traits(node.inputs[0].dtype).name);
  return {{DType::kF32, node.inputs[0].shape, {}}};
}

std::vector<Sample> samples() {
  return {{.inputs = {{DType::kI64, {3, 37}, {}}},
           .attrs = {{"seed", std::int64_t{7}}},
           .integer_ranges = {{0, 100000}},
           .differentiable = false}};
}

}  // namespace

OpDef random_distribution(std::string_view name, Graph (*expand)(const NodeView&)) {
  return {.name = name,
          .kind = Kind::kRegion,
          .attrs = {{"seed", AttrKind::kInteger, std::int64_t{0}}},
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

Expr random_mantissa(const Expr& bits, int first_bit) {
  const Expr shifted = call("shift_right", {bits, number(bits, first_bit)});
  const Expr mantissa = call("bit_and", {shifted, number(bits, 0xffffff)});
  return call("cast", {mantissa}, {{"dtype", DType::kF32}});
}

}  // namespace lamina
