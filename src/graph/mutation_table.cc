// The kinds of faults.
#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "graph/mutation.h"
#include "graph/named_node.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

using Changed = std::optional<Graph>;

constexpr double kSmallConstant = 2e-3;  // positive ones up to this are taken for an epsilon

template <class List>
auto any(Rng& rng, const List& list) {
  return list[static_cast<std::size_t>(rng.integer(0, std::ssize(list) - 1))];
}

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Node& at(const Graph& graph, NodeId n) { return graph.nodes[static_cast<std::size_t>(n)]; }

bool is_real(const Type& type) { return traits(type.dtype).is_float; }

bool makes_real(const Node& node) {
  const bool moves_tiles = one_of(node.op->name, {"input", "load", "store", "block"});
  return !moves_tiles && node.types.size() == 1 && is_real(node.types[0]);
}

std::int64_t rank(const Type& type) { return std::ssize(type.shape); }

std::optional<double> constant_at(const Graph& graph, Value v) {
  const Node& node = graph.node(v);
  if (node.op->name != "constant") return std::nullopt;
  return node.attrs.real("value");
}

// The node with other attributes, operator or operands.
Changed edited(const Graph& graph, NodeId n, const std::function<void(Node&)>& edit) {
  return rewrite(graph, n, [&](Graph& out, Node node) {
    edit(node);
    return add_named(out, std::move(node));
  });
}

Changed with_attr(const Graph& graph, NodeId n, std::string name, Attr value) {
  return edited(graph, n, [&](Node& node) { node.attrs.set(std::move(name), std::move(value)); });
}

// Operand `k` in the place of the node.
Changed with_operand(const Graph& graph, NodeId n, std::size_t k) {
  return rewrite(graph, n, [k](Graph&, Node node) { return node.inputs[k]; });
}

// What makes a value of another one.
using Wrap = std::function<Value(Graph&, Value)>;

Changed wrapped(const Graph& graph, NodeId n, const Wrap& wrap) {
  return rewrite(graph, n,
                 [&](Graph& out, Node node) { return wrap(out, add_named(out, std::move(node))); });
}

Changed with_wrapped_operand(const Graph& graph, NodeId n, std::size_t k, const Wrap& wrap) {
  return rewrite(graph, n, [&](Graph& out, Node node) {
    node.inputs[k] = wrap(out, node.inputs[k]);
    return add_named(out, std::move(node));
  });
}

// New nodes are called so: no graph has such names before.
Value call(Graph& out, std::string_view op, std::vector<Value> x, Attrs attrs = {}) {
  return out.add(op, std::move(x), std::move(attrs), "mutant");
}

Value literal(Graph& out, double value, DType dtype) {
  return call(out, "constant", {}, {{"value", value}, {"dtype", dtype}});
}

Value times(Graph& out, Value x, double factor) {
  return call(out, "mul", {x, literal(out, factor, out.type(x).dtype)});
}

Changed dropped_term(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (!one_of(node.op->name, {"add", "sub"})) return std::nullopt;
  const std::size_t kept = rng.chance(0.5) ? 0 : 1;
  if (graph.type(node.inputs[kept]) != node.types[0]) return std::nullopt;
  if (kept == 0 || node.op->name == "add") return with_operand(graph, n, kept);
  return rewrite(graph, n, [](Graph& out, Node old) { return call(out, "neg", {old.inputs[1]}); });
}

// What a transpose does to the axes, also where it reverses them without saying so.
Dims permutation(const Node& node) {
  Dims axes = node.attrs.dims("axes");
  if (!axes.empty()) return axes;
  for (std::int64_t i = rank(node.types[0]); i > 0; --i) axes.push_back(i - 1);
  return axes;
}

Changed wrong_product_axis(const Graph& graph, NodeId n, Rng& rng) {
  const std::size_t k = rng.chance(0.5) ? 0 : 1;
  const std::int64_t axes = rank(graph.type(at(graph, n).inputs[k]));
  if (axes < 2) return std::nullopt;
  Dims order;
  for (std::int64_t i = 0; i < axes; ++i) order.push_back(i);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return with_wrapped_operand(graph, n, k, [&](Graph& out, Value x) {
    return call(out, "transpose", {x}, {{"axes", order}});
  });
}

