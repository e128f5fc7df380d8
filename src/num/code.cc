// Code writes itself down.
#include "num/code.h"

#include <cmath>
#include <cstdio>

namespace lamina {
namespace {

Code call(const char* function, const Code& x) {
  return {x.sink, x.sink->emit(std::string("lm_") + function + "(" + x.name + ")")};
}

Code call(const char* function, const Code& a, const Code& b) {
  return {a.sink, a.sink->emit(std::string("lm_") + function + "(" + a.name + ", " + b.name + ")")};
}

Code infix(const Code& a, const char* symbol, const Code& b) {
  return {a.sink, a.sink->emit(a.name + " " + symbol + " " + b.name)};
}

}  // namespace

std::string CodeSink::emit(const std::string& expression) {
  std::string name = prefix_ + std::to_string(next_++);
  lines_.push_back("auto " + name + " = " + expression + ";");
  return name;
}

std::string literal(double value) {
  if (std::isnan(value)) return "__builtin_nan(\"\")";
  if (std::isinf(value)) return value > 0 ? "__builtin_inf()" : "-__builtin_inf()";
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

Code operator+(const Code& a, const Code& b) { return infix(a, "+", b); }
Code operator-(const Code& a, const Code& b) { return infix(a, "-", b); }
Code operator*(const Code& a, const Code& b) { return infix(a, "*", b); }
Code operator/(const Code& a, const Code& b) { return call("div", a, b); }
Code operator-(const Code& a) { return {a.sink, a.sink->emit("-" + a.name)}; }

Code like(const Code& x, double c) {
  return {x.sink, x.sink->emit("lm_like(" + x.name + ", " + literal(c) + ")")};
}

Code select(const Code& c, const Code& a, const Code& b) {
  return {c.sink, c.sink->emit("lm_select(" + c.name + ", " + a.name + ", " + b.name + ")")};
}

Code abs(const Code& x) { return call("abs", x); }
Code sign(const Code& x) { return call("sign", x); }
Code exp(const Code& x) { return call("exp", x); }
Code log(const Code& x) { return call("log", x); }
Code sqrt(const Code& x) { return call("sqrt", x); }
Code erf(const Code& x) { return call("erf", x); }
Code sin(const Code& x) { return call("sin", x); }
Code cos(const Code& x) { return call("cos", x); }
Code tan(const Code& x) { return call("tan", x); }
Code asin(const Code& x) { return call("asin", x); }
Code acos(const Code& x) { return call("acos", x); }
Code atan(const Code& x) { return call("atan", x); }
Code sinh(const Code& x) { return call("sinh", x); }
Code cosh(const Code& x) { return call("cosh", x); }
Code tanh(const Code& x) { return call("tanh", x); }
Code asinh(const Code& x) { return call("asinh", x); }
Code acosh(const Code& x) { return call("acosh", x); }
Code atanh(const Code& x) { return call("atanh", x); }
Code floor(const Code& x) { return call("floor", x); }
Code ceil(const Code& x) { return call("ceil", x); }
Code round(const Code& x) { return call("round", x); }
Code trunc(const Code& x) { return call("trunc", x); }
Code sigmoid(const Code& x) { return call("sigmoid", x); }
Code softplus(const Code& x) { return call("softplus", x); }
Code is_nan(const Code& x) { return call("is_nan", x); }
Code is_inf(const Code& x) { return call("is_inf", x); }
Code pow(const Code& a, const Code& b) { return call("pow", a, b); }
Code max(const Code& a, const Code& b) { return call("max", a, b); }
Code min(const Code& a, const Code& b) { return call("min", a, b); }
Code less(const Code& a, const Code& b) { return call("less", a, b); }
Code equal(const Code& a, const Code& b) { return call("equal", a, b); }
Code mod(const Code& a, const Code& b) { return call("mod", a, b); }
Code fmod(const Code& a, const Code& b) { return call("fmod", a, b); }
Code bit_and(const Code& a, const Code& b) { return infix(a, "&", b); }
Code bit_or(const Code& a, const Code& b) { return infix(a, "|", b); }
Code bit_xor(const Code& a, const Code& b) { return infix(a, "^", b); }
Code bit_not(const Code& x) { return {x.sink, x.sink->emit("~" + x.name)}; }
Code shift_left(const Code& a, const Code& by) { return call("shift_left", a, by); }
Code shift_right(const Code& a, const Code& by) { return call("shift_right", a, by); }

}  // namespace lamina
