// Abstract terms: what a value is made of, up to the axioms of Mirage (arXiv:2405.05751, section
// 4.3), and whether one value can be part of the computation of another.
//
// A term is a sum of monomials. A monomial is a product of powers of atoms (inputs and functions of
// terms) and of their square roots, the extents that it is summed over, and one exponential. So
// products are distributed over sums, sums over axes are moved outward and joined, exponentials and
// roots are multiplied by adding exponents. Signs are not kept: a - b has the term of a + b. Equal
// values by the axioms have equal terms; there is no rule of cancellation, so that the parts of a
// term are few.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lamina::search {

class TermStore {
 public:
  using Id = std::uint32_t;

  // Whether what an exponential is of counts as a part of what it occurs in.
  explicit TermStore(bool parts_of_exponents = true);

  Id one() const { return one_; }
  Id constant(double value);  // like an input
  Id input(int number);
  Id add(Id a, Id b);  // and subtraction
  Id multiply(Id a, Id b);
  Id divide(Id a, Id b);
  Id exponential(Id x);
  Id root(Id x);
  // Over an axis; extents are products of primes that stand for parts of axes.
  Id sum(std::int64_t extent, Id x);
  Id largest(std::int64_t extent, Id x);
  // Any other function, of operands in order; commutative ones are to be given theirs sorted.
  Id function(std::string_view name, std::span<const Id> operands);

  // Whether `whole` can be made out of `part` and other values by the axioms: the subexpressions
  // of Mirage. Results are remembered.
  bool within(Id part, Id whole);

  std::string to_string(Id term) const;

 private:
  struct Atom {
    std::string name;  // of an input its number; "(" for a sum of monomials in parentheses
    std::int64_t extent = 1;
    std::vector<Id> operands;
    auto operator<=>(const Atom&) const = default;
  };
  using AtomId = std::uint32_t;
  // Factors and how often they occur, ascending: 2 * atom, or 2 * atom + 1 as a divisor.
  using Powers = std::vector<std::pair<std::uint32_t, std::int32_t>>;
  struct Monomial {
    Powers powers;
    Powers roots;            // of square roots
    Id exponent = 0;         // of e; the empty term: none
    std::int64_t above = 1;  // extents that are summed over
    std::int64_t below = 1;  // those of divisors
    auto operator<=>(const Monomial&) const = default;
  };
  using Term = std::vector<Monomial>;  // ascending
  // What the parts of a term may be parts of.
  struct Positions {
    std::vector<Id> terms;
    std::vector<AtomId> maxima;
  };

  static constexpr std::size_t kMostMonomials = 32;

  Id intern(Term term);
  AtomId intern(Atom atom);
  Id of_atom(Atom atom, bool divisor = false);
  // The atom that a term is, if it is one.
  const Atom* single(Id term) const;
  Monomial product(const Monomial& a, const Monomial& b);
  Monomial inverse(const Monomial& x) const;
  // `quotient` such that whole = quotient * part without anything cancelled.
  bool divides(const Monomial& part, const Monomial& whole, Monomial& quotient);
  bool fits(Id part, Id position);
  bool is_smaller_maximum(Id part, const Positions& positions) const;
  const Positions& positions_of(Id whole);
  void collect(Id term, Positions& positions);
  std::string name_of(const Atom& atom) const;

  std::vector<Term> terms_;
  std::map<Term, Id> term_ids_;
  std::vector<Atom> atoms_;
  std::map<Atom, AtomId> atom_ids_;
  std::unordered_map<Id, Positions> positions_;
  std::unordered_map<std::uint64_t, bool> within_;
  Id one_ = 0;
  bool parts_of_exponents_;
};

}  // namespace lamina::search
