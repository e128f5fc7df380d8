// Gradients of broadcasting.
#include "graph/gradient_rules.h"

namespace lamina {

Value sum_to(const GradientView& node, Value gradient, int i) {
  const Dims wanted = node.type(node.input(i)).shape;
  const Dims have = node.type(gradient).shape;
  const std::size_t skip = have.size() - wanted.size();
  Dims axes;
  for (std::size_t k = 0; k < have.size(); ++k) {
    const bool repeated = k >= skip && wanted[k - skip] == Dim(1) && have[k] != Dim(1);
    if (k < skip || repeated) axes.push_back(static_cast<std::int64_t>(k));
  }
  if (axes.empty()) return gradient;
  const Value summed = node.graph.add("sum", {gradient}, {{"axes", axes}, {"keepdims", true}});
  if (skip == 0) return summed;
  return node.graph.add("reshape", {summed}, {{"shape", wanted}});
}

Type f32(Dims shape) { return {DType::kF32, std::move(shape), {}}; }

}  // namespace lamina
