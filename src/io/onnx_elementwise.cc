// ONNX operators that work element by element.
#include <algorithm>
#include <limits>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

struct Direct {
  std::string_view onnx;
  std::string_view op;
};

// Operators that Lamina has with the same meaning, inputs and no attributes.
constexpr Direct kDirect[] = {
    {"Abs", "abs"},           {"Acos", "acos"},
    {"Acosh", "acosh"},       {"Asin", "asin"},
    {"Asinh", "asinh"},       {"Atan", "atan"},
    {"Atanh", "atanh"},       {"Ceil", "ceil"},
    {"Cos", "cos"},           {"Cosh", "cosh"},
    {"Erf", "erf"},           {"Exp", "exp"},
    {"Floor", "floor"},       {"HardSwish", "hardswish"},
    {"IsNaN", "is_nan"},      {"Log", "log"},
    {"Mish", "mish"},         {"Neg", "neg"},
    {"Not", "logical_not"},   {"Reciprocal", "reciprocal"},
    {"Relu", "relu"},         {"Round", "round"},
    {"Sigmoid", "sigmoid"},   {"Sign", "sign"},
    {"Sin", "sin"},           {"Sinh", "sinh"},
    {"Softplus", "softplus"}, {"Softsign", "softsign"},
    {"Sqrt", "sqrt"},         {"Tan", "tan"},
    {"Tanh", "tanh"},         {"BitwiseNot", "bit_not"},
};

// Two inputs of one dtype, broadcast.
constexpr Direct kBinary[] = {
    {"Add", "add"},
    {"Sub", "sub"},
    {"Mul", "mul"},
    {"Div", "div"},
    {"And", "logical_and"},
    {"Or", "logical_or"},
    {"Xor", "logical_xor"},
    {"Equal", "equal"},
    {"Greater", "greater"},
    {"Less", "less"},
    {"GreaterOrEqual", "greater_equal"},
    {"LessOrEqual", "less_equal"},
    {"BitwiseAnd", "bit_and"},
    {"BitwiseOr", "bit_or"},
    {"BitwiseXor", "bit_xor"},
};

template <std::size_t n>
std::string_view lamina_name(const Direct (&table)[n], std::string_view onnx) {
  const auto* row = std::find_if(table, table + n, [&](const Direct& d) { return d.onnx == onnx; });
  check(row != table + n, "no row for {}", onnx);
  return row->op;
}

void require_same_dtype(const OnnxCall& call) {
  for (std::size_t i = 1; i < call.count(); ++i) {
    require(call.in(i).dtype == call.in(0).dtype, "inputs of {} and {}",
            traits(call.in(0).dtype).name, traits(call.in(i).dtype).name);
  }
}

// The second operand, which before opset 7 broadcast only on request and from axis `axis` on.
Item second_operand(const OnnxCall& call) {
  const Item& x = call.in(0);
  const Item& y = call.in(1);
  if (call.opset() >= 7 || call.integer("broadcast", 0) == 0 || !call.has_attr("axis")) return y;
  const int axis = call.axis(call.integer("axis", 0), x.rank());
  require(static_cast<std::size_t>(axis) + y.rank() <= x.rank(),
          "axis {} leaves no room for the axes of {}", axis, to_string(y.shape));
  Dims shape = y.shape;
  shape.resize(x.rank() - static_cast<std::size_t>(axis), 1);
  return call.b.reshape(y, shape);
}

Items direct(const OnnxCall& call) {
  return {call.b.add(lamina_name(kDirect, call.node.op), {call.in(0)})};
}

Items jump(const OnnxCall& call) {
  return {call.b.add(lamina_name(kDirect, call.node.op), {call.b.rounded(call.in(0))})};
}

Items binary(const OnnxCall& call) {
  require_same_dtype(call);
  return {call.b.add(lamina_name(kBinary, call.node.op), {call.in(0), second_operand(call)})};
}

