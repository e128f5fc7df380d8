// bit_and: the common bits of two integers.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct BitAnd {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::bit_and;
    return bit_and(x[0], x[1]);
  }
};

}  // namespace

OpDef bit_and() {
  OpDef op = binary_integer<BitAnd>("bit_and", integer_samples);
  op.commutative = true;
  return op;
}

}  // namespace lamina::ops
