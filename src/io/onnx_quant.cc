// ONNX quantised operators, written out in integer and real arithmetic.
#include <algorithm>

#include "io/onnx_windows.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

// A scale or zero point: one number, or one per element of `axis`.
Item along_axis(const OnnxCall& call, const Item& v, std::size_t rank, int axis) {
  if (v.rank() == 0 || v.shape == Dims{1}) return call.b.reshape(v, {});
  if (v.rank() != 1) call.refuse("blocks of scales {}", to_string(v.shape));
  Dims shape(rank, 1);
  shape.at(static_cast<std::size_t>(axis)) = v.shape[0];
  return call.b.reshape(v, shape);
}

int quantised_axis(const OnnxCall& call, const Item& scale) {
  if (call.integer("block_size", 0) != 0) call.refuse("block_size");
  if (scale.rank() == 0 || scale.shape == Dims{1}) return 0;
  return call.axis(call.integer("axis", 1), call.in(0).rank());
}

// round(x / scale) + zero, kept within the range of the dtype of `zero`. Rounding is to even. It
// jumps, so that its operands are first rounded to their dtypes, as when they are stored.
Item quantise(const OnnxCall& call, const Item& x, const Item& scale, const Item& zero) {
  OnnxBuilder& b = call.b;
  if (zero.dtype != DType::kU8 && zero.dtype != DType::kI8) {
    call.refuse("quantising to {}", traits(zero.dtype).name);
  }
  const bool is_signed = zero.dtype == DType::kI8;
  const Item steps = b.add("round", {b.rounded(b.add("div", {x, b.rounded(scale)}))});
  const Item shifted = b.add("add", {steps, b.cast(zero, x.dtype)});
  const Item kept = b.add("clamp", {shifted},
                          {{"low", is_signed ? -128.0 : 0.0}, {"high", is_signed ? 127.0 : 255.0}});
  return b.cast(kept, zero.dtype);
}

Items quantize_linear(const OnnxCall& call) {
  const Item& x = call.in(0);
  const int axis = quantised_axis(call, call.in(1));
  if (!traits(x.dtype).is_float) call.refuse("quantising {}", traits(x.dtype).name);
  const std::int64_t code = call.integer("output_dtype", 0);
  if (code != 0 && !onnx_element(code).dtype)
    call.refuse("quantising to {}", onnx_element(code).name);
  const Item zero =
      call.has(2) ? call.in(2)
                  : OnnxBuilder::scalar(0, code == 0 ? DType::kU8 : *onnx_element(code).dtype);
  return {quantise(call, x, along_axis(call, call.in(1), x.rank(), axis),
                   along_axis(call, zero, x.rank(), axis))};
}

// x - zero, exactly, as `dtype`.
Item centred(const OnnxCall& call, const Item& x, const Item* zero, DType dtype) {
  const Item wide = call.b.cast(x, dtype);
  return zero == nullptr ? wide : call.b.add("sub", {wide, call.b.cast(*zero, dtype)});
}

Items dequantize_linear(const OnnxCall& call) {
  const Item& x = call.in(0);
  const int axis = quantised_axis(call, call.in(1));
  const Item scale = along_axis(call, call.in(1), x.rank(), axis);
  Item zero;
  if (call.has(2)) zero = along_axis(call, call.in(2), x.rank(), axis);
  const Item whole = centred(call, x, call.has(2) ? &zero : nullptr, DType::kI32);
  return {call.b.add("mul", {call.b.cast(whole, scale.dtype), scale})};
}

// The range of x, widened to hold 0, is spread over 0..255.
Items dynamic_quantize_linear(const OnnxCall& call) {
  const Item& x = call.in(0);
  OnnxBuilder& b = call.b;
  const Item zero = OnnxBuilder::scalar(0.0, x.dtype);
  const Item most = OnnxBuilder::scalar(255.0, x.dtype);
  const Item high = b.add("max", {b.add("reduce_max", {x}), zero});
  const Item low = b.add("min", {b.add("reduce_min", {x}), zero});
  const Item scale = b.rounded(b.add("div", {b.add("sub", {high, low}), most}));
  const Item from = b.add("neg", {b.add("div", {low, scale})});
  const Item kept =
      b.add("clamp", {b.add("round", {b.rounded(from)})}, {{"low", 0.0}, {"high", 255.0}});
  const Item point = b.cast(kept, DType::kU8);
  return {quantise(call, x, scale, point), scale, point};
}

