// The tolerance of a graph, and comparison by it.
#include "graph/tolerance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "base/check.h"
#include "graph/interpret.h"
#include "graph/simplify.h"

namespace lamina {
namespace {

// The dtype in which devices keep sums of values of this dtype.
DType accumulator(DType dtype) { return dtype == DType::kF64 ? DType::kF64 : DType::kF32; }

bool is_float(const Type& type) { return traits(type.dtype).is_float; }

std::int64_t product(std::span<const Dim> extents, const Sizes& sizes) {
  std::int64_t result = 1;
  for (const Dim& extent : extents) result *= extent.evaluate(sizes);
  return result;
}

// How often the results of one node are rounded to storage, and the terms of its longest sum.
struct Rounding {
  std::int64_t roundings = 0;
  std::int64_t reduction = 0;
};

// A scatter that adds keeps its sums in the output itself: in the worst case every term goes to
// the same element. Other moves copy what is stored already.
Rounding rounding_of(const MoveForm& form, const Sizes& sizes) {
  Rounding result;
  for (const Copy& copy : form.copies) {
    if (copy.combine != Combine::kAdd && copy.combine != Combine::kMul) continue;
    result.roundings += product(copy.extents, sizes);
  }
  return result;
}

Rounding rounding_of(const LoopForm& form, const Sizes& sizes) {
  return {1, product(std::span(form.extents).subspan(static_cast<std::size_t>(form.output_rank)),
                     sizes)};
}

Rounding rounding_of(const Graph& graph, const Node& node, const Sizes& sizes) {
  if (node.op->name == "input" || !node.graphs.empty() || !is_float(node.types[0])) return {};
  const Attrs attrs = bind_attrs(node.attrs, sizes);
  std::vector<Type> types;
  for (const Value& v : node.inputs) {
    const Type& type = graph.type(v);
    const Shape shape = evaluate(type.shape, sizes);
    types.push_back({type.dtype, Dims(shape.begin(), shape.end()), {}});
  }
  const NodeView seen{*node.op, types, attrs, node.graphs};
  if (node.op->loop_form != nullptr) return rounding_of(node.op->loop_form(seen), sizes);
  if (node.op->move_form != nullptr) return rounding_of(node.op->move_form(seen), sizes);
  return {node.op->kind == Kind::kElementwise ? 1 : 0, 0};
}

void include(Tolerance& total, const Tolerance& part) {
  total.reduction = std::max(total.reduction, part.reduction);
  total.store = std::max(total.store, part.store);
  total.accumulate = std::max(total.accumulate, part.accumulate);
}

// How many results of contractions are multiplied in each value of `graph`, at most; `inner`: of
// the values of its regions. A contraction of such values is one sum again; what a reduction
// leaves is the same for a whole row.
std::vector<std::int64_t> count_factors(const Graph& graph,
                                        const std::vector<std::int64_t>& inner) {
  std::vector<std::int64_t> factors(graph.nodes.size(), 0);
  const int rounds = graph.updates.empty() ? 1 : 2;  // states hold what a first round finds
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      if (node.op->name == "input") continue;
      const bool product = node.op->name == "mul";
      std::int64_t count = inner[n];
      for (const Value& v : node.inputs) {
        const std::int64_t given = factors[static_cast<std::size_t>(v.node)];
        count = product ? count + given : std::max(count, given);
      }
      const Kind kind = node.op->kind;
      factors[n] = kind == Kind::kContract ? 1 : kind == Kind::kReduce ? 0 : count;
    }
    for (const Update& update : graph.updates) {
      factors[static_cast<std::size_t>(update.state)] =
          std::min<std::int64_t>(1, factors[static_cast<std::size_t>(update.next.node)]);
    }
  }
  return factors;
}

// How far products of m normal numbers reach beyond what one of them does, both at the probability
// of five standard deviations, p: P(|x_1 ... x_m| > t) is about exp(-m t^(2/m) / 2).
double spread(std::int64_t factors) {
  constexpr double kLogProbability = 14.4;  // -ln p
  const auto m = static_cast<double>(std::max<std::int64_t>(1, factors));
  return std::pow(2.0 * kLogProbability / m, m / 2.0) / std::sqrt(2.0 * kLogProbability);
}

