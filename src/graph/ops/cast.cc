// cast: x converted to `dtype`: floats round to nearest even, floats to integers truncate toward
// zero, integers wrap, and bool is "not 0" (docs/numerics.md).
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Cast {
  template <class T>
  static T apply(std::span<const T> x, const Attrs& attrs) {
    using num::equal;
    using num::like;
    if (attrs.dtype("dtype") == DType::kBool) {
      return num::sub(like(x[0], 1.0), equal(x[0], like(x[0], 0.0)));
    }
    return x[0];
  }
};

std::vector<Type> infer(const NodeView& node) {
  require(!is_packed(node.attrs.dtype("dtype")), "cast: cannot cast to the packed type {}",
          traits(node.attrs.dtype("dtype")).name);
  return {{node.attrs.dtype("dtype"), node.inputs[0].shape, {}}};
}

std::vector<Value> gradient(const GradientView& node) {
  const DType back = node.type(node.input(0)).dtype;
  return {call("cast", {grad_of(node)}, {{"dtype", back}})};
}

std::vector<Sample> samples() {
  std::vector<Sample> samples{{.inputs = {f32({3, 5})}, .attrs = {{"dtype", DType::kF64}}}};
  for (const DType to : {DType::kBF16, DType::kF16, DType::kI32, DType::kBool}) {
    for (const DType from : {DType::kF32, DType::kI64}) {
      samples.push_back({.inputs = {{from, {37}, {}}},
                         .attrs = {{"dtype", to}},
                         .low = -100.0,
                         .high = 100.0,
                         .differentiable = false});
    }
  }
  return samples;
}

}  // namespace

OpDef cast() {
  return {.name = "cast",
          .attrs = {{"dtype", AttrKind::kDType, {}, true}},
          .infer = infer,
          .scalar = number_meaning<Cast>(),
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
