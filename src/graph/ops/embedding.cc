// embedding: the rows of a table [words, width] that integer ids name.
#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

std::vector<Type> infer(const NodeView& node) {
  const Type& table = node.inputs[0];
  const Type& ids = node.inputs[1];
  require(table.shape.size() == 2, "embedding: expected a table [words, width], got {}",
          to_string(table.shape));
  require(traits(ids.dtype).is_integer, "embedding: ids are {}, expected integers",
          traits(ids.dtype).name);
  Dims shape = ids.shape;
  shape.push_back(table.shape[1]);
  return {{element_dtype(table), shape, {}}};
}

Graph expand(const NodeView& node) {
  return expand_with(node, [&](Graph& g, std::span<const Value> x) {
    return g.add("gather", {x[0], x[1]}, {{"axis", 0}});
  });
}

std::vector<Sample> samples() {
  return {{.inputs = {f32({7, 3}), {DType::kI64, {2, 4}, {}}}, .integer_ranges = {{0, 0}, {0, 6}}}};
}

}  // namespace

OpDef embedding() {
  return {.name = "embedding",
          .kind = Kind::kRegion,
          .min_inputs = 2,
          .max_inputs = 2,
          .infer = infer,
          .expand = expand,
          .samples = samples};
}

}  // namespace lamina::ops
