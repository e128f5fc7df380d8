// The tolerance of a graph, and comparison by it.
#include "graph/tolerance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "graph/interpret.h"
#include "graph/simplify.h"

namespace lamina {
namespace {

// The dtype in which devices keep sums of values of this dtype.
DType accumulator(DType dtype) { return dtype == DType::kF64 ? DType::kF64 : DType::kF32; }

bool is_float(const Type& type) { return traits(type.dtype).is_float; }

// Moves copy what is stored already; everything else rounds its result.
bool rounds(const Node& node) {
  return node.op->name != "input" && node.op->kind != Kind::kMove && is_float(node.types[0]);
}

// The longest sum in one node.
std::int64_t reduction_length(const Graph& graph, const Node& node, const Sizes& sizes) {
  if (node.op->loop_form == nullptr) return 0;
  const Attrs attrs = bind_attrs(node.attrs, sizes);
  std::vector<Type> types;
  for (const Value& v : node.inputs) {
    const Type& type = graph.type(v);
    const Shape shape = evaluate(type.shape, sizes);
    types.push_back({type.dtype, Dims(shape.begin(), shape.end()), {}});
  }
  const LoopForm form = node.op->loop_form({*node.op, types, attrs, node.graphs});
  std::int64_t length = 1;
  for (std::size_t i = static_cast<std::size_t>(form.output_rank); i < form.extents.size(); ++i) {
    length *= form.extents[i].evaluate(sizes);
  }
  return length;
}

void include(Tolerance& total, const Tolerance& part) {
  total.reduction = std::max(total.reduction, part.reduction);
  total.store = std::max(total.store, part.store);
  total.accumulate = std::max(total.accumulate, part.accumulate);
}

Tolerance measure(const Graph& composite, const Sizes& sizes) {
  const Graph graph = simplify(composite);
  Tolerance total;
  std::vector<std::int64_t> depth(graph.nodes.size(), 0);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (const Value& v : node.inputs) {
      depth[n] = std::max(depth[n], depth[static_cast<std::size_t>(v.node)]);
    }
    if (rounds(node)) depth[n] += node.graphs.empty() ? 1 : 0;
    std::int64_t inner_depth = 0;
    for (const Graph& inner : node.graphs) {
      Tolerance part = measure(inner, sizes);
      if (node.op->name == "block") {
        part.reduction *= bind_attrs(node.attrs, sizes).integer("loop");
      }
      inner_depth = std::max(inner_depth, part.roundings);
      include(total, part);
    }
    depth[n] += inner_depth;
    total.roundings = std::max(total.roundings, depth[n]);
    total.reduction = std::max(total.reduction, reduction_length(graph, node, sizes));
    for (const Type& type : node.types) {
      if (!is_float(type)) continue;
      total.store = std::max(total.store, unit_roundoff(type.dtype));
      total.accumulate = std::max(total.accumulate, unit_roundoff(accumulator(type.dtype)));
    }
  }
  return total;
}

bool close(double got, double want, double allowed) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got);
  if (std::isinf(want) || std::isinf(got)) return got == want;
  return std::fabs(got - want) <= allowed;
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
         2.0 * std::sqrt(static_cast<double>(reduction)) * accumulate;
}

Tolerance tolerance(const Graph& graph, const Sizes& sizes) { return measure(graph, sizes); }

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
  const auto length = static_cast<std::size_t>(want.shape().empty() ? 1 : want.shape().back());
  for (std::size_t start = 0; start < b.size(); start += length) {
    const double mean = row_mean(std::span(b).subspan(start, length));
    for (std::size_t i = start; i < start + length; ++i) {
      const double allowed = tolerance.relative() * (std::fabs(b[i]) + mean);
      if (close(a[i], b[i], allowed)) continue;
      return fmt::format("element {} is {}, expected {} within {:.3g}", i, a[i], b[i], allowed);
    }
  }
  return std::nullopt;
}

}  // namespace lamina
