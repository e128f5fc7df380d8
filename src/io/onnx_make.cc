// ONNX operators that make tensors out of little: constants, ranges, masks, one-hot vectors.
#include <cmath>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

Items constant(const OnnxCall& call) {
  if (call.has_attr("value")) return {constant_item(call.tensor("value"))};
  if (call.has_attr("value_int")) {
    const std::vector<std::int64_t> value{call.integer("value_int", 0)};
    return {constant_item(Tensor::from_integers(DType::kI64, {}, value))};
  }
  if (call.has_attr("value_ints")) {
    const std::vector<std::int64_t> values = call.integers("value_ints");
    const Shape shape{static_cast<std::int64_t>(values.size())};
    return {constant_item(Tensor::from_integers(DType::kI64, shape, values))};
  }
  if (call.has_attr("value_float")) {
    return {OnnxBuilder::scalar(call.real("value_float", 0.0), DType::kF32)};
  }
  if (call.has_attr("value_floats")) {
    const std::vector<double> values = call.reals("value_floats");
    const Shape shape{static_cast<std::int64_t>(values.size())};
    return {constant_item(Tensor::from_doubles(DType::kF32, shape, values))};
  }
  call.refuse("a constant that is text or sparse");
}

Items constant_of_shape(const OnnxCall& call) {
  const Dims shape = call.sizes(0, "input");
  if (!call.has_attr("value")) return {call.b.filled(0.0, DType::kF32, shape)};
  const Tensor value = call.tensor("value");
  require(value.size() == 1, "the value has {} elements", value.size());
  return {call.b.broadcast(call.b.reshape(constant_item(value), {}), shape)};
}

// A range whose end depends on a size; it must count up from 0 by 1.
Items symbolic_range(const OnnxCall& call) {
  const Dims limit = call.sizes(1, "limit");
  const std::vector<std::int64_t> start = call.known_integers(0, "start");
  const std::vector<std::int64_t> delta = call.known_integers(2, "delta");
  if (delta.at(0) != 1)
    call.refuse("a step of {} up to the size {}", delta[0], limit.at(0).to_string());
  const Item counted = call.b.iota(limit.at(0) - Dim(start.at(0)));
  const Item shifted =
      call.b.add("add", {counted, OnnxBuilder::scalar(static_cast<double>(start[0]), DType::kI64)});
  return {call.b.cast(shifted, call.in(1).dtype)};
}

Items range(const OnnxCall& call) {
  if (call.in(1).sizes) return symbolic_range(call);
  const double start = call.known(0, "start").to_doubles().at(0);
  const double limit = call.known(1, "limit").to_doubles().at(0);
  const double delta = call.known(2, "delta").to_doubles().at(0);
  require(delta != 0.0, "the step is 0");
  const double count = std::max(std::ceil((limit - start) / delta), 0.0);
  if (!(count <= 1e7)) call.refuse("a range of {} elements", count);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = start + static_cast<double>(i) * delta;
  const Shape shape{static_cast<std::int64_t>(values.size())};
  return {constant_item(Tensor::from_doubles(call.in(0).dtype, shape, values))};
}

// column - row of every element of the last two axes: i64 [rows, columns].
Item diagonal_index(const OnnxCall& call, const Dim& rows, const Dim& columns) {
  const Item row = call.b.reshape(call.b.iota(rows), {rows, 1});
  return call.b.add("sub", {call.b.iota(columns), row});
}

Items eye_like(const OnnxCall& call) {
  const Item& x = call.in(0);
  require(x.rank() == 2, "expected rank 2, got {}", x.rank());
  const OnnxElement& element = onnx_element(call.integer("dtype", 1));
  if (!element.dtype) call.refuse("dtype {}", element.name);
  const DType dtype = call.has_attr("dtype") ? *element.dtype : x.dtype;
  const auto k = static_cast<double>(call.integer("k", 0));
  const Item index = diagonal_index(call, x.shape[0], x.shape[1]);
  const Item hit = call.b.add("equal", {index, OnnxBuilder::scalar(k, DType::kI64)});
  return {call.b.cast(hit, dtype)};
}

Items trilu(const OnnxCall& call) {
  const std::int64_t k = call.has(1) ? call.known(1, "k").to_integers().at(0) : 0;
  return {call.b.add("trilu", {call.in(0)}, {{"upper", call.integer("upper", 1) != 0}, {"k", k}})};
}

Items one_hot(const OnnxCall& call) {
  Item indices = call.in(0);
  const Item& values = call.in(2);
  require(values.shape == Dims{2}, "values of shape {}", to_string(values.shape));
  const Dim depth = call.in(1).sizes ? call.sizes(1, "depth").at(0)
                                     : Dim(call.known(1, "depth").to_integers().at(0));
  const int axis = call.axis(call.integer("axis", -1), indices.rank() + 1);
  indices = call.b.cast(indices, DType::kI64);
  const Item n = sizes_item({depth}, 0);
  const Item negative = call.b.add("less", {indices, OnnxBuilder::scalar(0, DType::kI64)});
  indices = call.b.select(negative, call.b.add("add", {indices, n}), indices);
  Dims counting(indices.rank() + 1, 1);
  counting[static_cast<std::size_t>(axis)] = depth;
  const Item places = call.b.reshape(call.b.iota(depth), counting);
  const Item hit = call.b.add("equal", {call.b.unsqueeze(indices, axis), places});
  return {call.b.select(hit, call.b.select_index(values, 0, 1), call.b.select_index(values, 0, 0))};
}

}  // namespace

std::span<const OnnxRule> onnx_make_rules() {
  static const OnnxRule rules[] = {
      {"Constant", constant}, {"ConstantOfShape", constant_of_shape},
      {"Range", range},       {"EyeLike", eye_like},
      {"Trilu", trilu},       {"OneHot", one_hot},
  };
  return rules;
}

}  // namespace lamina
