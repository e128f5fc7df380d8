// Sums over operators, and what is too small to be searched apart.
#include "pipeline/planners/graphpipe_pieces.h"

#include <algorithm>
#include <numeric>

#include "pipeline/index.h"

namespace lamina::pipeline {
namespace {

using Index = std::size_t;

double seconds_below(const Computation& computation, const SpTree& tree) {
  double seconds = 0.0;
  for (const int op : operators_below(tree)) {
    const Operator& each = computation.operators[at(op)];
    seconds += each.forward_s + each.input_gradient_s + each.weight_gradient_s + each.fixed_s;
  }
  return seconds;
}

bool is_leaf(const SpTree& tree) { return tree.kind == SpTree::Kind::kOperators; }

// Merges the leaves next to each other that are smallest together, as long as there are such.
std::vector<SpTree> merge_leaves(const Computation& computation, std::vector<SpTree> children,
                                 double grain_s) {
  std::vector<double> seconds;
  for (const SpTree& child : children) seconds.push_back(seconds_below(computation, child));
  while (true) {
    Index best = 0;
    double least = grain_s;
    for (Index i = 1; i < children.size(); ++i) {
      const double both = seconds[i - 1] + seconds[i];
      if (!is_leaf(children[i - 1]) || !is_leaf(children[i]) || both > least) continue;
      if (best != 0 && both == least) continue;
      best = i;
      least = both;
    }
    if (best == 0) return children;
    std::vector<int>& merged = children[best - 1].operators;
    merged.insert(merged.end(), children[best].operators.begin(), children[best].operators.end());
    std::sort(merged.begin(), merged.end());
    seconds[best - 1] = least;
    children.erase(children.begin() + static_cast<std::ptrdiff_t>(best));
    seconds.erase(seconds.begin() + static_cast<std::ptrdiff_t>(best));
  }
}

}  // namespace

void Shape::add(const Operator& op) {
  const std::array<double, 3> rates = {op.forward_s, op.input_gradient_s, op.weight_gradient_s};
  for (Index pass = 0; pass < rates.size(); ++pass) {
    rate_s[pass] += rates[pass];
    fixed_s[pass] += op.fixed_of(rates[pass]);
  }
  parameter_bytes += op.parameter_bytes;
  fixed_bytes += op.fixed_bytes;
  saved_bytes += op.saved_bytes;
  split_bytes += op.split_bytes;
  workspace_bytes = std::max(workspace_bytes, op.workspace_bytes);
}

Shape shape_of(const Computation& computation, const std::vector<int>& operators) {
  Shape shape;
  std::vector<bool> inside(computation.operators.size(), false);
  for (const int op : operators) {
    shape.add(computation.operators[at(op)]);
    inside[at(op)] = true;
  }
  std::vector<double> in(computation.operators.size(), 0.0), out = in;
  for (const Edge& edge : computation.edges) {
    if (inside[at(edge.from)] == inside[at(edge.to)]) continue;
    double& bytes = (inside[at(edge.to)] ? in : out)[at(edge.from)];
    bytes = std::max(bytes, edge.bytes);
    shape.has_inputs = shape.has_inputs || inside[at(edge.to)];
  }
  shape.in_bytes = std::accumulate(in.begin(), in.end(), 0.0);
  shape.out_bytes = std::accumulate(out.begin(), out.end(), 0.0);
  return shape;
}

SpTree without_small_forks(const Computation& computation, SpTree tree, double seconds) {
  if (is_leaf(tree)) return tree;
  std::vector<SpTree> children;
  if (tree.kind != SpTree::Kind::kSeries && seconds_below(computation, tree) <= seconds) {
    for (const int op : operators_below(tree)) {
      children.push_back({SpTree::Kind::kOperators, {op}, {}});
    }
    return in_series(std::move(children));
  }
  if (tree.kind == SpTree::Kind::kTangle) return tree;
  for (SpTree& child : tree.children) {
    children.push_back(without_small_forks(computation, std::move(child), seconds));
  }
  return tree.kind == SpTree::Kind::kParallel ? in_parallel(std::move(children))
                                              : in_series(std::move(children));
}

SpTree coarsen(const Computation& computation, SpTree tree, double grain_s) {
  if (is_leaf(tree)) return tree;
  if (seconds_below(computation, tree) <= grain_s) {
    return {SpTree::Kind::kOperators, operators_below(tree), {}};
  }
  std::vector<SpTree> children;
  for (SpTree& child : tree.children) {
    children.push_back(coarsen(computation, std::move(child), grain_s));
  }
  if (tree.kind == SpTree::Kind::kParallel) return in_parallel(std::move(children));
  if (tree.kind == SpTree::Kind::kTangle) return {tree.kind, {}, std::move(children)};
  return in_series(merge_leaves(computation, std::move(children), grain_s));
}

}  // namespace lamina::pipeline
