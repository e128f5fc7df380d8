// Integers over named sizes: what the operators of shape computations do to them.
#include <algorithm>
#include <cmath>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

// A list of expressions with its rank (0 or 1).
struct SizeList {
  Dims dims;
  std::size_t rank = 1;
};

std::optional<SizeList> as_list(const Item& item) {
  if (item.absent || item.list || item.rank() > 1) return std::nullopt;
  if (item.sizes) return SizeList{*item.sizes, item.rank()};
  if (!item.is_constant() || traits(item.dtype).is_float) return std::nullopt;
  const std::vector<std::int64_t> values = item.constant.to_integers();
  return SizeList{{values.begin(), values.end()}, item.rank()};
}

std::optional<std::vector<std::int64_t>> as_integers(const Item& item) {
  const auto list = as_list(item);
  return list ? constant_shape(list->dims) : std::nullopt;
}

std::optional<Item> same(const OnnxCall& call) { return call.in(0); }

std::optional<Item> cast(const OnnxCall& call) {
  const auto dtype = onnx_element(call.integer("to", 0)).dtype;
  if (dtype != DType::kI64 && dtype != DType::kI32) return std::nullopt;
  return sizes_item(*call.in(0).sizes, call.in(0).rank(), *dtype);
}

// Squeeze, Unsqueeze and Reshape between a scalar and a list of one.
std::optional<Item> to_rank(const OnnxCall& call) {
  const Item& x = call.in(0);
  if (!x.sizes) return std::nullopt;
  const bool one = x.sizes->size() == 1;
  if (call.node.op == "Squeeze" && one) return sizes_item(*x.sizes, 0, x.dtype);
  if (call.node.op == "Unsqueeze" && x.rank() == 0) return sizes_item(*x.sizes, 1, x.dtype);
  if (call.node.op != "Reshape" || !call.has(1)) return std::nullopt;
  const auto shape = as_integers(call.in(1));
  if (!shape || shape->size() > 1) return std::nullopt;
  return sizes_item(*x.sizes, shape->size(), x.dtype);
}

std::optional<Item> gather(const OnnxCall& call) {
  const Item& x = call.in(0);
  const auto indices = as_integers(call.in(1));
  if (!x.sizes || x.rank() != 1 || !indices) return std::nullopt;
  Dims out;
  for (const std::int64_t index : *indices) {
    out.push_back((*x.sizes)[static_cast<std::size_t>(call.axis(index, x.sizes->size()))]);
  }
  return sizes_item(out, call.in(1).rank(), x.dtype);
}

std::optional<Item> slice(const OnnxCall& call) {
  const Item& x = call.in(0);
  if (!x.sizes || x.rank() != 1) return std::nullopt;
  const auto bound = [&](std::size_t i, std::string_view name) {
    return call.has(i) ? as_integers(call.in(i)) : call.integers(name);
  };
  const auto starts = bound(1, "starts");
  const auto ends = bound(2, "ends");
  const std::int64_t step = call.has(4) ? call.known_integers(4, "steps").at(0) : 1;
  if (!starts || !ends || starts->size() != 1 || ends->size() != 1) return std::nullopt;
  const auto extent = static_cast<std::int64_t>(x.sizes->size());
  const SliceRange range = slice_range(call, extent, (*starts)[0], (*ends)[0], step);
  Dims out;
  for (std::int64_t i = 0; i < *range.size.constant(); ++i) {
    out.push_back((*x.sizes)[static_cast<std::size_t>(*range.start.constant() + i * step)]);
  }
  return sizes_item(out, 1, x.dtype);
}

std::optional<Item> concat(const OnnxCall& call) {
  Dims out;
  for (const Item& item : call.inputs) {
    const auto list = as_list(item);
    if (!list || list->rank != 1) return std::nullopt;
    out.insert(out.end(), list->dims.begin(), list->dims.end());
  }
  return sizes_item(out, 1, call.in(0).dtype);
}

