// ONNX matrix products, normalisations and dropout.
#include <algorithm>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

Items matmul(const OnnxCall& call) {
  require(call.in(0).dtype == call.in(1).dtype, "inputs of {} and {}",
          traits(call.in(0).dtype).name, traits(call.in(1).dtype).name);
  return {call.b.add("matmul", {call.in(0), call.in(1)})};
}

Item scaled(const OnnxCall& call, const Item& x, double factor) {
  if (factor == 1.0) return x;
  return call.b.add("mul", {x, OnnxBuilder::scalar(factor, x.dtype)});
}

Items gemm(const OnnxCall& call) {
  require(call.in(0).rank() == 2 && call.in(1).rank() == 2, "operands {} and {} are no matrices",
          to_string(call.in(0).shape), to_string(call.in(1).shape));
  const auto operand = [&](std::size_t i, std::string_view attr) {
    const Item& x = call.in(i);
    return call.integer(attr, 0) != 0 ? call.b.transpose(x, {1, 0}) : x;
  };
  const Item product = call.b.add("matmul", {operand(0, "transA"), operand(1, "transB")});
  const Item y = scaled(call, product, call.real("alpha", 1.0));
  if (!call.has(2) || call.real("beta", 1.0) == 0.0) return {y};
  return {call.b.add("add", {y, scaled(call, call.in(2), call.real("beta", 1.0))})};
}

Items einsum(const OnnxCall& call) {
  std::string equation = call.text("equation", "");
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  std::vector<Item> items;
  for (std::size_t i = 0; i < call.count(); ++i) items.push_back(call.in(i));
  return {call.b.add("einsum", items, {{"equation", equation}})};
}

// Inference only: the identity and a mask of ones.
Items dropout(const OnnxCall& call) {
  const Item& x = call.in(0);
  bool training = call.opset() < 7 && call.integer("is_test", 0) == 0;
  if (call.has(2)) training = call.known(2, "training_mode").to_integers().at(0) != 0;
  if (training && call.has(1)) training = call.known(1, "ratio").to_doubles().at(0) != 0.0;
  if (training) call.refuse("training_mode (random numbers of no agreed generator)");
  const DType mask = call.opset() < 10 ? x.dtype : DType::kBool;
  return {x, call.b.filled(1.0, mask, x.shape)};
}

