// The interpreter over the number types of the numerical layer.
#include "verify/numeric_run.h"

#include <algorithm>
#include <utility>

#include "verify/evaluate.h"
#include "verify/numeric_domains.h"

namespace lamina {
namespace {

bool holds_f64(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return std::any_of(node.types.begin(), node.types.end(),
                       [](const Type& type) { return type.dtype == DType::kF64; }) ||
           std::any_of(node.graphs.begin(), node.graphs.end(), holds_f64);
  });
}

template <class Domain>
auto run_in(const Graph& graph, const NumericSample& sample, Trace* trace) {
  using Number = typename Domain::Number;
  std::vector<Array<Number>> inputs;
  for (const Array<double>& from : sample) {
    Array<Number> to{from.dtype, from.shape, {}, from.whole, from.is_whole};
    for (const double x : from.real) to.real.push_back(Number{x});
    inputs.push_back(std::move(to));
  }
  Domain domain(trace);
  return evaluate(graph, domain, std::move(inputs), {});
}

template <class Number>
NumericResults results_of(const std::vector<Array<Number>>& arrays) {
  NumericResults results;
  for (const Array<Number>& a : arrays) results.push_back(values_of(a));
  return results;
}

template <class Sum>
BoundedResults bounded_in(const Graph& graph, const NumericSample& sample) {
  const auto arrays = run_in<BoundedDomain<Sum>>(graph, sample, nullptr);
  BoundedResults results{results_of(arrays), {}};
  for (const auto& a : arrays) {
    results.errors.emplace_back(a.count(), 0.0);
    for (std::size_t i = 0; i < a.real.size(); ++i) results.errors.back()[i] = a.real[i].error;
  }
  return results;
}

}  // namespace

NumericResults run_exact(const Graph& graph, const NumericSample& sample, Trace* trace) {
  return results_of(run_in<ExactDomain>(graph, sample, trace));
}

NumericResults run_rounded(const Graph& graph, const NumericSample& sample, Trace* trace) {
  return holds_f64(graph) ? results_of(run_in<RoundedDomain<double>>(graph, sample, trace))
                          : results_of(run_in<RoundedDomain<float>>(graph, sample, trace));
}

BoundedResults run_bounded(const Graph& graph, const NumericSample& sample) {
  return holds_f64(graph) ? bounded_in<double>(graph, sample) : bounded_in<float>(graph, sample);
}

}  // namespace lamina
