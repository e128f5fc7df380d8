// Linear forms with rational coefficients over numbered atoms: what the cells of a program know
// exactly about a value (docs/design/verify.md, "Cells").
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace lamina {

// (sum of coefficient * atom + constant) / denominator: no coefficient is 0, atoms ascend, the
// denominator is above 0, and nothing divides all of them.
struct LinearForm {
  std::vector<std::pair<std::uint32_t, std::int64_t>> terms;
  std::int64_t constant = 0;
  std::int64_t denominator = 1;

  static LinearForm atom(std::uint32_t number) { return {{{number, 1}}, 0, 1}; }
  static LinearForm integer(std::int64_t value) { return {{}, value, 1}; }

  bool is_constant() const { return terms.empty(); }
  // 1 or -1, the same for the form times any number above 0; 0 of the form 0.
  int leading_sign() const;
  // The form times a number above 0 so that its coefficients are integers without common divisor.
  LinearForm primitive() const;

  auto operator<=>(const LinearForm&) const = default;
};

// nullopt where a coefficient becomes too large, or the form too long.
std::optional<LinearForm> sum(const LinearForm& a, const LinearForm& b);
std::optional<LinearForm> product(const LinearForm& a, const LinearForm& constant);
std::optional<LinearForm> quotient(const LinearForm& a, const LinearForm& constant);
LinearForm operator-(const LinearForm& a);

// a * form + b * other form, a and b integers, up to a factor above 0; denominators are ignored.
std::optional<LinearForm> combination(std::int64_t a, const LinearForm& x, std::int64_t b,
                                      const LinearForm& y);

}  // namespace lamina
