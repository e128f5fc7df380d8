// bit_or: the bits of either of two integers.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct BitOr {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::bit_or;
    return bit_or(x[0], x[1]);
  }
};

}  // namespace

OpDef bit_or() {
  OpDef op = binary_integer<BitOr>("bit_or", integer_samples);
  op.commutative = true;
  return op;
}

}  // namespace lamina::ops