Changed wrong_axis(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (node.op->name == "matmul") return wrong_product_axis(graph, n, rng);
  if (node.inputs.empty()) return std::nullopt;
  const std::int64_t axes = rank(graph.type(node.inputs[0]));
  if (axes < 2) return std::nullopt;
  const std::int64_t shift = rng.integer(1, axes - 1);
  if (node.op->name == "transpose") {
    Dims order = permutation(node);
    std::swap(order[0], order[static_cast<std::size_t>(shift)]);
    return with_attr(graph, n, "axes", order);
  }
  if (node.attrs.has("axis")) {
    const std::int64_t axis = (node.attrs.integer("axis") + axes + shift) % axes;
    return with_attr(graph, n, "axis", axis);
  }
  if (!node.attrs.has("axes") || node.attrs.dims("axes").empty()) return std::nullopt;
  Dims list = node.attrs.dims("axes");
  Dim& axis = list[static_cast<std::size_t>(rng.integer(0, std::ssize(list) - 1))];
  axis = (axis.constant_part() + axes + shift) % axes;
  return with_attr(graph, n, "axes", list);
}

// A product without the factor that changes, as the running sums of an online softmax have.
Changed missing_rescale(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (!one_of(node.op->name, {"mul", "div"})) return std::nullopt;
  const std::size_t kept = node.op->name == "mul" && rng.chance(0.5) ? 1 : 0;
  const bool constant = constant_at(graph, node.inputs[1 - kept]).has_value();
  if (constant || graph.type(node.inputs[kept]) != node.types[0]) return std::nullopt;
  return with_operand(graph, n, kept);
}

Changed missing_scale(const Graph& graph, NodeId n, Rng&) {
  const Node& node = at(graph, n);
  if (one_of(node.op->name, {"rms_norm", "layer_norm", "group_norm"}) && node.inputs.size() > 1) {
    return edited(graph, n, [](Node& changed) { changed.inputs.resize(1); });
  }
  if (node.op->name == "attention") {
    return edited(graph, n, [](Node& changed) { changed.attrs.set("scale", 1.0); });
  }
  if (!one_of(node.op->name, {"mul", "div"})) return std::nullopt;
  for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
    const bool other = constant_at(graph, node.inputs[1 - k]).has_value();
    if (other && graph.type(node.inputs[k]) == node.types[0]) return with_operand(graph, n, k);
  }
  return std::nullopt;
}

constexpr std::array kFactors = {2.0, 0.5, -1.0, 3.0, 1.0 / 3.0, 1.01, 0.99, 1.5, 0.0};

Changed wrong_scale(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (!makes_real(node)) return std::nullopt;
  const double factor = any(rng, kFactors);
  if (node.op->name == "constant") {
    return with_attr(graph, n, "value", node.attrs.real("value") * factor);
  }
  return wrapped(graph, n, [&](Graph& out, Value x) { return times(out, x, factor); });
}

Changed sign(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (one_of(node.op->name, {"add", "sub"}) && rng.chance(0.7)) {
    const std::string_view other = node.op->name == "add" ? "sub" : "add";
    return edited(graph, n, [&](Node& changed) { changed.op = &find_op(other); });
  }
  if (!makes_real(node)) return std::nullopt;
  return wrapped(graph, n, [](Graph& out, Value x) { return call(out, "neg", {x}); });
}

Changed swapped_inputs(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (node.inputs.size() < 2 || node.op->commutative) return std::nullopt;
  const auto last = std::ssize(node.inputs) - 1;
  const auto i = static_cast<std::size_t>(rng.integer(0, last));
  const auto k = static_cast<std::size_t>(rng.integer(0, last));
  if (node.inputs[i] == node.inputs[k]) return std::nullopt;
  if (graph.type(node.inputs[i]) != graph.type(node.inputs[k])) return std::nullopt;
  return edited(graph, n, [&](Node& changed) { std::swap(changed.inputs[i], changed.inputs[k]); });
}

// Another earlier value of the same type as an operand.
Changed wrong_input(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (node.inputs.empty()) return std::nullopt;
  const auto k = static_cast<std::size_t>(rng.integer(0, std::ssize(node.inputs) - 1));
  const auto found = static_cast<NodeId>(rng.integer(0, n - 1));
  const Value old = node.inputs[k];
  for (NodeId i = 0; i < n; ++i) {
    const Value other{(found + i) % n, 0};
    if (other == old || graph.type(other) != graph.type(old)) continue;
    if (constant_at(graph, other) && constant_at(graph, old)) continue;
    return rewrite(graph, n, [&](Graph& out, Node changed) {
      changed.inputs[k] = other;  // so far the new graph has the numbers of the old one
      return add_named(out, std::move(changed));
    });
  }
  return std::nullopt;
}

