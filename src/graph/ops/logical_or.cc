// logical_or: one or both of two truth values; a polynomial, so that formal values keep it exactly.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct LogicalOr {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    return num::sub(num::add(x[0], x[1]), num::mul(x[0], x[1]));
  }
};

}  // namespace

OpDef logical_or() {
  return {.name = "logical_or",
          .min_inputs = 2,
          .max_inputs = 2,
          .commutative = true,
          .infer = infer_logical,
          .scalar = number_meaning<LogicalOr>(),
          .samples = boolean_samples};
}

}  // namespace lamina::ops
