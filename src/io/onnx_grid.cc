// ONNX operators that sample a tensor at computed places, small determinants, and compression.
#include <cmath>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

// Sampling x [n, c, h, w] at grid [n, oh, ow, 2]: the numbers that all steps share.
struct Sampler {
  const OnnxCall& call;
  OnnxBuilder& b;
  const Item& x;
  Dims points;  // [n, oh, ow]
  std::string padding;
  bool corners;

  Item number(double v) const { return OnnxBuilder::scalar(v, call.in(1).dtype); }
  Item add(const Item& p, const Item& q) const { return b.add("add", {p, q}); }
  Item sub(const Item& p, const Item& q) const { return b.add("sub", {p, q}); }
  Item mul(const Item& p, const Item& q) const { return b.add("mul", {p, q}); }
  Item extent(std::size_t axis) const {
    return b.cast(sizes_item({x.shape[axis]}, 0), call.in(1).dtype);
  }
  Item clamped(const Item& p, std::size_t axis) const {
    const Item last = sub(extent(axis), number(1));
    return b.add("min", {b.add("max", {p, number(0)}), last});
  }

  // Coordinate -1 is the first element (corners) or its outer edge, 1 the last.
  Item place(std::int64_t which, std::size_t axis) const {
    const Item p = b.reshape(b.slice(call.in(1), 3, which, 1), points);
    const Item n = extent(axis);
    const Item unit = add(p, number(1));
    if (corners) return mul(unit, mul(sub(n, number(1)), number(0.5)));
    return mul(sub(mul(unit, n), number(1)), number(0.5));
  }

  // Mirrors at the first and last element (corners) or at their outer edges.
  Item reflected(const Item& p, std::size_t axis) const {
    const Item low = number(corners ? 0.0 : -0.5);
    const Item span = corners ? sub(extent(axis), number(1)) : extent(axis);
    const Item off = b.add("abs", {sub(p, low)});
    const Item flips = b.add("floor", {b.add("div", {off, span})});
    const Item rest = sub(off, mul(flips, span));
    const Item odd = b.add("equal", {b.add("mod", {flips, number(2)}), number(1)});
    const Item at = add(b.select(odd, sub(span, rest), rest), low);
    // A single element has no span.
    return clamped(b.select(b.add("greater", {span, number(0)}), at, number(0)), axis);
  }

  Item bounded(const Item& p, std::size_t axis) const {
    if (padding == "border") return clamped(p, axis);
    return padding == "reflection" ? reflected(p, axis) : p;
  }

  // x at whole places (as floats), 0 outside: [n, c, oh * ow].
  Item at(const Item& row, const Item& column) const {
    const Item r = clamped(row, 2);
    const Item c = clamped(column, 3);
    const Item linear = b.cast(b.rounded(add(mul(r, extent(3)), c)), DType::kI64);
    const Dim count = points[1] * points[2];
    const Item index =
        b.broadcast(b.reshape(linear, {points[0], 1, count}), {x.shape[0], x.shape[1], count});
    const Item flat = b.reshape(x, {x.shape[0], x.shape[1], x.shape[2] * x.shape[3]});
    const Item values = b.add("gather_elements", {flat, index}, {{"axis", 2}});
    if (padding != "zeros") return values;
    const Item inside =
        b.add("logical_and", {b.add("equal", {r, row}), b.add("equal", {c, column})});
    return b.select(b.reshape(inside, {points[0], 1, count}), values,
                    OnnxBuilder::scalar(0.0, x.dtype));
  }

  Item weighted(const Item& values, const Item& weight) const {
    return mul(values, b.reshape(weight, {points[0], 1, points[1] * points[2]}));
  }
};

// Keys' cubic kernel at the four neighbours of a place that lies t behind the second.
std::vector<Item> cubic_weights(const Sampler& s, const Item& t) {
  constexpr double kA = -0.75;
  const auto far = [&](const Item& d) {
    const Item inner = s.sub(s.mul(s.number(kA), d), s.number(5 * kA));
    return s.sub(s.mul(s.add(s.mul(inner, d), s.number(8 * kA)), d), s.number(4 * kA));
  };
  const auto near = [&](const Item& d) {
    const Item inner = s.sub(s.mul(s.number(kA + 2), d), s.number(kA + 3));
    return s.add(s.mul(s.mul(inner, d), d), s.number(1));
  };
  const Item u = s.sub(s.number(1), t);
  return {far(s.add(t, s.number(1))), near(t), near(u), far(s.add(u, s.number(1)))};
}

