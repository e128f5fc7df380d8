// The points at which the identity tester evaluates graphs.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/array.h"
#include "lamina/verify.h"
#include "num/interval.h"
#include "num/residue_field.h"
#include "verify/secret_random.h"

namespace lamina {

// Such an input is a power of a free variable, so that its roots and logarithm are exact.
inline bool is_positive(const InputFacts& facts) { return facts.low >= 0.0; }

// What one input ranges over. Real inputs are free variables; integers and booleans are concrete.
struct InputPlan {
  Type type;
  Shape shape;
  bool real = true;
  std::int64_t low = 0;  // integers: inclusive range
  std::int64_t high = 0;
  Tensor fixed;      // integer weights that the graphs carry: their elements
  InputFacts facts;  // reals: where points are drawn
  bool positive() const { return real && is_positive(facts); }
};

// Ranges of integer inputs that serve both graphs: an input that indexes an axis stays inside it.
std::vector<InputPlan> plan_inputs(const Graph& a, const Graph& b, const Sizes& sizes);

// Values of the named sizes for binding number `index`: small, different from each other where
// their ranges allow.
Sizes choose_sizes(const Graph& a, const Graph& b, int index);

std::vector<Array<Formal>> draw_residues(const std::vector<InputPlan>& plans,
                                         const ResidueField& field, SecretRandom& random);
// A point whose reals are uniform in [-1, 1] (distribution 0), in [0.25, 1.75], among the integers
// -3 to 3, in [-0.1, 0.1], or in [-4, 4] (distribution 4). An input whose facts exclude such values
// is uniform in its range, or near its bound.
std::vector<Array<Interval>> draw_reals(const std::vector<InputPlan>& plans, int distribution,
                                        SecretRandom& random);

}  // namespace lamina
