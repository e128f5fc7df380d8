// ONNX reductions, softmaxes, arg-reductions and running sums.
#include <algorithm>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

// What is done to the elements before and to the totals after a reduction ("": nothing).
struct Reduction {
  std::string_view onnx;
  std::string_view before;
  std::string_view op;
  std::string_view after;
};

constexpr Reduction kReductions[] = {
    {"ReduceSum", "", "sum", ""},          {"ReduceMean", "", "mean", ""},
    {"ReduceMax", "", "reduce_max", ""},   {"ReduceMin", "", "reduce_min", ""},
    {"ReduceProd", "", "reduce_prod", ""}, {"ReduceL1", "abs", "sum", ""},
    {"ReduceL2", "square", "sum", "sqrt"}, {"ReduceSumSquare", "square", "sum", ""},
    {"ReduceLogSum", "", "sum", "log"},    {"ReduceLogSumExp", "", "logsumexp", ""},
};

Items reduce(const OnnxCall& call) {
  const auto* row = std::find_if(std::begin(kReductions), std::end(kReductions),
                                 [&](const Reduction& r) { return r.onnx == call.node.op; });
  Item x = call.in(0);
  Dims axes;
  for (const std::int64_t axis : call.known_integers(1, "axes")) axes.push_back(axis);
  const bool nothing = axes.empty() && call.integer("noop_with_empty_axes", 0) != 0;
  if (nothing && row->before.empty() && row->after.empty() && row->op != "logsumexp") return {x};
  if (nothing) call.refuse("noop_with_empty_axes without axes");
  if (row->before == "square") {
    x = call.b.add("mul", {x, x});
  } else if (!row->before.empty()) {
    x = call.b.add(row->before, {x});
  }
  const bool keep = call.integer("keepdims", 1) != 0;
  // Over no axes at all (a scalar), the reduction of one element.
  const Item total = call.b.add(row->op, {x}, {{"axes", axes}, {"keepdims", keep}});
  if (row->after.empty()) return {total};
  return {call.b.add(row->after, {total})};
}

// Before opset 13 these saw a matrix: the axes from `axis` on were one.
template <class Build>
Items along_axis(const OnnxCall& call, Build build) {
  const Item& x = call.in(0);
  const bool matrix = call.opset() < 13;
  const int axis = call.axis(call.integer("axis", matrix ? 1 : -1), x.rank());
  if (!matrix || static_cast<std::size_t>(axis) + 1 == x.rank()) return {build(x, axis)};
  Dims shape{1, 1};
  for (std::size_t i = 0; i < x.rank(); ++i) {
    Dim& part = shape[i < static_cast<std::size_t>(axis) ? 0 : 1];
    part = part * x.shape[i];
  }
  return {call.b.reshape(build(call.b.reshape(x, shape), 1), x.shape)};
}

Items softmax(const OnnxCall& call) {
  const std::string_view op = call.node.op == "Softmax" ? "softmax" : "log_softmax";
  return along_axis(call, [&](const Item& x, int axis) {
    return call.b.add(op, {x}, {{"axis", std::int64_t{axis}}});
  });
}

Items hardmax(const OnnxCall& call) {
  return along_axis(call, [&](const Item& x, int axis) {
    const Item best = call.b.add("argmax", {x}, {{"axis", std::int64_t{axis}}, {"keepdims", true}});
    Dims counting(x.rank(), 1);
    counting[static_cast<std::size_t>(axis)] = x.shape[static_cast<std::size_t>(axis)];
    const Item places =
        call.b.reshape(call.b.iota(x.shape[static_cast<std::size_t>(axis)]), counting);
    return call.b.cast(call.b.add("equal", {best, places}), x.dtype);
  });
}

Items arg_reduce(const OnnxCall& call) {
  const Item& x = call.in(0);
  const int axis = call.axis(call.integer("axis", 0), x.rank());
  return {call.b.add(call.node.op == "ArgMax" ? "argmax" : "argmin", {x},
                     {{"axis", std::int64_t{axis}},
                      {"keepdims", call.integer("keepdims", 1) != 0},
                      {"select_last", call.integer("select_last_index", 0) != 0}})};
}

Items cumsum(const OnnxCall& call) {
  const Item& x = call.in(0);
  const Tensor given = call.known(1, "axis");
  require(given.size() == 1, "an axis of {} elements", given.size());
  const int axis = call.axis(given.to_integers()[0], x.rank());
  return {call.b.add("cumsum", {x},
                     {{"axis", std::int64_t{axis}},
                      {"exclusive", call.integer("exclusive", 0) != 0},
                      {"reverse", call.integer("reverse", 0) != 0}})};
}

std::vector<OnnxRule> make_rules() {
  std::vector<OnnxRule> rules = {
      {"Softmax", softmax},   {"LogSoftmax", softmax}, {"Hardmax", hardmax},
      {"ArgMax", arg_reduce}, {"ArgMin", arg_reduce},  {"CumSum", cumsum},
  };
  for (const Reduction& row : kReductions) rules.push_back({row.onnx, reduce});
  return rules;
}

}  // namespace

std::span<const OnnxRule> onnx_reduce_rules() {
  static const std::vector<OnnxRule> rules = make_rules();
  return rules;
}

}  // namespace lamina
