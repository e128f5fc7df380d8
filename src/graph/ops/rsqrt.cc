// rsqrt: 1 / sqrt(x).
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Rsqrt {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::like;
    using num::sqrt;
    return num::div(like(x[0], 1.0), sqrt(x[0]));
  }
};

std::vector<Sample> samples() { return {{.inputs = {f32({3, 5})}, .low = 0.5, .high = 2.0}}; }

}  // namespace

OpDef rsqrt() {
  return {
      .name = "rsqrt", .infer = infer_float, .scalar = real_meaning<Rsqrt>(), .samples = samples};
}

}  // namespace lamina::ops