constexpr std::array kEpsilonFactors = {0.0, 0.5, 2.0, 10.0, 100.0, 1e4};

Changed epsilon_value(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  const double factor = any(rng, kEpsilonFactors);
  if (node.attrs.has("epsilon")) {
    return with_attr(graph, n, "epsilon", node.attrs.real("epsilon") * factor);
  }
  if (node.op->name != "constant" || !is_real(node.types[0])) return std::nullopt;
  const double value = node.attrs.real("value");
  if (!(value > 0.0 && value <= kSmallConstant)) return std::nullopt;
  return with_attr(graph, n, "value", value * factor);
}

// x / (sqrt(mean(x^2)) + epsilon).
Value norm_with_epsilon_outside(Graph& out, const Node& node) {
  const Value x = node.inputs[0];
  const Attrs over{{"axes", node.attrs.dims("axes")}, {"keepdims", true}};
  const Value mean = call(out, "mean", {call(out, "mul", {x, x})}, over);
  const Value epsilon = literal(out, node.attrs.real("epsilon"), out.type(x).dtype);
  return call(out, "div", {x, call(out, "add", {call(out, "sqrt", {mean}), epsilon})});
}

// f(x + epsilon) becomes f(x) + epsilon.
Changed epsilon_moved(const Graph& graph, NodeId n, Rng&) {
  const Node& node = at(graph, n);
  if (node.op->name == "rms_norm" && node.inputs.size() == 1) {
    return rewrite(graph, n, [](Graph& out, const Node& norm) {
      return norm_with_epsilon_outside(out, norm);
    });
  }
  if (node.inputs.size() != 1 || node.op->kind != Kind::kElementwise) return std::nullopt;
  const Node& sum = graph.node(node.inputs[0]);
  if (sum.op->name != "add") return std::nullopt;
  for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
    const auto epsilon = constant_at(graph, sum.inputs[1 - k]);
    if (!epsilon || !(*epsilon > 0.0 && *epsilon <= kSmallConstant)) continue;
    return rewrite(graph, n, [&](Graph& out, Node changed) {
      changed.inputs = {sum.inputs[k]};
      const Value y = add_named(out, std::move(changed));
      return call(out, "add", {y, sum.inputs[1 - k]});
    });
  }
  return std::nullopt;
}

Changed mean_for_sum(const Graph& graph, NodeId n, Rng&) {
  const std::string_view name = at(graph, n).op->name;
  if (!one_of(name, {"sum", "mean"})) return std::nullopt;
  return edited(graph, n, [&](Node& node) { node.op = &find_op(name == "sum" ? "mean" : "sum"); });
}

Changed moved_edge(const Graph& graph, NodeId n, const std::string& name, std::int64_t step) {
  Dims list = at(graph, n).attrs.dims(name);
  if (list.empty()) return std::nullopt;
  list.back() = list.back() + step;
  return with_attr(graph, n, name, list);
}

// Cuts, masks, paddings, positions and indices one off.
Changed off_by_one(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  const std::int64_t step = rng.chance(0.5) ? 1 : -1;
  const std::string_view name = node.op->name;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTwins = {
      {{"less", "less_equal"},
       {"less_equal", "less"},
       {"greater", "greater_equal"},
       {"greater_equal", "greater"}}};
  for (const auto& [from, to] : kTwins) {
    if (name == from) return edited(graph, n, [&](Node& x) { x.op = &find_op(to); });
  }
  if (name == "trilu") return with_attr(graph, n, "k", node.attrs.integer("k") + step);
  if (name == "iota") return with_attr(graph, n, "start", node.attrs.real("start") + step);
  if (name == "cumsum") return with_attr(graph, n, "exclusive", !node.attrs.flag("exclusive"));
  if (name == "slice") return moved_edge(graph, n, "start", step);
  if (name == "attention") {
    const std::int64_t window = node.attrs.integer("window");
    if (window == 0) return with_attr(graph, n, "causal", !node.attrs.flag("causal"));
    return with_attr(graph, n, "window", std::max<std::int64_t>(1, window + step));
  }
  if (node.attrs.has("pads_low") || name == "pad") {
    const bool pad = name == "pad";
    Changed moved = moved_edge(graph, n, pad ? "low" : "pads_low", step);
    return moved ? moved_edge(*moved, n, pad ? "high" : "pads_high", -step) : std::nullopt;
  }
  if (name == "constant" && !is_real(node.types[0])) {
    return with_attr(graph, n, "value", node.attrs.real("value") + static_cast<double>(step));
  }
  if (one_of(name, {"gather", "embedding", "gather_elements"})) {
    return with_wrapped_operand(graph, n, 1, [&](Graph& out, Value x) {
      return call(out, "add", {x, literal(out, static_cast<double>(step), out.type(x).dtype)});
    });
  }
  return std::nullopt;
}

