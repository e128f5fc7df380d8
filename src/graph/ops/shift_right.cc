// shift_right: x shifted right by y bits, keeping the sign; y outside [0, 63] leaves only the sign.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct ShiftRight {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::shift_right;
    return shift_right(x[0], x[1]);
  }
};

}  // namespace

OpDef shift_right() { return binary_integer<ShiftRight>("shift_right", integer_samples); }

}  // namespace lamina::ops