Dims axes_from(std::size_t first, std::size_t rank) {
  Dims axes;
  for (std::size_t i = first; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  return axes;
}

Item mean_over(const OnnxCall& call, const Item& x, const Dims& axes) {
  return call.b.add("mean", {x}, {{"axes", axes}, {"keepdims", true}});
}

// The mean of (x - mean)^2, axes kept.
Item variance_over(const OnnxCall& call, const Item& x, const Item& mean, const Dims& axes) {
  const Item off = call.b.add("sub", {x, mean});
  return mean_over(call, call.b.add("mul", {off, off}), axes);
}

// The batch's own statistics; the running ones move towards them.
Items batch_norm_training(const OnnxCall& call, double epsilon) {
  const Item& x = call.in(0);
  OnnxBuilder& b = call.b;
  Dims axes{0};
  for (std::size_t i = 2; i < x.rank(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  const Item mean = mean_over(call, x, axes);
  const Item variance = variance_over(call, x, mean, axes);
  const Dims channels{x.shape[1]};
  const double momentum = call.real("momentum", 0.9);
  const auto moved = [&](const Item& old, const Item& now) {
    return b.add("add", {scaled(call, old, momentum), scaled(call, now, 1.0 - momentum)});
  };
  const Item flat_mean = b.reshape(mean, channels);
  const Item flat_variance = b.reshape(variance, channels);
  const Item y = b.add("batch_norm", {x, call.in(1), call.in(2), flat_mean, flat_variance},
                       {{"epsilon", epsilon}});
  return {y, moved(call.in(3), flat_mean), moved(call.in(4), flat_variance)};
}

Items batch_norm(const OnnxCall& call) {
  const double epsilon = call.real("epsilon", 1e-5);
  const bool training =
      call.opset() < 7 ? call.integer("is_test", 0) == 0 : call.integer("training_mode", 0) != 0;
  if (call.opset() < 9 && call.integer("spatial", 1) == 0) call.refuse("spatial = 0");
  if (training && call.opset() < 14) call.refuse("training before opset 14");
  if (training) return batch_norm_training(call, epsilon);
  return {call.b.add("batch_norm", {call.in(0), call.in(1), call.in(2), call.in(3), call.in(4)},
                     {{"epsilon", epsilon}})};
}

Items instance_norm(const OnnxCall& call) {
  return {call.b.add("instance_norm", {call.in(0), call.in(1), call.in(2)},
                     {{"epsilon", call.real("epsilon", 1e-5)}})};
}

Items layer_norm(const OnnxCall& call) {
  const Item& x = call.in(0);
  OnnxBuilder& b = call.b;
  const auto axis = static_cast<std::size_t>(call.axis(call.integer("axis", -1), x.rank()));
  const Dims axes = axes_from(axis, x.rank());
  const double epsilon = call.real("epsilon", 1e-5);
  std::vector<Item> operands{x, call.in(1)};
  if (call.has(2)) operands.push_back(call.in(2));
  Items outputs{b.add("layer_norm", operands, {{"axes", axes}, {"epsilon", epsilon}})};
  if (!call.wants(1) && !call.wants(2)) return outputs;
  const Item mean = mean_over(call, x, axes);
  const Item variance = variance_over(call, x, mean, axes);
  const Item shifted = b.add("add", {variance, OnnxBuilder::scalar(epsilon, x.dtype)});
  outputs.push_back(mean);
  outputs.push_back(b.add("rsqrt", {shifted}));
  return outputs;
}

// Gain and bias are per group before opset 21, per channel from then on.
Items group_norm(const OnnxCall& call) {
  const Item& x = call.in(0);
  const std::int64_t groups = call.integer("num_groups", 1);
  require(x.rank() >= 2 && groups > 0, "expected channels and a positive num_groups");
  const auto per_channel = [&](const Item& v) {
    if (call.opset() >= 21) return v;
    const Item spread =
        call.b.broadcast(call.b.reshape(v, {groups, 1}), {groups, floor_div(x.shape[1], groups)});
    return call.b.reshape(spread, {x.shape[1]});
  };
  return {call.b.add("group_norm", {x, per_channel(call.in(1)), per_channel(call.in(2))},
                     {{"groups", groups}, {"epsilon", call.real("epsilon", 1e-5)}})};
}

// (x - E[x]) / (sqrt(E[x^2] - E[x]^2) + 1e-9), as the operator's definition has it.
Items mean_variance_norm(const OnnxCall& call) {
  const Item& x = call.in(0);
  OnnxBuilder& b = call.b;
  Dims axes{0, 2, 3};
  if (call.has_attr("axes")) {
    const std::vector<std::int64_t> given = call.integers("axes");
    axes.assign(given.begin(), given.end());
  }
  const Item mean = mean_over(call, x, axes);
  const Item squares = mean_over(call, b.add("mul", {x, x}), axes);
  const Item variance = b.add("sub", {squares, b.add("mul", {mean, mean})});
  const Item deviation =
      b.add("add", {b.add("sqrt", {variance}), OnnxBuilder::scalar(1e-9, x.dtype)});
  return {b.add("div", {b.add("sub", {x, mean}), deviation})};
}

Items lp_norm(const OnnxCall& call) {
  const Item& x = call.in(0);
  const std::int64_t axis = call.axis(call.integer("axis", -1), x.rank());
  const std::int64_t p = call.integer("p", 2);
  require(p == 1 || p == 2, "p = {}", p);
  const Item part = p == 1 ? call.b.add("abs", {x}) : call.b.add("mul", {x, x});
  const Item total = call.b.add("sum", {part}, {{"axes", Dims{axis}}, {"keepdims", true}});
  return {call.b.add("div", {x, p == 1 ? total : call.b.add("sqrt", {total})})};
}

// x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta
Items local_response_norm(const OnnxCall& call) {
  const Item& x = call.in(0);
  OnnxBuilder& b = call.b;
  const std::int64_t size = call.integer("size", 1);
  require(x.rank() >= 2 && size > 0, "expected channels and a positive size");
  Dim rest = 1;
  for (std::size_t i = 2; i < x.rank(); ++i) rest = rest * x.shape[i];
  const Item squares = b.reshape(b.add("mul", {x, x}), {x.shape[0], x.shape[1], rest});
  const Item sums = b.add("sum_pool", {squares},
                          {{"window", Dims{size, 1}},
                           {"strides", Dims{1, 1}},
                           {"pads_low", Dims{(size - 1) / 2, 0}},
                           {"pads_high", Dims{size / 2, 0}}});
  const double alpha = call.real("alpha", 1e-4) / static_cast<double>(size);
  const Item scale = b.add("add", {scaled(call, b.reshape(sums, x.shape), alpha),
                                   OnnxBuilder::scalar(call.real("bias", 1.0), x.dtype)});
  const Item beta = OnnxBuilder::scalar(call.real("beta", 0.75), x.dtype);
  return {b.add("div", {x, b.add("pow", {scale, beta})})};
}

}  // namespace

std::span<const OnnxRule> onnx_nn_rules() {
  static const OnnxRule rules[] = {
      {"MatMul", matmul},
      {"Gemm", gemm, 6},
      {"Einsum", einsum},
      {"Dropout", dropout, 6},
      {"BatchNormalization", batch_norm, 6},
      {"InstanceNormalization", instance_norm, 6},
      {"LayerNormalization", layer_norm},
      {"GroupNormalization", group_norm},
      {"MeanVarianceNormalization", mean_variance_norm},
      {"LpNormalization", lp_norm},
      {"LRN", local_response_norm},
  };
  return rules;
}

}  // namespace lamina
