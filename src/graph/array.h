// Array: a dense tensor over a number type, as the generic interpreter computes on it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"
#include "lamina/tensor.h"

namespace lamina {

// Reals are held as T; integers and booleans as exact 64-bit integers (`whole`), except where an
// algebra cannot decide them (a comparison of formal values), which stay T.
template <class T>
struct Array {
  DType dtype = DType::kF32;
  Shape shape;
  std::vector<T> real;
  std::vector<std::int64_t> whole;
  bool is_whole = false;

  std::int64_t size() const { return element_count(shape); }
  std::size_t count() const { return is_whole ? whole.size() : real.size(); }
};

// The linear offset of every element of `shape` in an operand with these strides.
struct Walker {
  Walker(Shape extents, std::vector<std::int64_t> strides)
      : extents(std::move(extents)), strides(std::move(strides)), index(this->extents.size(), 0) {}

  // Moves to the next point, row-major.
  void next() {
    for (std::size_t axis = index.size(); axis-- > 0;) {
      offset += strides[axis];
      if (++index[axis] < extents[axis]) return;
      offset -= strides[axis] * extents[axis];
      index[axis] = 0;
    }
  }

  Shape extents;
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> index;
  std::int64_t offset = 0;
};

// Strides that walk an operand of shape `from` over the broadcast shape `to`.
inline std::vector<std::int64_t> broadcast_strides(const Shape& from, const Shape& to) {
  std::vector<std::int64_t> strides(to.size(), 0);
  const std::vector<std::int64_t> dense = dense_strides(from);
  const std::size_t skip = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) strides[skip + i] = from[i] == 1 ? 0 : dense[i];
  return strides;
}

}  // namespace lamina
