// logical_and: both of two truth values.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct LogicalAnd {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return num::mul(x[0], x[1]);
  }
};

}  // namespace

OpDef logical_and() {
  return {.name = "logical_and",
          .min_inputs = 2,
          .max_inputs = 2,
          .commutative = true,
          .infer = infer_logical,
          .scalar = number_meaning<LogicalAnd>(),
          .samples = boolean_samples};
}

}  // namespace lamina::ops
