// Access maps with all dims bound: what the interpreter steps through.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "graph/op_def.h"

namespace lamina {

// An Access of constant dims into an operand of a known shape.
class BoundAccess {
 public:
  // Reads element `linear` of integer operand `operand`.
  using ReadIndex = std::function<std::int64_t(int operand, std::int64_t linear)>;

  // `operand_shapes` has the shape of every operand an index may be read from.
  BoundAccess(const Access& access, const Shape& shape, std::span<const Shape> operand_shapes);

  // The linear offset at a point of the loop nest, or -1 outside the bounds.
  std::int64_t offset(std::span<const std::int64_t> point, const ReadIndex& read) const;
  // offset() == base() + sum of stride(loop) * point[loop], within bounds, for all points.
  bool affine_within(std::span<const std::int64_t> extents) const;
  std::int64_t base() const { return base_; }
  std::int64_t stride(int loop) const;

 private:
  struct Axis {
    std::int64_t extent = 0;
    std::int64_t stride = 0;
    std::int64_t offset = 0;
    std::vector<std::pair<int, std::int64_t>> loops;
    int indirect_operand = -1;
    std::vector<BoundAccess> indirect;  // at most one
  };
  std::int64_t index(const Axis& axis, std::span<const std::int64_t> point,
                     const ReadIndex& read) const;

  std::vector<Axis> axes_;
  std::int64_t base_ = 0;
};

}  // namespace lamina
