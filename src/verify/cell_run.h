// Both graphs on one cell at one point of the fields.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "lamina/verify.h"
#include "verify/cell_algebra.h"
#include "verify/inputs.h"
#include "verify/pass.h"
#include "verify/secret_random.h"

namespace lamina {

// What is looked at cell by cell.
struct CellProblem {
  const Graph& a;
  const Graph& b;
  const std::vector<InputPlan>& plans;  // integers are fixed
  const Sizes& sizes;
  const PrimeProfile& profile;

  std::size_t real_elements() const;
  // The plan of every real input element, in order.
  std::vector<const InputPlan*> element_plans() const;
};

// Points of the reals that are looked at together: those that fulfil inequalities, on which some
// input elements are linear forms of the others.
struct CellRegion {
  std::vector<Inequality> given;
  std::map<std::uint32_t, LinearForm> bound;
};

// Four pairs of primes and a seed: all runs of a pass are at one point.
struct CellPass {
  std::array<PrimePair, kLanes> pairs;
  SecretRandom::Seed seed;
};

class CellRun {
 public:
  // `ranges` of the real input elements; one point of the reals decides all comparisons.
  struct Setting {
    const CellRegion& region;
    const CellPath& path;
    const std::vector<Interval>& ranges;
    bool at_a_point = false;
  };
  CellRun(const CellProblem& problem, const CellPass& pass, const Setting& setting);
  CellRun(const CellRun&) = delete;
  CellRun& operator=(const CellRun&) = delete;

  const CellAlgebra& algebra() const { return *algebra_; }

  // An output element of both graphs.
  enum class Comparison { kAgree, kUndefined, kOneSided, kDiffer };
  const std::vector<Comparison>& comparisons() const { return comparisons_; }
  // That the graphs agree although they differ, or both are undefined although they are not: a
  // binary logarithm.
  double error() const;

 private:
  void compare(const FormalValues& a, const FormalValues& b);

  SecretRandom random_;
  std::unique_ptr<CellAlgebra> algebra_;
  std::vector<Comparison> comparisons_;
  double worst_ = 0.0;  // of one pair of primes
};

}  // namespace lamina
