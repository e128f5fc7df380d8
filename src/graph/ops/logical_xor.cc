// logical_xor: one but not both of two truth values; a polynomial, as in logical_or.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct LogicalXor {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    const T both = num::mul(x[0], x[1]);
    return num::sub(num::add(x[0], x[1]), num::add(both, both));
  }
};

}  // namespace

OpDef logical_xor() {
  return {.name = "logical_xor",
          .min_inputs = 2,
          .max_inputs = 2,
          .commutative = true,
          .infer = infer_logical,
          .scalar = number_meaning<LogicalXor>(),
          .samples = boolean_samples};
}

}  // namespace lamina::ops
