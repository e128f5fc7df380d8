// Element-wise operators as ONNX.
#include <cmath>

#include "base/check.h"
#include "io/onnx_writer.h"

namespace lamina {
namespace {

struct Same {
  std::string_view op;
  std::string_view onnx;
};

constexpr Same kUnary[] = {
    {"abs", "Abs"},           {"acos", "Acos"},
    {"acosh", "Acosh"},       {"asin", "Asin"},
    {"asinh", "Asinh"},       {"atan", "Atan"},
    {"atanh", "Atanh"},       {"ceil", "Ceil"},
    {"cos", "Cos"},           {"cosh", "Cosh"},
    {"erf", "Erf"},           {"exp", "Exp"},
    {"floor", "Floor"},       {"hardswish", "HardSwish"},
    {"log", "Log"},           {"logical_not", "Not"},
    {"neg", "Neg"},           {"reciprocal", "Reciprocal"},
    {"relu", "Relu"},         {"round", "Round"},
    {"sigmoid", "Sigmoid"},   {"sign", "Sign"},
    {"sin", "Sin"},           {"sinh", "Sinh"},
    {"softplus", "Softplus"}, {"softsign", "Softsign"},
    {"sqrt", "Sqrt"},         {"tan", "Tan"},
    {"tanh", "Tanh"},
};

constexpr Same kBinary[] = {
    {"add", "Add"},          {"sub", "Sub"},
    {"mul", "Mul"},          {"div", "Div"},
    {"pow", "Pow"},          {"min", "Min"},
    {"max", "Max"},          {"equal", "Equal"},
    {"less", "Less"},        {"less_equal", "LessOrEqual"},
    {"greater", "Greater"},  {"greater_equal", "GreaterOrEqual"},
    {"logical_and", "And"},  {"logical_or", "Or"},
    {"logical_xor", "Xor"},  {"bit_and", "BitwiseAnd"},
    {"bit_or", "BitwiseOr"}, {"bit_xor", "BitwiseXor"},
};

template <std::size_t n>
std::string_view onnx_name(const Same (&table)[n], std::string_view op) {
  const auto* row = std::find_if(table, table + n, [&](const Same& s) { return s.op == op; });
  check(row != table + n, "no row for {}", op);
  return row->onnx;
}

Wires unary(const ExportCall& call) {
  return {call.w.add(onnx_name(kUnary, call.node.op.name), call.inputs, {}, call.out())};
}

// Integers are whole already; ONNX rounds floats only.
Wires rounding(const ExportCall& call) {
  return traits(call.out().dtype).is_float ? unary(call) : call.inputs;
}

// ONNX operands have one dtype: the one in which Lamina computes.
Wires promoted(const ExportCall& call) {
  const DType dtype = promote(call.inputs[0].type.dtype, call.inputs[1].type.dtype);
  return {call.w.cast(call.inputs[0], dtype), call.w.cast(call.inputs[1], dtype)};
}

Wires binary(const ExportCall& call) {
  const std::string_view op = onnx_name(kBinary, call.node.op.name);
  if (op.starts_with("Bitwise")) call.w.need(18);
  return {call.w.add(op, promoted(call), {}, call.out())};
}

Wires not_equal(const ExportCall& call) {
  const Wire same = call.w.add("Equal", promoted(call), {}, call.out());
  return {call.w.add("Not", {same}, {}, call.out())};
}

Wires bit_not(const ExportCall& call) {
  call.w.need(18);
  return {call.w.add("BitwiseNot", call.inputs, {}, call.out())};
}

Wires rsqrt(const ExportCall& call) {
  return {
      call.w.add("Reciprocal", {call.w.add("Sqrt", call.inputs, {}, call.out())}, {}, call.out())};
}

// sign(x) * |x|^(1/3)
Wires cbrt(const ExportCall& call) {
  const Wire size = call.w.add("Abs", call.inputs, {}, call.out());
  const Wire root = call.w.binary("Pow", size, call.w.scalar(1.0 / 3.0, call.out().dtype));
  return {call.w.binary("Mul", call.w.add("Sign", call.inputs, {}, call.out()), root)};
}

// sign(x) * floor(|x|)
Wires trunc(const ExportCall& call) {
  if (!traits(call.out().dtype).is_float) return call.inputs;
  const Wire size = call.w.add("Abs", call.inputs, {}, call.out());
  const Wire whole = call.w.add("Floor", {size}, {}, call.out());
  return {call.w.binary("Mul", call.w.add("Sign", call.inputs, {}, call.out()), whole)};
}

Wires silu(const ExportCall& call) {
  const Wire gate = call.w.add("Sigmoid", call.inputs, {}, call.out());
  return {call.w.binary("Mul", call.inputs[0], gate)};
}

Wires mish(const ExportCall& call) {
  const Wire soft = call.w.add("Softplus", call.inputs, {}, call.out());
  return {call.w.binary("Mul", call.inputs[0], call.w.add("Tanh", {soft}, {}, call.out()))};
}

// x * (1 + erf(x / sqrt 2)) / 2, or with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) for erf.
Wires gelu(const ExportCall& call) {
  OnnxWriter& w = call.w;
  const Wire& x = call.inputs[0];
  const auto number = [&](double value) { return w.scalar(value, x.type.dtype); };
  Wire bend;
  if (call.attrs().text("approximate") == "tanh") {
    const Wire cube = w.binary("Mul", w.binary("Mul", x, x), x);
    const Wire inner = w.binary("Add", x, w.binary("Mul", cube, number(0.044715)));
    const double scale = std::sqrt(2.0 / std::acos(-1.0));
    bend = w.add("Tanh", {w.binary("Mul", inner, number(scale))}, {}, x.type);
  } else {
    bend = w.add("Erf", {w.binary("Mul", x, number(std::sqrt(0.5)))}, {}, x.type);
  }
  const Wire half = w.binary("Mul", x, number(0.5));
  return {w.binary("Mul", half, w.binary("Add", bend, number(1.0)))};
}

// Attributes of ONNX are floats of 32 bits.
Wires with_reals(const ExportCall& call, std::string_view op,
                 const std::vector<std::pair<const char*, const char*>>& names) {
  OnnxAttrs attrs;
  for (const auto& [onnx, own] : names) {
    const double value = call.attrs().real(own);
    if (call.out().dtype == DType::kF64 &&
        static_cast<double>(static_cast<float>(value)) != value) {
      call.refuse(
          fmt::format("{} = {} is no float of 32 bits, which an ONNX attribute holds", own, value));
    }
    attrs[onnx] = onnx_real(value);
  }
  return {call.w.add(op, call.inputs, std::move(attrs), call.out())};
}

Wires leaky_relu(const ExportCall& call) {
  return with_reals(call, "LeakyRelu", {{"alpha", "alpha"}});
}
Wires elu(const ExportCall& call) { return with_reals(call, "Elu", {{"alpha", "alpha"}}); }
Wires celu(const ExportCall& call) { return with_reals(call, "Celu", {{"alpha", "alpha"}}); }
Wires selu(const ExportCall& call) {
  return with_reals(call, "Selu", {{"alpha", "alpha"}, {"gamma", "gamma"}});
}
Wires hard_sigmoid(const ExportCall& call) {
  return with_reals(call, "HardSigmoid", {{"alpha", "alpha"}, {"beta", "beta"}});
}
Wires thresholded_relu(const ExportCall& call) {
  return with_reals(call, "ThresholdedRelu", {{"alpha", "alpha"}});
}
Wires shrink(const ExportCall& call) {
  return with_reals(call, "Shrink", {{"lambd", "lambda"}, {"bias", "bias"}});
}

Wires clip(const ExportCall& call, double low, double high) {
  Wires inputs = call.inputs;
  inputs.push_back(std::isinf(low) ? Wire{} : call.w.scalar(low, call.out().dtype));
  if (!std::isinf(high)) inputs.push_back(call.w.scalar(high, call.out().dtype));
  return {call.w.add("Clip", inputs, {}, call.out())};
}

Wires clamp(const ExportCall& call) {
  const double low = call.attrs().real("low");
  const double high = call.attrs().real("high");
  // Bounds that leave nothing, or a side at the wrong infinity, have no form without a bound.
  if ((std::isinf(low) && low > 0) || (std::isinf(high) && high < 0)) {
    call.refuse("infinite bounds on the wrong side");
  }
  return clip(call, low, high);
}
Wires relu6(const ExportCall& call) { return clip(call, 0.0, 6.0); }

// The remainder of C; where its sign is not that of y, one y more is the remainder of Python.
Wires mod(const ExportCall& call) {
  OnnxWriter& w = call.w;
  const Wires xy = promoted(call);
  if (!traits(call.out().dtype).is_float) return {w.add("Mod", xy, {}, call.out())};
  const Wire rest = w.add("Mod", xy, {{"fmod", onnx_integer(1)}}, call.out());
  const Type flag{DType::kBool, call.out().shape, {}};
  const Wire wrong_sign = w.add("Less",
                                {w.binary("Mul", w.add("Sign", {rest}, {}, rest.type),
                                          w.add("Sign", {xy[1]}, {}, xy[1].type)),
                                 w.scalar(0.0, call.out().dtype)},
                                {}, flag);
  return {w.add("Where", {wrong_sign, w.binary("Add", rest, xy[1]), rest}, {}, call.out())};
}

Wires fmod(const ExportCall& call) {
  return {call.w.add("Mod", promoted(call), {{"fmod", onnx_integer(1)}}, call.out())};
}

// Asked of f32 and f64 only; both are so for a value of another type if they are so for its f32.
Wires is_special(const ExportCall& call) {
  const DType dtype = call.inputs[0].type.dtype == DType::kF64 ? DType::kF64 : DType::kF32;
  const char* op = call.node.op.name == "is_inf" ? "IsInf" : "IsNaN";
  return {call.w.add(op, {call.w.cast(call.inputs[0], dtype)}, {}, call.out())};
}

Wires shift(const ExportCall& call) {
  const Wires xy = promoted(call);
  if (call.out().dtype != DType::kU8 || xy[0].type.dtype != DType::kU8) {
    call.refuse("ONNX shifts unsigned integers only");
  }
  const char* direction = call.node.op.name == "shift_left" ? "LEFT" : "RIGHT";
  return {call.w.add("BitShift", xy, {{"direction", onnx_text(direction)}}, call.out())};
}

Wires select(const ExportCall& call) {
  const DType dtype = call.out().dtype;
  const Wire condition = call.w.cast(call.inputs[0], DType::kBool);
  return {call.w.add(
      "Where", {condition, call.w.cast(call.inputs[1], dtype), call.w.cast(call.inputs[2], dtype)},
      {}, call.out())};
}

Wires cast(const ExportCall& call) { return {call.w.cast(call.inputs[0], call.out().dtype)}; }

std::vector<OnnxExportRule> make_rules() {
  std::vector<OnnxExportRule> rules = {
      {"not_equal", not_equal},
      {"bit_not", bit_not},
      {"rsqrt", rsqrt},
      {"cbrt", cbrt},
      {"trunc", trunc},
      {"silu", silu},
      {"mish", mish},
      {"gelu", gelu},
      {"leaky_relu", leaky_relu},
      {"elu", elu},
      {"celu", celu},
      {"selu", selu},
      {"hard_sigmoid", hard_sigmoid},
      {"thresholded_relu", thresholded_relu},
      {"shrink", shrink},
      {"clamp", clamp},
      {"relu6", relu6},
      {"mod", mod},
      {"fmod", fmod},
      {"is_inf", is_special},
      {"is_nan", is_special},
      {"shift_left", shift},
      {"shift_right", shift},
      {"select", select},
      {"cast", cast},
  };
  for (const Same& row : kUnary) {
    const bool rounds = row.op == "ceil" || row.op == "floor" || row.op == "round";
    rules.push_back({row.op, rounds ? rounding : unary});
  }
  for (const Same& row : kBinary) rules.push_back({row.op, binary});
  return rules;
}

}  // namespace

std::span<const OnnxExportRule> onnx_elementwise_exports() {
  static const std::vector<OnnxExportRule> rules = make_rules();
  return rules;
}

}  // namespace lamina