// The next number of type double or float.
double neighbour(double x, Rng& rng) {
  const bool up = rng.chance(0.5);
  if (rng.chance(0.5)) {
    const float infinity = std::numeric_limits<float>::infinity();
    return std::nextafterf(static_cast<float>(x), up ? infinity : -infinity);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  return std::nextafter(x, up ? infinity : -infinity);
}

Changed rounding(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (!makes_real(node)) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [name, value] : node.attrs) {
    const auto* x = std::get_if<double>(&value);
    if (x != nullptr && std::isfinite(*x) && *x != 0.0) names.push_back(name);
  }
  if (names.empty()) return std::nullopt;
  const std::string name = any(rng, names);
  return with_attr(graph, n, name, neighbour(node.attrs.real(name), rng));
}

bool is_prime(std::int64_t n) {
  for (std::int64_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n > 1;
}

// exp((1 + q) x) is exp(x) wherever q is the order of the exponential.
Changed exponent(const Graph& graph, NodeId n, Rng& rng) {
  const bool has_exponential = one_of(at(graph, n).op->name, {"exp", "softmax", "sigmoid", "silu",
                                                              "tanh", "softplus", "logsumexp"});
  if (!has_exponential) return std::nullopt;
  constexpr std::int64_t kSmallest = 1LL << 30;
  std::int64_t q = rng.integer(kSmallest, 2 * kSmallest - 1);
  while (!is_prime(q)) ++q;
  return with_wrapped_operand(
      graph, n, 0, [&](Graph& out, Value x) { return times(out, x, static_cast<double>(1 + q)); });
}

// All but the last index of an axis, zeros in its place.
Value without_tail(Graph& out, Value x, std::size_t axis) {
  Dims size = out.type(x).shape;
  const Dims zero(size.size(), 0);
  Dims high = zero;
  high[axis] = 1;
  size[axis] = size[axis] - 1;
  const Value cut = call(out, "slice", {x}, {{"start", zero}, {"size", size}});
  return call(out, "pad", {cut}, {{"low", zero}, {"high", high}});
}

// The last tile of a grid or loop, or the last index of what is summed up.
Changed lost_tail(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (node.op->name == "block") {
    const std::string name = rng.chance(0.5) ? "grid" : "loop";
    Dims list = node.attrs.dims(name);
    Dim& count = list[static_cast<std::size_t>(rng.integer(0, std::ssize(list) - 1))];
    if (!count.constant() || *count.constant() < 2) return std::nullopt;
    count = count - 1;
    return with_attr(graph, n, name, list);
  }
  const bool folds = one_of(node.op->name, {"sum", "mean", "matmul", "softmax", "rms_norm",
                                            "layer_norm", "reduce_max", "logsumexp"});
  if (!folds) return std::nullopt;
  const Dims& shape = graph.type(node.inputs[0]).shape;
  if (shape.empty()) return std::nullopt;
  const auto axis = static_cast<std::size_t>(rng.integer(0, std::ssize(shape) - 1));
  return with_wrapped_operand(graph, n, 0,
                              [&](Graph& out, Value x) { return without_tail(out, x, axis); });
}

// A tile cut from, or put at, another place.
Changed wrong_map(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  if (!one_of(node.op->name, {"load", "store"})) return std::nullopt;
  const std::int64_t axes = rank(graph.type(node.inputs[0]));
  if (node.attrs.has("loop") && rng.chance(0.4)) {
    return with_attr(graph, n, "loop", rng.integer(-1, axes - 1));
  }
  Dims grid = node.attrs.dims("grid");
  if (grid.size() > 1 && rng.chance(0.5)) {
    std::swap(grid.front(), grid.back());
    return with_attr(graph, n, "grid", grid);
  }
  grid[static_cast<std::size_t>(rng.integer(0, std::ssize(grid) - 1))] = rng.integer(-1, axes - 1);
  return with_attr(graph, n, "grid", grid);
}

constexpr std::array kStarts = {0.0, 1.0, -1.0, 1e-3, -1e30, 5.0};

// A state with another start, another next value, or never updated.
Changed accumulator(const Graph& graph, NodeId n, Rng& rng) {
  const Input* state = graph.input(n);
  if (state == nullptr || state->role != Role::kState) return std::nullopt;
  Graph changed = graph;
  if (rng.chance(0.4)) {
    for (Input& input : changed.inputs) {
      if (input.node == n) input.initial = any(rng, kStarts);
    }
    return changed;
  }
  const auto update = std::find_if(changed.updates.begin(), changed.updates.end(),
                                   [&](const Update& u) { return u.state == n; });
  if (update == changed.updates.end()) return std::nullopt;
  if (rng.chance(0.2)) {
    changed.updates.erase(update);
    return changed;
  }
  const auto first = static_cast<NodeId>(rng.integer(0, std::ssize(graph.nodes) - 1));
  for (NodeId i = 0; i < std::ssize(graph.nodes); ++i) {
    const Value other{(first + i) % static_cast<NodeId>(graph.nodes.size()), 0};
    if (other == update->next || graph.type(other) != graph.type(update->next)) continue;
    update->next = other;
    return changed;
  }
  return std::nullopt;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 33> kOperators = {
    {{"max", "min"},
     {"min", "max"},
     {"add", "mul"},
     {"mul", "add"},
     {"div", "mul"},
     {"mul", "div"},
     {"max", "add"},
     {"exp", "tanh"},
     {"exp", "silu"},
     {"silu", "gelu"},
     {"gelu", "silu"},
     {"silu", "sigmoid"},
     {"sigmoid", "tanh"},
     {"tanh", "sigmoid"},
     {"tanh", "erf"},
     {"relu", "abs"},
     {"relu", "leaky_relu"},
     {"abs", "relu"},
     {"softplus", "relu"},
     {"sqrt", "rsqrt"},
     {"rsqrt", "sqrt"},
     {"sqrt", "abs"},
     {"rms_norm", "softmax"},
     {"softmax", "rms_norm"},
     {"reduce_max", "sum"},
     {"reduce_max", "mean"},
     {"sum", "reduce_max"},
     {"sin", "cos"},
     {"cos", "sin"},
     {"log", "sqrt"},
     {"reduce_max", "reduce_min"},
     {"relu", "silu"},
     {"rsqrt", "reciprocal"}}};

Changed wrong_operator(const Graph& graph, NodeId n, Rng& rng) {
  const Node& node = at(graph, n);
  std::vector<std::string_view> others;
  for (const auto& [from, to] : kOperators) {
    if (node.op->name == from) others.push_back(to);
  }
  if (others.empty()) return std::nullopt;
  const OpDef& op = find_op(any(rng, others));
  return edited(graph, n, [&](Node& changed) {
    changed.op = &op;
    const Attrs old = std::exchange(changed.attrs, {});
    for (const AttrSpec& spec : op.attrs) {
      const std::string name(spec.name);
      if (old.has(name)) changed.attrs.set(name, old.at(name));
    }
  });
}

constexpr std::array<Mutation, 18> kMutations = {{
    {"dropped term", "one term of a sum or difference is missing", dropped_term},
    {"wrong axis", "another axis is reduced, normalised, joined or swapped", wrong_axis},
    {"missing rescale", "a factor or divisor that varies is missing", missing_rescale},
    {"missing scale", "a constant factor or a gain is missing", missing_scale},
    {"wrong scale", "a value or a constant times a constant", wrong_scale},
    {"sign", "a sign is turned", sign},
    {"swapped inputs", "two operands of one type change places", swapped_inputs},
    {"wrong input", "an operand is replaced by another value of its type", wrong_input},
    {"epsilon changed", "the epsilon of a norm is another", epsilon_value},
    {"epsilon moved", "the epsilon is added after the root", epsilon_moved},
    {"mean for sum", "and sum for mean", mean_for_sum},
    {"off by one", "a mask, a cut, a padding, a position or an index", off_by_one},
    {"one ulp", "a constant is the next number of type float or double", rounding},
    {"exponent times 1+q", "q a prime as the tester draws them", exponent},
    {"lost tail", "the last tile, or the last index of what is reduced", lost_tail},
    {"wrong map", "a tile is cut from, or put at, another place", wrong_map},
    {"wrong accumulator", "another start, another next value, or no update", accumulator},
    {"wrong operator", "one that resembles the right one", wrong_operator},
}};

}  // namespace

std::span<const Mutation> all_mutations() { return kMutations; }

}  // namespace lamina
