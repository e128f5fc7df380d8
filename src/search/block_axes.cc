// Following axes through the steps of a block program.
#include "search/block_axes.h"

#include <algorithm>

#include "graph/op_def.h"

namespace lamina::search {
namespace {

using Axes = std::vector<TileAxis>;

std::optional<Axes> product(const Axes& a, const Axes& b) {
  const Axes rows(a.begin(), a.end() - 2), columns(b.begin(), b.end() - 2);
  const Axes* const batches[] = {&rows, &columns};
  std::optional<Axes> result = joined_axes(batches);
  if (!result) return std::nullopt;
  result->push_back(a[a.size() - 2]);
  result->push_back(b.back());
  return result;
}

Axes transposed(const Axes& x, std::vector<std::int64_t> axes) {
  const auto rank = static_cast<std::int64_t>(x.size());
  for (std::int64_t i = rank; axes.size() < x.size(); --i) axes.push_back(i - 1);
  Axes result;
  for (const std::int64_t axis : axes) {
    result.push_back(x[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)]);
  }
  return result;
}

Axes reduced(const Axes& x, const Attrs& attrs) {
  const auto rank = static_cast<std::int64_t>(x.size());
  Axes result;
  const std::vector<std::int64_t> axes = attrs.integers("axes");
  for (std::int64_t i = 0; i < rank; ++i) {
    const bool gone = axes.empty() || std::any_of(axes.begin(), axes.end(), [&](std::int64_t axis) {
                        return (axis < 0 ? axis + rank : axis) == i;
                      });
    if (!gone) result.push_back(x[static_cast<std::size_t>(i)]);
    if (gone && attrs.has("keepdims") && attrs.flag("keepdims")) result.push_back({Dim(1), kWhole});
  }
  return result;
}

// The axes of the indices in place of the axis that they index.
Axes gathered(const Axes& table, const Axes& indices, std::int64_t axis) {
  const auto at = table.begin() + (axis < 0 ? axis + std::ssize(table) : axis);
  Axes result(table.begin(), at);
  result.insert(result.end(), indices.begin(), indices.end());
  result.insert(result.end(), at + 1, table.end());
  return result;
}

std::optional<Axes> applied(const BlockStep& step, const std::vector<const Axes*>& operands) {
  const std::string_view name = step.op->name;
  if (name == "matmul") return product(*operands[0], *operands[1]);
  if (name == "transpose") {
    return transposed(*operands[0], step.attrs.has("axes") ? step.attrs.integers("axes")
                                                           : std::vector<std::int64_t>());
  }
  if (name == "sum" || name == "reduce_max") return reduced(*operands[0], step.attrs);
  if (name == "gather") return gathered(*operands[0], *operands[1], step.attrs.integer("axis"));
  return joined_axes(operands);
}

}  // namespace

std::optional<std::vector<std::vector<TileAxis>>> axes_of_steps(const Graph& program,
                                                                const BlockProgram& block) {
  std::vector<Axes> result;
  for (const BlockStep& step : block.steps) {
    std::vector<const Axes*> operands;
    for (const std::size_t operand : step.operands) operands.push_back(&result[operand]);
    std::optional<Axes> axes = Axes();
    if (step.kind == BlockStep::Kind::kLoad) {
      const Dims& shape = program.type({program.inputs[step.input].node, 0}).shape;
      for (std::size_t i = 0; i < shape.size(); ++i) axes->push_back({shape[i], step.cuts[i]});
    } else if (step.kind == BlockStep::Kind::kApply) {
      axes = applied(step, operands);
    } else if (step.kind != BlockStep::Kind::kConstant) {
      axes = *operands[0];
    }
    if (!axes) return std::nullopt;
    result.push_back(std::move(*axes));
  }
  return result;
}

}  // namespace lamina::search