Items identity(const OnnxCall& call) {
  require(call.has(0), "input 0 is missing");
  return {call.inputs[0]};
}

struct RealAttr {
  std::string_view onnx;
  std::string name;
  double fallback;
};

// An operator whose attributes are reals.
Items with_reals(const OnnxCall& call, std::string_view op, const std::vector<RealAttr>& reals) {
  Attrs attrs;
  for (const RealAttr& attr : reals) attrs.set(attr.name, call.real(attr.onnx, attr.fallback));
  return {call.b.add(op, {call.in(0)}, attrs)};
}

Items elu(const OnnxCall& call) { return with_reals(call, "elu", {{"alpha", "alpha", 1.0}}); }
Items celu(const OnnxCall& call) { return with_reals(call, "celu", {{"alpha", "alpha", 1.0}}); }
Items leaky_relu(const OnnxCall& call) {
  return with_reals(call, "leaky_relu", {{"alpha", "alpha", 0.01}});
}
Items hard_sigmoid(const OnnxCall& call) {
  return with_reals(call, "hard_sigmoid", {{"alpha", "alpha", 0.2}, {"beta", "beta", 0.5}});
}
Items selu(const OnnxCall& call) {
  return with_reals(call, "selu",
                    {{"alpha", "alpha", 1.67326319217681884765625},
                     {"gamma", "gamma", 1.05070102214813232421875}});
}
Items shrink(const OnnxCall& call) {
  return with_reals(call, "shrink", {{"lambd", "lambda", 0.5}, {"bias", "bias", 0.0}});
}
Items thresholded_relu(const OnnxCall& call) {
  return with_reals(call, "thresholded_relu", {{"alpha", "alpha", 1.0}});
}

Items gelu(const OnnxCall& call) {
  return {call.b.add("gelu", {call.in(0)}, {{"approximate", call.text("approximate", "none")}})};
}

Items is_inf(const OnnxCall& call) {
  const bool negative = call.integer("detect_negative", 1) != 0;
  const bool positive = call.integer("detect_positive", 1) != 0;
  const Item infinite = call.b.add("is_inf", {call.in(0)});
  if (negative && positive) return {infinite};
  if (!negative && !positive) return {call.b.filled(0.0, DType::kBool, call.in(0).shape)};
  const Item zero = OnnxBuilder::scalar(0.0, call.in(0).dtype);
  const Item sign = call.b.add(positive ? "greater" : "less", {call.in(0), zero});
  return {call.b.add("logical_and", {infinite, sign})};
}

// Left to right, as the definition of the variadic operators.
Item accumulate(const OnnxCall& call, std::string_view op) {
  require_same_dtype(call);
  Item total = call.in(0);
  for (std::size_t i = 1; i < call.count(); ++i) total = call.b.add(op, {total, call.in(i)});
  return total;
}

Items maximum(const OnnxCall& call) { return {accumulate(call, "max")}; }
Items minimum(const OnnxCall& call) { return {accumulate(call, "min")}; }
Items sum(const OnnxCall& call) { return {accumulate(call, "add")}; }

Items mean(const OnnxCall& call) {
  const Item total = accumulate(call, "add");
  const auto n = static_cast<double>(call.count());
  return {call.b.add("div", {total, OnnxBuilder::scalar(n, total.dtype)})};
}

Items power(const OnnxCall& call) {
  const Item y = second_operand(call);
  return {call.b.cast(call.b.add("pow", {call.in(0), y}), call.in(0).dtype)};
}

Items modulo(const OnnxCall& call) {
  require_same_dtype(call);
  const bool c_style = call.integer("fmod", 0) != 0;
  require(c_style || !traits(call.in(0).dtype).is_float, "floats need fmod = 1");
  return {call.b.add(c_style ? "fmod" : "mod", {call.in(0), call.in(1)})};
}

Items bit_shift(const OnnxCall& call) {
  require_same_dtype(call);
  const std::string direction = call.text("direction", "");
  require(direction == "LEFT" || direction == "RIGHT", "direction '{}'", direction);
  return {call.b.add(direction == "LEFT" ? "shift_left" : "shift_right", {call.in(0), call.in(1)})};
}

