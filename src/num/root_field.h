// Formal values in an extension of the residues by roots: polynomials in symbols s with s^2 = g or
// s^3 = g (docs/design/verify.md, "Roots").
//
// No root is chosen modulo p: a symbol stays a symbol, so no residue has to be a square and no
// sign can be wrong. Equality here holds for every choice of the roots, that of the reals included.
// Roots of products of radicands, and logarithms, are expressed by those that are there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "num/formal.h"
#include "num/root_extension.h"
#include "num/root_tape.h"

namespace lamina {

// For graphs of few scalars: all values are kept. Throws std::length_error when there are too many.
class RootField final : public Algebra {
 public:
  using Terms = RootExtension::Terms;

  explicit RootField(const ResidueField& base) : base_(base), extension_(base) {}

  Formal lift(const Formal& residue) const;
  // A positive input, given its root of order kRootOrder; inputs come before anything else.
  Formal positive_input(const Formal& root) const;

  Formal add(const Formal& a, const Formal& b) const override;
  Formal negate(const Formal& x) const override;
  Formal multiply(const Formal& a, const Formal& b) const override;
  Formal divide(const Formal& a, const Formal& b) const override;
  Formal integer(std::int64_t value) const override;
  Formal exponential(const Formal& x, bool turned) const override;
  std::optional<Formal> imaginary() const override;
  std::optional<std::int64_t> known_integer(const Formal& x) const override;
  bool certainly_equal(const Formal& a, const Formal& b) const override;
  bool leads(const Formal& x) const override;
  Formal fresh(std::string_view name, std::span<const Formal> operands) const override;
  Formal greatest(std::span<const Formal> operands) const override;

  // The root of order 2 or 3.
  Formal root(int order, const Formal& x) const;
  Formal log(const Formal& x) const;

  const Terms& terms(const Formal& x) const { return elements_[x.p[0]].terms; }
  const RootExtension& extension() const { return extension_; }
  const RootTape& tape() const { return tape_; }
  // How many fresh values each function has produced.
  const std::map<std::string, std::int64_t>& fresh_counts() const { return fresh_counts_; }

 private:
  // What is known of how it was made: constant + logs + anything.
  struct Element {
    Terms terms;
    SmallRational constant;
    std::vector<RootTape::LogPart> logs;
  };
  // Something in whose powers a value is looked for.
  struct Factor {
    std::uint32_t number = 0;
    Terms value;
    Terms inverse;
    std::int64_t weight = 1;  // what its first power contributes
  };
  struct Match {
    std::vector<std::pair<std::size_t, std::int64_t>> powers;  // index of the factor, exponent
    SmallRational rest;
  };
  class Search;
  struct Symbol {
    Factor radicand;
    int order = 2;
    std::int64_t prime = 0;  // the radicand, if it is a prime number
    bool matchable = true;
  };
  struct Log {
    Factor argument;
    Formal operand;
    std::int64_t prime = 0;
    bool matchable = true;
  };
  struct Entry {
    std::vector<Formal> operands;
    Formal value;
  };
  using Key = std::pair<std::string, std::vector<std::uint64_t>>;

  const Element& element(const Formal& x) const { return elements_[x.p[0]]; }
  Formal kept(Element element) const;
  std::optional<SmallRational> small_rational(const Terms& x) const;
  std::optional<Match> match(const Terms& x, const std::vector<Factor>& factors, int together,
                             double& tests) const;
  std::uint32_t add_symbol(int order, const Terms& radicand, std::int64_t prime,
                           RootTape::Step& step) const;
  bool add_root_of_rational(int order, const SmallRational& value, RootTape::Step& step) const;
  std::uint32_t add_log(const Formal& argument, std::int64_t prime, RootTape::Step& step) const;
  void add_log_of_rational(const SmallRational& value, RootTape::Step& step) const;
  bool match_log(const Formal& x, RootTape::Step& step) const;
  std::vector<RootTape::LogPart> logs_in(const Formal& x) const;
  Formal as_exponent(const Formal& x) const;
  Formal opaque(std::string_view name, std::span<const Formal> operands) const;

  const ResidueField& base_;
  mutable RootExtension extension_;
  mutable std::vector<Element> elements_;
  mutable std::vector<Symbol> symbols_;
  mutable std::vector<Formal> symbol_values_;
  mutable std::vector<Log> logs_;
  mutable std::vector<Factor> positive_inputs_;  // as products of their logarithms
  mutable std::vector<Formal> log_values_;
  mutable std::vector<Formal> arguments_;  // of all exponentials
  mutable std::vector<Factor> exponentials_;
  mutable std::map<std::uint64_t, Formal> exponent_weights_;  // of products of symbols
  mutable std::map<Key, std::vector<Entry>> table_;
  mutable std::map<std::string, std::int64_t> fresh_counts_;
  mutable RootTape tape_;
};

}  // namespace lamina
