// silu: x * sigmoid(x).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Silu {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::sigmoid;
    return num::mul(x[0], sigmoid(x[0]));
  }
};

std::vector<Sample> samples() { return {{.inputs = {f32({3, 5})}, .low = 0.5, .high = 2.0}}; }

}  // namespace

OpDef silu() {
  return {.name = "silu", .infer = infer_float, .scalar = real_meaning<Silu>(), .samples = samples};
}

}  // namespace lamina::ops