Tolerance measure(const Graph& composite, const Sizes& sizes) {
  const Graph graph = simplify(composite);
  Tolerance total;
  std::vector<std::int64_t> depth(graph.nodes.size(), 0);
  std::vector<std::int64_t> inner_factors(graph.nodes.size(), 0);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (const Value& v : node.inputs) {
      depth[n] = std::max(depth[n], depth[static_cast<std::size_t>(v.node)]);
    }
    const Rounding rounding = rounding_of(graph, node, sizes);
    std::int64_t inner_depth = 0;
    for (const Graph& inner : node.graphs) {
      Tolerance part = measure(inner, sizes);
      if (node.op->name == "block" && !inner.updates.empty()) {
        const std::int64_t iterations = bind_attrs(node.attrs, sizes).integer("loop");
        part.reduction = std::max<std::int64_t>(1, part.reduction) * iterations;
      }
      inner_depth = std::max(inner_depth, part.roundings);
      inner_factors[n] = std::max(inner_factors[n], part.factors);
      include(total, part);
    }
    depth[n] += rounding.roundings + inner_depth;
    total.roundings = std::max(total.roundings, depth[n]);
    total.reduction = std::max(total.reduction, rounding.reduction);
    for (const Type& type : node.types) {
      if (!is_float(type)) continue;
      total.store = std::max(total.store, unit_roundoff(type.dtype));
      total.accumulate = std::max(total.accumulate, unit_roundoff(accumulator(type.dtype)));
    }
  }
  const std::vector<std::int64_t> factors = count_factors(graph, inner_factors);
  for (const Output& output : graph.outputs) {
    total.factors = std::max(total.factors, factors[static_cast<std::size_t>(output.value.node)]);
  }
  return total;
}

bool close(double got, double want, double allowed) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got);
  if (std::isinf(want) || std::isinf(got)) return got == want;
  return std::fabs(got - want) <= allowed;
}

std::size_t row_length(const Shape& shape) {
  const auto last = std::find_if(shape.rbegin(), shape.rend(), [](auto n) { return n != 1; });
  return last == shape.rend() ? 1 : static_cast<std::size_t>(*last);
}

double row_mean(std::span<const double> row) {
  double sum = 0.0;
  for (const double x : row) sum += std::isfinite(x) ? std::fabs(x) : 0.0;
  return row.empty() ? 0.0 : sum / static_cast<double>(row.size());
}

}  // namespace

double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return 0x1p-53;
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF16:
      return 0x1p-11;
    default:
      return traits(dtype).is_float ? 0x1p-24 : 0.0;
  }
}

double Tolerance::relative() const {
  return 4.0 * std::sqrt(static_cast<double>(roundings)) * store +
         2.0 * std::sqrt(static_cast<double>(reduction)) * accumulate * spread(factors);
}

Tolerance tolerance(const Graph& graph, const Sizes& sizes) { return measure(graph, sizes); }

std::vector<double> error_scales(std::span<const double> want, const Shape& shape) {
  const std::size_t length = row_length(shape);
  std::vector<double> scales(want.size());
  for (std::size_t start = 0; start < want.size(); start += length) {
    const double mean = row_mean(want.subspan(start, length));
    for (std::size_t i = start; i < start + length; ++i) scales[i] = std::fabs(want[i]) + mean;
  }
  return scales;
}

std::optional<std::string> difference(const Tensor& got, const Tensor& want,
                                      const Tolerance& tolerance) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) {
    return fmt::format("got {}{}, expected {}{}", traits(got.dtype()).name, to_string(got.shape()),
                       traits(want.dtype()).name, to_string(want.shape()));
  }
  if (!traits(want.dtype()).is_float) {
    const std::vector<std::int64_t> a = got.to_integers();
    const std::vector<std::int64_t> b = want.to_integers();
    const auto at = std::mismatch(a.begin(), a.end(), b.begin());
    if (at.first == a.end()) return std::nullopt;
    return fmt::format("element {} is {}, expected {}", at.first - a.begin(), *at.first,
                       *at.second);
  }
  const std::vector<double> a = got.to_doubles();
  const std::vector<double> b = want.to_doubles();
  const std::vector<double> scales = error_scales(b, want.shape());
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double allowed = tolerance.relative() * scales[i];
    if (close(a[i], b[i], allowed)) continue;
    return fmt::format("element {} is {}, expected {} within {:.3g}", i, a[i], b[i], allowed);
  }
  return std::nullopt;
}

double deviation(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!difference(got, want, tolerance)) return 0.0;
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) return kInfinity;
  if (!traits(want.dtype()).is_float) return kInfinity;
  const std::vector<double> a = got.to_doubles();
  const std::vector<double> b = want.to_doubles();
  const std::vector<double> scales = error_scales(b, want.shape());
  double worst = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double allowed = tolerance.relative() * scales[i];
    if (close(a[i], b[i], allowed)) continue;
    const double off = std::fabs(a[i] - b[i]) / allowed;
    worst = std::max(worst, std::isnan(off) ? kInfinity : off);
  }
  return worst;
}

}  // namespace lamina