// A zero point of a matrix operand: one per row (left) or column (right), or one.
Item matrix_zero(const OnnxCall& call, const Item& zero, bool left) {
  if (zero.rank() != 1 || zero.shape == Dims{1})
    return zero.rank() == 1 ? call.b.reshape(zero, {}) : zero;
  return left ? call.b.reshape(zero, {zero.shape[0], 1}) : zero;
}

// The exact i32 product of the centred operands at inputs a and b, zero points at za and zb.
Item integer_product(const OnnxCall& call, std::size_t a, std::size_t za, std::size_t b,
                     std::size_t zb) {
  const auto operand = [&](std::size_t x, std::size_t z, bool left) {
    Item zero;
    if (call.has(z)) zero = matrix_zero(call, call.in(z), left);
    return centred(call, call.in(x), call.has(z) ? &zero : nullptr, DType::kI32);
  };
  return call.b.add("matmul", {operand(a, za, true), operand(b, zb, false)});
}

Items matmul_integer(const OnnxCall& call) { return {integer_product(call, 0, 2, 1, 3)}; }

// The integers times the product of the input scales, in steps of the output scale.
Item requantise(const OnnxCall& call, const Item& whole, const Item& scale, const Item& out_scale,
                const Item& out_zero) {
  const Item real = call.b.add("mul", {call.b.cast(whole, scale.dtype), scale});
  return quantise(call, real, out_scale, out_zero);
}

Items qlinear_matmul(const OnnxCall& call) {
  const Item whole = integer_product(call, 0, 2, 3, 5);
  const Item scale = call.b.add(
      "mul", {matrix_zero(call, call.in(1), true), matrix_zero(call, call.in(4), false)});
  return {requantise(call, whole, scale, matrix_zero(call, call.in(6), true),
                     matrix_zero(call, call.in(7), true))};
}

// One number per filter, for [filters, ...].
Item per_filter(const OnnxCall& call, const Item& v, std::size_t rank) {
  return along_axis(call, v, rank, 0);
}

Item integer_conv(const OnnxCall& call, const Item& x, const Item& w, const Item* bias) {
  Attrs attrs = read_onnx_windows(call, x.shape, w.shape).attrs();
  attrs.set("groups", call.integer("group", 1));
  std::vector<Item> operands{x, w};
  if (bias != nullptr) operands.push_back(*bias);
  return call.b.add("conv", operands, attrs);
}

Items conv_integer(const OnnxCall& call) {
  Item x_zero, w_zero;
  if (call.has(2)) x_zero = along_axis(call, call.in(2), call.in(0).rank(), 1);
  if (call.has(3)) w_zero = per_filter(call, call.in(3), call.in(1).rank());
  const Item x = centred(call, call.in(0), call.has(2) ? &x_zero : nullptr, DType::kI32);
  const Item w = centred(call, call.in(1), call.has(3) ? &w_zero : nullptr, DType::kI32);
  return {integer_conv(call, x, w, nullptr)};
}

Items qlinear_conv(const OnnxCall& call) {
  const std::size_t rank = call.in(3).rank();
  const Item x_zero = call.b.reshape(call.in(2), {});
  const Item w_zero = per_filter(call, call.in(5), rank);
  const Item x = centred(call, call.in(0), &x_zero, DType::kI32);
  const Item w = centred(call, call.in(3), &w_zero, DType::kI32);
  const Item whole = integer_conv(call, x, w, call.has(8) ? &call.in(8) : nullptr);
  // Filters are axis 1 of the output.
  const Item w_scale = along_axis(call, call.in(4), rank, 1);
  const Item scale = call.b.add("mul", {call.b.reshape(call.in(1), {}), w_scale});
  return {requantise(call, whole, scale, call.b.reshape(call.in(6), {}),
                     call.b.reshape(call.in(7), {}))};
}

}  // namespace

std::span<const OnnxRule> onnx_quant_rules() {
  static const OnnxRule rules[] = {
      {"QuantizeLinear", quantize_linear},
      {"DequantizeLinear", dequantize_linear},
      {"DynamicQuantizeLinear", dynamic_quantize_linear},
      {"MatMulInteger", matmul_integer},
      {"QLinearMatMul", qlinear_matmul},
      {"ConvInteger", conv_integer},
      {"QLinearConv", qlinear_conv},
  };
  return rules;
}

}  // namespace lamina