std::optional<Dim> combine(const std::string& op, const Dim& a, const Dim& b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  const auto difference = lower_bound(a - b);
  const auto opposite = lower_bound(b - a);
  if (op == "Max" || op == "Min") {
    if (difference && *difference >= 0) return op == "Max" ? a : b;
    if (opposite && *opposite >= 0) return op == "Max" ? b : a;
    return std::nullopt;
  }
  // ONNX divides toward zero, which is the floor of what is not negative.
  const bool positive = lower_bound(a).value_or(-1) >= 0 && lower_bound(b).value_or(0) > 0;
  if (!positive) return std::nullopt;
  const Dim quotient = floor_div(a, b);
  return op == "Div" ? quotient : a - quotient * b;
}

// Calls use(i, a, b) for every pair of a broadcast of two lists; false: they do not broadcast.
template <class Use>
std::optional<SizeList> zip(const Item& x, const Item& y, Use use) {
  const auto a = as_list(x);
  const auto b = as_list(y);
  if (!a || !b) return std::nullopt;
  const std::size_t n = std::max(a->dims.size(), b->dims.size());
  if ((a->dims.size() != n && a->dims.size() != 1) || (b->dims.size() != n && b->dims.size() != 1))
    return std::nullopt;
  SizeList out{{}, std::max(a->rank, b->rank)};
  for (std::size_t i = 0; i < n; ++i) {
    const auto dim =
        use(a->dims[a->dims.size() == 1 ? 0 : i], b->dims[b->dims.size() == 1 ? 0 : i]);
    if (!dim) return std::nullopt;
    out.dims.push_back(*dim);
  }
  return out;
}

std::optional<Item> arithmetic(const OnnxCall& call) {
  if (call.count() != 2) return std::nullopt;
  if (call.node.op == "Mod" && call.integer("fmod", 0) != 0) return std::nullopt;
  const auto out = zip(call.in(0), call.in(1),
                       [&](const Dim& a, const Dim& b) { return combine(call.node.op, a, b); });
  if (!out) return std::nullopt;
  return sizes_item(out->dims, out->rank, call.in(0).dtype);
}

// Comparisons whose answer is the same for all sizes.
std::optional<Item> compare(const OnnxCall& call) {
  const std::string& op = call.node.op;
  const auto answer = [&](const Dim& a, const Dim& b) -> std::optional<Dim> {
    const auto above = lower_bound(a - b);
    const auto below = lower_bound(b - a);
    if (a == b) return op == "Equal" || op == "GreaterOrEqual" || op == "LessOrEqual" ? 1 : 0;
    if (above.value_or(0) > 0) return op == "Greater" || op == "GreaterOrEqual" ? 1 : 0;
    if (below.value_or(0) > 0) return op == "Less" || op == "LessOrEqual" ? 1 : 0;
    return std::nullopt;
  };
  const auto out = zip(call.in(0), call.in(1), answer);
  if (!out) return std::nullopt;
  return sizes_item(out->dims, out->rank, DType::kBool);
}

std::optional<Item> where(const OnnxCall& call) {
  const auto condition = call.in(0).is_constant() ? as_integers(call.in(0)) : std::nullopt;
  const auto x = as_list(call.in(1));
  const auto y = as_list(call.in(2));
  if (!condition || !x || !y) return std::nullopt;
  const std::size_t n = std::max({condition->size(), x->dims.size(), y->dims.size()});
  Dims out;
  for (std::size_t i = 0; i < n; ++i) {
    const auto at = [&](std::size_t count) { return count == 1 ? 0 : i; };
    const auto& from = (*condition)[at(condition->size())] != 0 ? *x : *y;
    if (at(from.dims.size()) >= from.dims.size()) return std::nullopt;
    out.push_back(from.dims[at(from.dims.size())]);
  }
  return sizes_item(out, std::max({call.in(0).rank(), x->rank, y->rank}), call.in(1).dtype);
}

std::optional<Item> product(const OnnxCall& call) {
  if (!call.in(0).sizes) return std::nullopt;
  const bool sum = call.node.op == "ReduceSum";
  Dim total = sum ? 0 : 1;
  for (const Dim& dim : *call.in(0).sizes) total = sum ? total + dim : total * dim;
  return sizes_item({total}, call.integer("keepdims", 1) != 0 ? 1 : 0, call.in(0).dtype);
}

