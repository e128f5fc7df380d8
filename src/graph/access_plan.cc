// Binding access maps to shapes.
#include "graph/access_plan.h"

#include "base/check.h"

namespace lamina {
namespace {

std::int64_t bound(const Dim& dim) {
  check(dim.is_constant(), "access map with an unbound dimension {}", dim.to_string());
  return dim.constant_part();
}

}  // namespace

BoundAccess::BoundAccess(const Access& access, const Shape& shape,
                         std::span<const Shape> operand_shapes) {
  const Shape seen = access.flat ? Shape{element_count(shape)} : shape;
  const std::vector<std::int64_t> strides = dense_strides(seen);
  check(access.axes.size() == seen.size(), "access of {} axes into a shape {}", access.axes.size(),
        lamina::to_string(seen));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const AxisIndex& from = access.axes[i];
    Axis axis;
    axis.extent = seen[i];
    axis.stride = strides[i];
    axis.offset = bound(from.offset);
    for (const auto& term : from.loops) axis.loops.emplace_back(term.loop, bound(term.coefficient));
    for (const auto& indirect : from.indirect) {
      axis.indirect_operand = indirect.operand;
      const Shape& index_shape = operand_shapes[static_cast<std::size_t>(indirect.operand)];
      axis.indirect.emplace_back(Access{indirect.axes, false}, index_shape, operand_shapes);
    }
    base_ += axis.offset * axis.stride;
    axes_.push_back(std::move(axis));
  }
}

std::int64_t BoundAccess::index(const Axis& axis, std::span<const std::int64_t> point,
                                const ReadIndex& read) const {
  std::int64_t at = axis.offset;
  for (const auto& [loop, coefficient] : axis.loops) {
    at += coefficient * point[static_cast<std::size_t>(loop)];
  }
  for (const BoundAccess& indirect : axis.indirect) {
    const std::int64_t linear = indirect.offset(point, read);
    if (linear < 0) return -1;
    const std::int64_t element = read(axis.indirect_operand, linear);
    at += element < 0 ? element + axis.extent : element;
  }
  return at;
}

std::int64_t BoundAccess::offset(std::span<const std::int64_t> point, const ReadIndex& read) const {
  std::int64_t linear = 0;
  for (const Axis& axis : axes_) {
    const std::int64_t at = index(axis, point, read);
    if (at < 0 || at >= axis.extent) return -1;
    linear += at * axis.stride;
  }
  return linear;
}

bool BoundAccess::affine_within(std::span<const std::int64_t> extents) const {
  for (const Axis& axis : axes_) {
    if (!axis.indirect.empty()) return false;
    std::int64_t low = axis.offset;
    std::int64_t high = axis.offset;
    for (const auto& [loop, coefficient] : axis.loops) {
      const std::int64_t reach = coefficient * (extents[static_cast<std::size_t>(loop)] - 1);
      (reach < 0 ? low : high) += reach;
    }
    if (low < 0 || high >= axis.extent) return false;
  }
  return true;
}

std::int64_t BoundAccess::stride(int loop) const {
  std::int64_t total = 0;
  for (const Axis& axis : axes_) {
    for (const auto& [which, coefficient] : axis.loops) {
      if (which == loop) total += coefficient * axis.stride;
    }
  }
  return total;
}

}  // namespace lamina
