// The programs that two graphs are on one cell: every comparison is decided (docs/design/verify.md,
// "Cells").
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lamina/verify.h"
#include "num/interval.h"
#include "num/residue_field.h"
#include "verify/bound_algebra.h"
#include "verify/inequalities.h"
#include "verify/primes.h"
#include "verify/secret_random.h"
#include "verify/sign_set.h"

namespace lamina {

// The sign of one predicate on a cell. It may be 0 or 1 as long as nobody asks which.
struct Decision {
  SignSet outcome;
  SignSet feasible;    // what the decisions before leave
  bool split = false;  // 0 and 1 are told apart

  bool operator==(const Decision&) const = default;
};

// The decisions on the predicates in the order in which they are met first. Every point of the
// reals has exactly one such path, so all paths together are all cells.
using CellPath = std::vector<Decision>;

// The first outcome to be looked at, and the one after `decision.outcome`; empty when there is
// none.
SignSet first_outcome(SignSet feasible, bool split);
SignSet next_outcome(const Decision& decision);

// Numbers of an algebra that knows of every value its residues, majorants of its size, a range of
// reals, its signs, and the value as a linear form of atoms. Atoms are the input elements and all
// values that are no linear forms of others. Signs that these do not decide are decisions of the
// cell: those of a given path, or new ones.
class CellAlgebra final : public Algebra {
 public:
  // The path is followed and extended. `given` holds on the whole cell, over input elements.
  struct Setting {
    const std::array<PrimePair, kLanes>& pairs;
    const PrimeProfile& profile;
    SecretRandom& random;
    std::size_t input_elements;
    std::vector<Inequality> given;
    CellPath path;
    bool at_a_point = false;  // decisions follow from the ranges of the inputs alone
  };
  explicit CellAlgebra(Setting setting);

  // Element number `element` of the inputs, all of whose values lie in `range`: free, or a linear
  // form of others.
  Formal free_input(std::uint32_t element, const InputFacts& facts, const Interval& range);
  Formal bound_input(const LinearForm& form, std::span<const Formal> elements) const;

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

  // a < b on this cell.
  bool before(const Formal& a, const Formal& b) const;

  const CellPath& path() const { return path_; }
  std::size_t values() const { return entries_.size(); }  // that were computed
  // The first decision that has to tell 0 and 1 apart and does not: the cell is to be split.
  std::optional<std::size_t> to_split() const { return to_split_; }
  // The first decision that leaves no point of the reals on this path.
  std::optional<std::size_t> infeasible() const { return infeasible_; }
  // A comparison that the ranges of a point do not decide.
  bool undecided() const { return undecided_; }
  // The path that was given fits what was met.
  bool in_step() const { return in_step_ && predicates_.size() == path_.size(); }
  // A predicate that is 0 on this cell and a linear form of input elements: the first one.
  struct Tie {
    std::size_t decision;
    LinearForm form;
  };
  const std::optional<Tie>& tie() const { return tie_; }
  // What the first `count` decisions say about input elements, with what was given.
  std::vector<Inequality> inequalities(std::size_t count) const;

  // Bounds of one pair of primes, as binary logarithms: that two different values agree; that any
  // two of all values that were computed, or of products of two of them, are taken for equal in all
  // lanes although they differ.
  double agreement_bound(const Formal& a, const Formal& b) const;
  double false_merge_bound() const;
  // That a value is undefined by chance, in any lane.
  double undefined_bound() const;
  bool overflowed() const { return bounds_.overflowed(); }

 private:
  static constexpr std::size_t kMostValues = std::size_t{1} << 19;
  static constexpr std::string_view kSquare = "square";
  static constexpr int kHighestPower = 4;  // of a value that is compared with others

  struct Entry {
    Formal field;
    Formal bound;
    Interval range;
    SignSet signs;
    LinearForm form;
    // Defined at every real point. Of others, which a selection may leave aside where they are not
    // defined, nothing follows about the points of a path.
    bool total = true;
  };
  // An atom may be known as an increasing function of an argument or its square.
  struct Atom {
    SignSet signs = SignSet::all();
    Interval range;
    bool total = true;
    std::string function;
    std::optional<Formal> argument;
    std::optional<std::pair<Formal, Formal>> factors;  // or numerator and denominator
    std::optional<Formal> value;
  };
  struct Predicate {
    Formal value;     // in the field
    LinearForm form;  // primitive; of the same number
    bool total = true;
  };
  using Residues = std::array<std::uint64_t, kLanes>;
  struct ResiduesHash {
    std::size_t operator()(const Residues& residues) const;
  };

  const Entry& at(const Formal& x) const { return entries_[x.p[0]]; }
  Formal in_field(const Formal& x) const;
  Formal in_bounds(const Formal& x) const;
  Formal made(Entry entry, const std::optional<LinearForm>& form) const;
  void recognise(Entry& entry, const std::optional<LinearForm>& form, bool& known) const;
  void note_size(const Formal& bound) const;
  void name_atom(const Formal& value, std::string_view function, const Formal& argument) const;

  SignSet signs(const Formal& d, SignSet asked) const;
  Formal simplified(const Formal& d) const;
  std::optional<std::pair<Formal, Formal>> factors_of(LinearForm form) const;
  Formal primitive_value(const Formal& d) const;
  std::optional<Formal> argument_difference(LinearForm form) const;
  void decide(const Formal& d) const;
  SignSet feasible_signs() const;
  SignSet signs_by_range(const LinearForm& form) const;
  bool is_total(const LinearForm& form) const;
  SignSet signs_by_factors(const Formal& value, SignSet feasible) const;
  void add_facts_of_atoms(std::vector<Inequality>& system, const LinearForm& form) const;

  std::array<PrimePair, kLanes> pairs_;
  const PrimeProfile& profile_;
  std::size_t input_elements_;
  std::vector<Inequality> given_;
  bool at_a_point_;
  mutable CellPath path_;
  ResidueField field_;
  BoundAlgebra bounds_;
  mutable std::vector<Entry> entries_;
  mutable std::unordered_multimap<Residues, std::size_t, ResiduesHash> entry_numbers_;
  mutable std::map<Residues, Formal> fresh_values_;
  mutable std::map<std::int64_t, Formal> integers_;
  mutable std::vector<Atom> atoms_;
  mutable std::vector<Predicate> predicates_;
  mutable std::map<LinearForm, std::size_t> predicate_numbers_;
  mutable double factor_tests_ = 0.0;
  mutable Polynomial largest_numerator_, largest_denominator_;
  mutable std::optional<std::size_t> to_split_;
  mutable std::optional<Tie> tie_;
  mutable std::optional<std::size_t> infeasible_;
  mutable bool undecided_ = false;
  mutable bool in_step_ = true;
};

}  // namespace lamina
