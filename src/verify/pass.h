// One pass of the identity tester: both graphs at one random point of four pairs of fields.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "lamina/verify.h"
#include "num/residue_field.h"
#include "verify/inputs.h"
#include "verify/primes.h"
#include "verify/secret_random.h"

namespace lamina {

using FormalValues = std::vector<Array<Formal>>;

// How far input elements are moved in their exponent slots, by number (Pass::numbers).
using Moves = std::map<std::uint32_t, std::array<std::uint32_t, kLanes>>;

class Pass {
 public:
  // `primes` are drawn when there are none.
  struct Setting {
    const PrimeProfile& profile;
    const std::vector<InputPlan>& plans;
    const Sizes& sizes;
    const std::array<PrimePair, kLanes>* primes = nullptr;
  };
  Pass(const Graph& a, const Graph& b, const Setting& setting);
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  const FormalValues& inputs() const { return inputs_; }
  // A number for each real input element, in order. What a product sums over has neighbouring
  // numbers, so that few ranges say what an element of it involves.
  const std::vector<std::uint32_t>& numbers() const { return numbers_; }
  const FormalValues& a() const { return a_; }
  const FormalValues& b() const { return b_; }
  const ResidueField& field() const { return *field_; }
  SecretRandom& random() { return random_; }
  // What was drawn, for the report; `candidates` is not counted yet.
  std::vector<FieldTuple> tuples(int pass) const;
  // All exponents when the inputs are moved and the fresh variables are not; empty when the graphs
  // then took other ways.
  std::vector<ResidueField::Exponent> exponents_at(const Moves& moves) const;

 private:
  const Graph& graph_a_;
  const Graph& graph_b_;
  const Sizes& sizes_;
  SecretRandom::Seed seed_;
  SecretRandom random_;
  std::unique_ptr<ResidueField> field_;
  FormalValues inputs_;
  std::vector<std::uint32_t> numbers_;
  FormalValues a_;
  FormalValues b_;
};

// Operators that are exact where there is a root of -1.
bool is_angle(std::string_view op);
// Whether sines and cosines are exact with these graphs: a root of -1 is needed then.
bool uses_angles(const Graph& a, const Graph& b);

}  // namespace lamina
