// Boxes of elements: what a part of a value covers.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

#include "lamina/tensor.h"

namespace lamina {

// Along each axis the elements [start, start + length). Never empty.
struct Box {
  Shape start;
  Shape length;

  std::int64_t end(std::size_t axis) const { return start[axis] + length[axis]; }
  auto operator<=>(const Box&) const = default;
};

inline Box whole_box(const Shape& shape) { return {Shape(shape.size(), 0), shape}; }

inline bool is_inside(const Box& box, const Box& outer) {
  for (std::size_t i = 0; i < box.start.size(); ++i) {
    if (box.start[i] < outer.start[i] || box.end(i) > outer.end(i)) return false;
  }
  return true;
}

inline bool overlap(const Box& a, const Box& b) {
  for (std::size_t i = 0; i < a.start.size(); ++i) {
    if (a.start[i] >= b.end(i) || b.start[i] >= a.end(i)) return false;
  }
  return true;
}

// The least box that holds both.
inline Box hull(const Box& a, const Box& b) {
  Box box = a;
  for (std::size_t i = 0; i < a.start.size(); ++i) {
    box.start[i] = std::min(a.start[i], b.start[i]);
    box.length[i] = std::max(a.end(i), b.end(i)) - box.start[i];
  }
  return box;
}

// `box` seen from `origin`.
inline Box relative_to(const Shape& origin, Box box) {
  for (std::size_t i = 0; i < origin.size(); ++i) box.start[i] -= origin[i];
  return box;
}

inline Box moved_by(const Shape& origin, Box box) {
  for (std::size_t i = 0; i < origin.size(); ++i) box.start[i] += origin[i];
  return box;
}

}  // namespace lamina
