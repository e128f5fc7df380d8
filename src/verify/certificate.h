// Independent exponents: the hypothesis of theorem T2 (docs/design/verify.md, "Bounds").
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "num/residue_field.h"
#include "verify/bound_algebra.h"
#include "verify/secret_random.h"

namespace lamina {

// The exponents of some exponentials as integer combinations of base exponents, each of which has a
// variable of its own: affine in it, and no base of an earlier round involves it.
struct Certificate {
  std::size_t bases = 0;
  std::size_t uncertified = 0;         // bases without a variable of their own
  double positive = 0.0;               // sum of the positive coefficients of an exponent, at most
  double negative = 0.0;               // sum over bases of the largest -coefficient of one exponent
  double distinct_coefficients = 0.0;  // of the own variables
  // Of each base without a variable of its own: its greatest coefficient less its least one (at
  // most 0).
  std::vector<double> spans;
  bool apart = false;     // no uncertified base involves a variable of another base
  bool constant = false;  // no uncertified base involves any variable
};

// Certificates of sets of exponentials. Exponents are recognised by their values modulo q in all
// lanes, with an error that the caller adds. Whether a base involves its own variable is seen by
// moving those variables and evaluating again.
class Certifier {
 public:
  // `exponents` and `supports` of the same evaluations, both graphs in sequence; `inputs`:
  // variables below this number are input elements.
  Certifier(const ResidueField& field, const BoundAlgebra& bounds, std::uint32_t inputs);

  // Plans the certificate of these exponentials.
  void plan(const Ranges& gates);
  // The variables that have to move, and by how much in which lane: all different from 0.
  const std::map<std::uint32_t, std::array<std::uint32_t, kLanes>>& draw_moves(
      SecretRandom& random);
  // The exponents at the moved point.
  void moved(const std::vector<ResidueField::Exponent>& exponents);
  // After moved(). nullopt for gates without a plan.
  std::optional<Certificate> find(const Ranges& gates) const;

 private:
  struct Plan {
    std::map<std::uint32_t, std::uint32_t> own;  // base: its variable
    Certificate certificate;
  };
  struct Gate {
    std::uint32_t base = 0;
    std::int64_t coefficient = 0;  // 0: nothing but fresh variables
  };

  void recognise();
  void peel(const std::vector<std::uint32_t>& bases, Plan& plan);
  const Support& support_of(std::uint32_t base) const;
  std::array<std::uint32_t, kLanes> slope_of(
      std::uint32_t base, const std::array<std::uint32_t, kLanes>& amounts,
      const std::vector<ResidueField::Exponent>& moved) const;

  const ResidueField& field_;
  const BoundAlgebra& bounds_;
  std::uint32_t inputs_;
  std::vector<Gate> gates_;
  std::vector<std::size_t> bases_;  // one exponential of each
  std::map<std::vector<Ranges::Range>, Plan> plans_;
  std::map<std::uint32_t, std::array<std::uint32_t, kLanes>> moves_;
};

}  // namespace lamina
