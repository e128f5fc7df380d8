// bit_xor: the bits of one but not both of two integers.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct BitXor {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::bit_xor;
    return bit_xor(x[0], x[1]);
  }
};

}  // namespace

OpDef bit_xor() {
  OpDef op = binary_integer<BitXor>("bit_xor", integer_samples);
  op.commutative = true;
  return op;
}

}  // namespace lamina::ops
