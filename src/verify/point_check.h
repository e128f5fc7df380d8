// Two graphs at one real point, enclosed by intervals.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lamina/verify.h"
#include "verify/inputs.h"

namespace lamina {

// What is compared, and on what.
struct GraphPair {
  const Graph& a;
  const Graph& b;
  const std::vector<InputPlan>& plans;
  const Sizes& sizes;
  const VerifyOptions& options;
};

using RealPoint = std::vector<Array<Interval>>;  // integers are whole, reals are single doubles

// The elements of every input, reals as f64.
std::vector<Tensor> to_tensors(const RealPoint& point);

// How far the values of two graphs are apart at a point.
struct PointResult {
  // The first element whose values certainly differ by kClearly of their magnitude, else the one
  // with the greatest `gap`; element -1: no two ranges are disjoint.
  std::size_t value = 0;
  std::int64_t element = -1;
  double a = 0.0;  // the middle of the range
  double b = 0.0;
  double gap = 0.0;  // the least possible |a - b| / max(|a|, |b|)
  // Bounds of the greatest |a - b| of all elements, over the greatest magnitude of the output that
  // they belong to.
  double least_distance = 0.0;
  double most_distance = 0.0;
  std::int64_t compared = 0;   // elements that are bounded in both graphs
  std::int64_t unbounded = 0;  // others
  std::string one_sided;       // what one graph bounds and the other does not
};

constexpr double kClearly = 1e-6;
// Graphs that are at no point farther apart than this are numerically close: about a hundred
// roundings of f32.
constexpr double kClose = 1e-5;

// What two enclosures of one value say: disjoint by kClearly of their magnitude, or that one of
// them is bounded and the other is not (a division by zero, say).
enum class Meeting : std::uint8_t { kOpen, kApart, kOneSided };
Meeting meeting(const Interval& x, const Interval& y);

// Throws kUnsupported where a branch is not decided at the point.
PointResult compare_at(const GraphPair& pair, const RealPoint& point);

// Whether equality is claimed there (VerifyOptions::claims).
bool is_claimed(const GraphPair& pair, const RealPoint& point);

}  // namespace lamina
