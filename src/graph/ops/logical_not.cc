// logical_not: the opposite of a truth value.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct LogicalNot {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::like;
    return num::sub(like(x[0], 1.0), x[0]);
  }
};

std::vector<Sample> samples() {
  return {{.inputs = {{DType::kBool, {37}, {}}}, .differentiable = false}};
}

}  // namespace

OpDef logical_not() {
  return {.name = "logical_not",
          .min_inputs = 1,
          .max_inputs = 1,

          .infer = infer_logical,
          .scalar = number_meaning<LogicalNot>(),
          .samples = samples};
}

}  // namespace lamina::ops
