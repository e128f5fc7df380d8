// Code: the number type whose values are names in generated C++ text. Evaluating an operator's
// scalar template over Code writes one statement per operation into a CodeSink.
//
// The text uses the operators and the lm_* functions of the generated prelude (exec/cpu), which
// are overloaded for vectors and scalars of every element type, so that one text serves them all.
#pragma once

#include <string>
#include <vector>

namespace lamina {

// Collects "auto t0 = ...;" statements. Names are unique within a sink.
class CodeSink {
 public:
  explicit CodeSink(std::string prefix = "t") : prefix_(std::move(prefix)) {}

  std::string emit(const std::string& expression);  // returns the new name
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::string prefix_;
  int next_ = 0;
  std::vector<std::string> lines_;
};

struct Code {
  CodeSink* sink = nullptr;
  std::string name;
};

// A double as C++ text that reads back exactly; infinities and NaN as prelude calls.
std::string literal(double value);

Code operator+(const Code& a, const Code& b);
Code operator-(const Code& a, const Code& b);
Code operator*(const Code& a, const Code& b);
Code operator/(const Code& a, const Code& b);
Code operator-(const Code& a);
Code like(const Code& x, double c);
Code abs(const Code& x);
Code sign(const Code& x);
Code exp(const Code& x);
Code log(const Code& x);
Code sqrt(const Code& x);
Code pow(const Code& x, const Code& y);
Code erf(const Code& x);
Code sin(const Code& x);
Code cos(const Code& x);
Code tan(const Code& x);
Code asin(const Code& x);
Code acos(const Code& x);
Code atan(const Code& x);
Code sinh(const Code& x);
Code cosh(const Code& x);
Code tanh(const Code& x);
Code asinh(const Code& x);
Code acosh(const Code& x);
Code atanh(const Code& x);
Code floor(const Code& x);
Code ceil(const Code& x);
Code round(const Code& x);
Code trunc(const Code& x);
Code sigmoid(const Code& x);
Code softplus(const Code& x);
Code max(const Code& a, const Code& b);
Code min(const Code& a, const Code& b);
Code less(const Code& a, const Code& b);
Code equal(const Code& a, const Code& b);
Code is_nan(const Code& x);
Code is_inf(const Code& x);
Code select(const Code& c, const Code& a, const Code& b);
Code mod(const Code& a, const Code& b);
Code fmod(const Code& a, const Code& b);
// Integers only; see num/algebra.h for shifts by more than the width.
Code bit_and(const Code& a, const Code& b);
Code bit_or(const Code& a, const Code& b);
Code bit_xor(const Code& a, const Code& b);
Code bit_not(const Code& x);
Code shift_left(const Code& a, const Code& by);
Code shift_right(const Code& a, const Code& by);

}  // namespace lamina