// min(value, limit), where that is one of them for all sizes; a size alone is declared to be at
// most a constant limit.
Dim at_most(const OnnxCall& call, const Dim& value, const Dim& limit) {
  if (lower_bound(limit - value).value_or(-1) >= 0) return value;
  if (lower_bound(value - limit).value_or(-1) >= 0) return limit;
  for (SizeRange& size : call.b.graph().sizes) {
    if (value != Dim::size(size.name) || !limit.is_constant()) continue;
    size.max = std::min(size.max, *limit.constant());
    return value;
  }
  call.refuse("min({}, {}) is no expression over the sizes: give them values", value.to_string(),
              limit.to_string());
}

constexpr std::int64_t kFarAway = 100'000'000;  // a bound that means "to the end"

// One bound of a range as an index in [low, high].
Dim clamp_bound(const OnnxCall& call, const Dim& bound, const Dim& extent, bool backwards) {
  const Dim low = backwards ? -1 : 0;
  const Dim high = backwards ? extent - Dim(1) : extent;
  Dim value = bound;
  if (bound.is_constant()) {
    if (*bound.constant() >= kFarAway) return high;
    if (*bound.constant() <= -kFarAway) return low;
    if (*bound.constant() < 0) value = extent + bound;
  }
  if (value.is_constant() && *value.constant() < *low.constant()) return low;
  if (lower_bound(value).value_or(-2) < *low.constant()) {
    call.refuse("the bound {} may lie before the axis: give the sizes values", value.to_string());
  }
  return at_most(call, value, high);
}

}  // namespace

std::optional<std::int64_t> lower_bound(const Dim& dim) {
  std::int64_t bound = dim.constant_part();
  for (const Dim::Term& term : dim.terms()) {
    if (term.coefficient < 0) return std::nullopt;
    bool plain = true;
    for (const Dim::Factor& factor : term.factors) {
      plain = plain && factor.kind == Dim::Factor::Kind::kSize;
      for (const Dim& operand : factor.operands) {
        if (lower_bound(operand).value_or(-1) < 0) return std::nullopt;
      }
    }
    bound += plain ? term.coefficient : 0;  // quotients are at least 0
  }
  return bound;
}

SliceRange slice_range(const OnnxCall& call, const Dim& extent, Dim start, Dim end,
                       std::int64_t step) {
  require(step != 0 && std::abs(static_cast<double>(step)) < 1e9, "a range in steps of {}", step);
  const bool backwards = step < 0;
  const Dim first = clamp_bound(call, start, extent, backwards);
  const Dim last = clamp_bound(call, end, extent, backwards);
  const Dim size = backwards ? ceil_div(first - last, -step) : ceil_div(last - first, step);
  if (size.is_constant()) return {first, std::max<std::int64_t>(*size.constant(), 0)};
  if (lower_bound(size).value_or(-1) < 0) {
    call.refuse("the range [{}, {}) may be empty: give the sizes values", first.to_string(),
                last.to_string());
  }
  return {first, size};
}

std::optional<Item> fold_sizes(const OnnxCall& call) {
  using Fold = std::optional<Item> (*)(const OnnxCall&);
  static const std::map<std::string_view, Fold> folds = {
      {"Identity", same},       {"Cast", cast},
      {"Squeeze", to_rank},     {"Unsqueeze", to_rank},
      {"Reshape", to_rank},     {"Gather", gather},
      {"Slice", slice},         {"Concat", concat},
      {"Add", arithmetic},      {"Sub", arithmetic},
      {"Mul", arithmetic},      {"Div", arithmetic},
      {"Mod", arithmetic},      {"Max", arithmetic},
      {"Min", arithmetic},      {"Equal", compare},
      {"Less", compare},        {"Greater", compare},
      {"LessOrEqual", compare}, {"GreaterOrEqual", compare},
      {"Where", where},         {"ReduceProd", product},
      {"ReduceSum", product}};
  const auto fold = folds.find(call.node.op);
  return fold == folds.end() ? std::nullopt : fold->second(call);
}

}  // namespace lamina
