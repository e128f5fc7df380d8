// shift_left: x shifted left by y bits; by more than the width, or less than 0: 0.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct ShiftLeft {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::shift_left;
    return shift_left(x[0], x[1]);
  }
};

}  // namespace

OpDef shift_left() { return binary_integer<ShiftLeft>("shift_left", integer_samples); }

}  // namespace lamina::ops
