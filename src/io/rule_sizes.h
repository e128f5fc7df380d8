// The sizes of a rule before they are chosen: linear forms over unknown integers, and a system of
// equations between them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace lamina {

// constant + sum of coefficient * unknown; coefficients are not 0.
struct LinearForm {
  std::int64_t constant = 0;
  std::map<int, std::int64_t> terms;

  LinearForm() = default;
  LinearForm(std::int64_t value) : constant(value) {}  // NOLINT: a number is a form

  bool operator==(const LinearForm&) const = default;
};

// Throw kUnsupported when a coefficient leaves the 64-bit integers.
LinearForm operator+(const LinearForm& a, const LinearForm& b);
LinearForm operator-(const LinearForm& a, const LinearForm& b);
LinearForm operator*(std::int64_t factor, const LinearForm& a);

// Equations over unknowns, kept solved: some unknowns are free, the others are integer forms over
// the free ones.
class SizeSystem {
 public:
  // A new unknown that is at least `min`.
  LinearForm unknown(std::int64_t min = 1);
  // Adds a = b; false when no integers satisfy it.
  bool equate(const LinearForm& a, const LinearForm& b);
  // The form over free unknowns only.
  LinearForm reduce(const LinearForm& form) const;
  // Small values of all unknowns that satisfy the equations and the minima; different `variant`s
  // give different ones, odd and even. nullopt when none were found.
  std::optional<std::vector<std::int64_t>> solve(int variant) const;

 private:
  void substitute(int unknown, const LinearForm& form);
  bool hopeless() const;
  int add_unknown(std::optional<std::int64_t> min);
  std::optional<std::vector<std::int64_t>> complete(std::vector<std::int64_t> values) const;

  std::vector<std::optional<std::int64_t>> min_;  // by unknown; none: any integer
  std::map<int, LinearForm> known_;               // over free unknowns
};

// The value of a form; `values` by unknown.
std::int64_t evaluate(const LinearForm& form, const std::vector<std::int64_t>& values);

}  // namespace lamina
