// Programs over formal values, evaluated in the fields and over the bounds at once: what the tests
// of the bounds look at.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "num/residue_field.h"
#include "verify/bound_algebra.h"
#include "verify/certificate.h"
#include "verify/error_bound.h"
#include "verify/secret_random.h"

namespace lamina::verify_test {

using Values = std::vector<Formal>;
using Program = std::function<Formal(const Values& inputs)>;

inline std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

inline SecretRandom seeded(std::uint32_t seed) {
  SecretRandom::Seed words{};
  words[0] = seed;
  return SecretRandom(words);
}

// Two programs of the same inputs in fields and over the bounds.
class Trial {
 public:
  Trial(const std::array<PrimePair, kLanes>& pairs, std::uint32_t seed, std::size_t inputs,
        Program a, Program b)
      : random_(seeded(seed)),
        pairs_(pairs),
        field_(pairs, next_word, &random_),
        programs_{std::move(a), std::move(b)} {
    bounds_.set_imaginary(pairs[0].root_p != 0);
    for (std::size_t i = 0; i < inputs; ++i) {
      point_.push_back(field_.random());
      bound_inputs_.push_back(bounds_.variable(static_cast<std::uint32_t>(i)));
    }
    bounds_.set_input_count(static_cast<std::uint32_t>(inputs));
    for (std::size_t k = 0; k < 2; ++k) values_[k] = programs_[k](point_);
    bounds_.set_idempotent(field_.idempotent_maxima() > 0);
    for (std::size_t k = 0; k < 2; ++k) majorants_[k] = programs_[k](bound_inputs_);
  }

  // The values in the fields, and over the bounds.
  const Formal& value(std::size_t program) const { return values_[program]; }
  const Formal& majorant(std::size_t program) const { return majorants_[program]; }
  const ResidueField& field() const { return field_; }
  const BoundAlgebra& bounds() const { return bounds_; }

  Polynomial difference() const {
    return bounds_.difference(bounds_.fraction(majorants_[0]), bounds_.fraction(majorants_[1]));
  }

  // Of all exponentials in the difference.
  std::optional<Certificate> certificate() {
    if (bounds_.gate_supports().size() != field_.exponents().size()) return std::nullopt;
    Certifier certifier(field_, bounds_, static_cast<std::uint32_t>(point_.size()));
    const Ranges gates =
        bounds_.support(majorants_[0]).gates | bounds_.support(majorants_[1]).gates;
    certifier.plan(gates);
    SecretRandom other = seeded(1);
    ResidueField moved(pairs_, next_word, &other);
    moved.follow(field_.tape());
    Values inputs = point_;
    const auto& moves = certifier.draw_moves(random_);
    for (std::uint32_t i = 0; i < inputs.size(); ++i) {
      inputs[i].algebra = &moved;
      const auto move = moves.find(i);
      if (move == moves.end()) continue;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        inputs[i].q[lane] = static_cast<std::uint32_t>(
            Modulus(pairs_[lane].q).add(inputs[i].q[lane], move->second[lane]));
      }
    }
    for (const Program& program : programs_) program(inputs);
    if (!moved.in_step() || moved.exponents().size() != field_.exponents().size()) {
      return std::nullopt;
    }
    certifier.moved(moved.exponents());
    return certifier.find(gates);
  }

  // With primes of `profile`, whatever the fields of this trial are.
  TupleBound bound(const PrimeProfile& profile) {
    return tuple_bound(difference(), certificate(), {profile, bounds_.exponents()});
  }

 private:
  SecretRandom random_;
  std::array<PrimePair, kLanes> pairs_;
  ResidueField field_;
  BoundAlgebra bounds_;
  std::array<Program, 2> programs_;
  Values point_;
  Values bound_inputs_;
  std::array<Formal, 2> values_;
  std::array<Formal, 2> majorants_;
};

// Four pairs of the size that is used in earnest.
inline const std::array<PrimePair, kLanes>& large_pairs() {
  static const std::array<PrimePair, kLanes> pairs = [] {
    SecretRandom random = seeded(2026);
    std::array<PrimePair, kLanes> drawn;
    for (PrimePair& pair : drawn) pair = draw_pair(prime_profile(false), random);
    return drawn;
  }();
  return pairs;
}

}  // namespace lamina::verify_test
