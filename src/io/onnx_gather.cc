// ONNX operators that read or write elements at places that other tensors name, and top-k.
#include <algorithm>
#include <numeric>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

int axis_of(const OnnxCall& call, std::int64_t fallback) {
  return call.axis(call.integer("axis", fallback), call.in(0).rank());
}

Items gather(const OnnxCall& call) {
  const int axis = axis_of(call, 0);
  return {call.b.add("gather", {call.in(0), call.in(1)}, {{"axis", std::int64_t{axis}}})};
}

Items gather_elements(const OnnxCall& call) {
  const int axis = axis_of(call, 0);
  return {call.b.add("gather_elements", {call.in(0), call.in(1)}, {{"axis", std::int64_t{axis}}})};
}

Items gather_nd(const OnnxCall& call) {
  return {call.b.add("gather_nd", {call.in(0), call.in(1)},
                     {{"batch_dims", call.integer("batch_dims", 0)}})};
}

std::string combine(const OnnxCall& call) {
  const std::string reduction = call.text("reduction", "none");
  return reduction == "none" ? "set" : reduction;
}

Items scatter_elements(const OnnxCall& call) {
  const int axis = axis_of(call, 0);
  return {call.b.add("scatter_elements", {call.in(0), call.in(1), call.in(2)},
                     {{"axis", std::int64_t{axis}}, {"combine", combine(call)}})};
}

Items scatter_nd(const OnnxCall& call) {
  return {
      call.b.add("scatter_nd", {call.in(0), call.in(1), call.in(2)}, {{"combine", combine(call)}})};
}

Items top_k(const OnnxCall& call) {
  const Item& x = call.in(0);
  const int axis = axis_of(call, -1);
  const Dims k = call.opset() < 10 ? Dims{call.integer("k", 1)} : call.sizes(1, "K");
  require(k.size() == 1, "K has {} elements", k.size());
  return call.b.add_all(
      "top_k", {x},
      {{"k", k}, {"axis", std::int64_t{axis}}, {"largest", call.integer("largest", 1) != 0}});
}

// Reverses the first `length` elements along the time axis, for each batch element.
Items reverse_sequence(const OnnxCall& call) {
  const Item& x = call.in(0);
  const auto time = static_cast<std::size_t>(call.axis(call.integer("time_axis", 0), x.rank()));
  const auto batch = static_cast<std::size_t>(call.axis(call.integer("batch_axis", 1), x.rank()));
  require(time + batch == 1, "time_axis {} and batch_axis {} are not 0 and 1", time, batch);
  Dims along(x.rank(), 1), across(x.rank(), 1);
  along[time] = x.shape[time];
  across[batch] = x.shape[batch];
  const Item step = call.b.reshape(call.b.iota(x.shape[time]), along);
  const Item length = call.b.reshape(call.b.cast(call.in(1), DType::kI64), across);
  const Item last = call.b.add("sub", {length, OnnxBuilder::scalar(1, DType::kI64)});
  const Item inside = call.b.add("less", {step, length});
  const Item from = call.b.select(inside, call.b.add("sub", {last, step}), step);
  return {call.b.add("gather_elements", {x, call.b.broadcast(from, x.shape)},
                     {{"axis", static_cast<std::int64_t>(time)}})};
}

}  // namespace

std::span<const OnnxRule> onnx_gather_rules() {
  static const OnnxRule rules[] = {
      {"Gather", gather},
      {"GatherElements", gather_elements},
      {"GatherND", gather_nd},
      {"Scatter", scatter_elements},
      {"ScatterElements", scatter_elements},
      {"ScatterND", scatter_nd},
      {"TopK", top_k},
      {"ReverseSequence", reverse_sequence},
  };
  return rules;
}

}  // namespace lamina