// The sum over neighbours, along each axis `weights` beginning `first` before the floor.
Item neighbours(const Sampler& s, const Item& row, const Item& column, bool cubic) {
  const Item top = s.b.add("floor", {row});
  const Item left = s.b.add("floor", {column});
  const auto weights = [&](const Item& p, const Item& floor) {
    const Item t = s.sub(p, floor);
    return cubic ? cubic_weights(s, t) : std::vector<Item>{s.sub(s.number(1), t), t};
  };
  const std::vector<Item> down = weights(row, top);
  const std::vector<Item> across = weights(column, left);
  Item sum;
  for (std::size_t i = 0; i < down.size(); ++i) {
    for (std::size_t k = 0; k < across.size(); ++k) {
      const double before = cubic ? 1.0 : 0.0;
      Item r = s.add(top, s.number(static_cast<double>(i) - before));
      Item c = s.add(left, s.number(static_cast<double>(k) - before));
      if (cubic) {
        r = s.bounded(r, 2);
        c = s.bounded(c, 3);
      }
      const Item part = s.weighted(s.at(r, c), s.mul(down[i], across[k]));
      sum = sum.absent ? part : s.add(sum, part);
    }
  }
  return sum;
}

Items grid_sample(const OnnxCall& call) {
  const Item& x = call.in(0);
  const Item& grid = call.in(1);
  if (x.rank() != 4 || grid.rank() != 4) call.refuse("an input of rank {} (4 is)", x.rank());
  require(grid.shape[3] == Dim(2) && grid.dtype == x.dtype, "a grid {}", to_string(grid.shape));
  const Sampler s{call,
                  call.b,
                  x,
                  {grid.shape[0], grid.shape[1], grid.shape[2]},
                  call.text("padding_mode", "zeros"),
                  call.integer("align_corners", 0) != 0};
  require(s.padding == "zeros" || s.padding == "border" || s.padding == "reflection",
          "padding_mode '{}'", s.padding);
  const std::string mode = call.text("mode", "bilinear");
  Item column = s.place(0, 3);
  Item row = s.place(1, 2);
  const bool cubic = mode == "bicubic" || mode == "cubic";
  if (!cubic) {
    column = s.bounded(column, 3);
    row = s.bounded(row, 2);
  }
  Item y;
  if (mode == "nearest") {
    y = s.at(call.b.add("round", {row}), call.b.add("round", {column}));
  } else {
    require(cubic || mode == "bilinear" || mode == "linear", "mode '{}'", mode);
    y = neighbours(s, row, column, cubic);
  }
  return {call.b.reshape(y, {x.shape[0], x.shape[1], grid.shape[1], grid.shape[2]})};
}

// By cofactors: exact enough for 3 x 3, which is as far as it goes.
Items det(const OnnxCall& call) {
  OnnxBuilder& b = call.b;
  const Item& x = call.in(0);
  require(x.rank() >= 2 && x.shape[x.rank() - 2] == x.shape[x.rank() - 1], "{} is not square",
          to_string(x.shape));
  if (!x.shape.back().is_constant() || *x.shape.back().constant() > 3) {
    call.refuse("matrices of size {} (up to 3)", x.shape.back().to_string());
  }
  const std::int64_t n = *x.shape.back().constant();
  const auto at = [&](std::int64_t i, std::int64_t k) {
    const Item row = b.select_index(x, static_cast<int>(x.rank()) - 2, i);
    return b.select_index(row, static_cast<int>(row.rank()) - 1, k);
  };
  if (n == 0) return {b.filled(1.0, x.dtype, {x.shape.begin(), x.shape.end() - 2})};
  if (n == 1) return {at(0, 0)};
  const auto minor = [&](std::int64_t i, std::int64_t k, std::int64_t c, std::int64_t d) {
    return b.add("sub", {b.add("mul", {at(i, c), at(k, d)}), b.add("mul", {at(i, d), at(k, c)})});
  };
  if (n == 2) return {minor(0, 1, 0, 1)};
  const Item first = b.add("mul", {at(0, 0), minor(1, 2, 1, 2)});
  const Item second = b.add("mul", {at(0, 1), minor(1, 2, 0, 2)});
  const Item third = b.add("mul", {at(0, 2), minor(1, 2, 0, 1)});
  return {b.add("add", {b.add("sub", {first, second}), third})};
}

// The condition decides the shape: it must be known.
Items compress(const OnnxCall& call) {
  const bool flat = !call.has_attr("axis");
  Item x = call.in(0);
  if (flat) {
    Dim total = 1;
    for (const Dim& dim : x.shape) total = total * dim;
    x = call.b.reshape(x, {total});
  }
  const int axis = flat ? 0 : call.axis(call.integer("axis", 0), x.rank());
  std::vector<std::int64_t> kept;
  const std::vector<std::int64_t> condition = call.known(1, "condition").to_integers();
  for (std::size_t i = 0; i < condition.size(); ++i) {
    if (condition[i] != 0) kept.push_back(static_cast<std::int64_t>(i));
  }
  const Shape shape{static_cast<std::int64_t>(kept.size())};
  const Item index = constant_item(Tensor::from_integers(DType::kI64, shape, kept));
  return {call.b.add("gather", {x, index}, {{"axis", std::int64_t{axis}}})};
}

}  // namespace

std::span<const OnnxRule> onnx_grid_rules() {
  static const OnnxRule rules[] = {
      {"GridSample", grid_sample}, {"Det", det}, {"Compress", compress}};
  return rules;
}

}  // namespace lamina