// Bounds are attributes before opset 11, then inputs.
Items clip(const OnnxCall& call) {
  Item x = call.in(0);
  for (const bool low : {true, false}) {
    const std::size_t i = low ? 1 : 2;
    const std::string_view name = low ? "min" : "max";
    Item bound;
    if (call.has(i)) bound = call.in(i);
    if (call.opset() < 11 && call.has_attr(name)) {
      bound = OnnxBuilder::scalar(call.real(name, 0.0), x.dtype);
    }
    if (bound.absent) continue;
    require(bound.dtype == x.dtype, "{} is {}, the input {}", name, traits(bound.dtype).name,
            traits(x.dtype).name);
    require(bound.rank() == 0 || bound.shape == Dims{1}, "{} is no scalar", name);
    x = call.b.add(low ? "max" : "min", {x, call.b.reshape(bound, {})});
  }
  return {x};
}

Items where(const OnnxCall& call) {
  require(call.in(1).dtype == call.in(2).dtype, "inputs of {} and {}",
          traits(call.in(1).dtype).name, traits(call.in(2).dtype).name);
  return {call.b.select(call.in(0), call.in(1), call.in(2))};
}

// Unlike NumPy, a slope of shape [C] meant axis 1 before opset 7.
Items prelu(const OnnxCall& call) {
  const Item& x = call.in(0);
  Item slope = call.in(1);
  if (call.opset() < 7 && slope.rank() == 1 && x.rank() > 1) {
    Dims shape(x.rank() - 1, 1);
    shape[0] = slope.shape[0];
    slope = call.b.reshape(slope, shape);
  }
  require(slope.dtype == x.dtype, "a slope of another dtype");
  const Item zero = OnnxBuilder::scalar(0.0, x.dtype);
  const Item negative = call.b.add("less", {x, zero});
  return {call.b.select(negative, call.b.add("mul", {x, slope}), x)};
}

Item convert(const OnnxCall& call, DType dtype) {
  const Item& x = call.in(0);
  return call.b.cast(traits(dtype).is_float ? x : call.b.rounded(x), dtype);
}

Items cast(const OnnxCall& call) {
  const OnnxElement& element = onnx_element(call.integer("to", 0));
  if (!element.dtype) call.refuse("a cast to {}", element.name);
  return {convert(call, *element.dtype)};
}

Items cast_like(const OnnxCall& call) { return {convert(call, call.in(1).dtype)}; }

std::vector<OnnxRule> make_rules() {
  std::vector<OnnxRule> rules = {
      {"Identity", identity},  {"Elu", elu, 6},
      {"Celu", celu},          {"LeakyRelu", leaky_relu, 6},
      {"Selu", selu, 6},       {"HardSigmoid", hard_sigmoid, 6},
      {"Shrink", shrink},      {"ThresholdedRelu", thresholded_relu},
      {"Gelu", gelu},          {"IsInf", is_inf},
      {"Max", maximum, 6},     {"Min", minimum, 6},
      {"Sum", sum, 6},         {"Mean", mean, 6},
      {"Pow", power},          {"Mod", modulo},
      {"BitShift", bit_shift}, {"Clip", clip, 6},
      {"Where", where},        {"PRelu", prelu, 6},
      {"Cast", cast, 6},       {"CastLike", cast_like},
  };
  for (const Direct& row : kDirect) {
    const bool jumps = row.op == "round" || row.op == "floor" || row.op == "ceil";
    rules.push_back({row.onnx, jumps ? jump : direct});
  }
  for (const Direct& row : kBinary) rules.push_back({row.onnx, binary});
  return rules;
}

}  // namespace

std::span<const OnnxRule> onnx_elementwise_rules() {
  static const std::vector<OnnxRule> rules = make_rules();
  return rules;
}

}  // namespace lamina
