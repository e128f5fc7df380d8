// What the second levels of the identity tester share: small graphs of reals, evaluated at random
// points by algebras of their own.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/array.h"
#include "lamina/verify.h"
#include "num/residue_field.h"
#include "verify/inputs.h"
#include "verify/primes.h"
#include "verify/secret_random.h"

namespace lamina {

// Two graphs that agreed in every pass.
struct LevelResult {
  // Agreement proves equality. Otherwise only the squares were shown to agree, or values at some
  // choice of the roots' signs, and it is a conjecture.
  bool proved = false;
  double bits = 0.0;  // of what was shown
  std::vector<FieldTuple> tuples;
  std::int64_t elements = 0;  // of all outputs
  std::string how;            // "with roots as symbols", ...
};

struct LevelSetting {
  const std::vector<InputPlan>& plans;
  const Sizes& sizes;
  const PrimeProfile& profile;
  const VerifyOptions& options;
};

// The primes of one pass and a field over them, which draws from the same seed.
class LevelDraw {
 public:
  LevelDraw(const LevelSetting& setting, int number);
  LevelDraw(const LevelDraw&) = delete;
  LevelDraw& operator=(const LevelDraw&) = delete;

  const ResidueField& residues() const { return *residues_; }
  // Counts the primes p that were possible; false where a q has too few.
  bool count_primes(const PrimeProfile& profile);
  void add_tuples(int number, const Sizes& sizes, std::vector<FieldTuple>& tuples) const;

 private:
  SecretRandom::Seed seed_;
  SecretRandom random_;
  std::array<PrimePair, kLanes> primes_;
  std::array<std::int64_t, kLanes> candidates_{};  // 0: not counted
  std::unique_ptr<ResidueField> residues_;
};

std::uint32_t count_elements(const std::vector<InputPlan>& plans);

// Inputs over any algebra: `variable` makes an element of the input of that plan.
template <class Variable>
std::vector<Array<Formal>> inputs_of(const std::vector<InputPlan>& plans, Variable variable) {
  std::vector<Array<Formal>> inputs;
  for (const InputPlan& plan : plans) {
    Array<Formal> input{plan.type.dtype, plan.shape, {}, {}, false};
    for (std::int64_t i = 0; i < element_count(plan.shape); ++i) {
      input.real.push_back(variable(plan));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

// `compare()`, or nullopt for graphs that are too large or have integer inputs, or where it throws
// std::length_error or kUnsupported.
std::optional<LevelResult> compare_small(
    const Graph& a, const Graph& b, const LevelSetting& setting,
    const std::function<std::optional<LevelResult>()>& compare);

}  // namespace lamina
