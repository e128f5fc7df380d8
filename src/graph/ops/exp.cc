// exp: e to the power x.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Exp {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::exp;
    return exp(x[0]);
  }
};

std::vector<Sample> samples() { return {{.inputs = {f32({3, 5})}, .low = 0.5, .high = 2.0}}; }

}  // namespace

OpDef exp() {
  return {.name = "exp", .infer = infer_float, .scalar = real_meaning<Exp>(), .samples = samples};
}

}  // namespace lamina::ops
