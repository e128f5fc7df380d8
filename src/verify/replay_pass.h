// One pass of a report, drawn and evaluated again.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "graph/array.h"
#include "verify/inputs.h"
#include "verify/plain_field.h"
#include "verify/replay_report.h"

namespace lamina {

// Whether the numbers of a tuple are what every tuple has to be: primes in their ranges, q a
// divisor of p - 1, omega of order q, roots of -1 if `imaginary`, else none. Empty, or what is
// wrong.
std::string wrong_tuple(const FieldTuple& tuple, bool imaginary);

// All primes p among which that of the tuple was drawn, counted one by one.
std::int64_t recount_candidates(const FieldTuple& tuple, bool imaginary);

// The four pairs of a pass as its random words give them.
std::array<PlainPair, kLanes> redraw_pairs(SecretRandom& random, bool imaginary);

// A point as the random words that follow give it.
std::vector<Array<Formal>> redraw_inputs(const std::vector<InputPlan>& plans,
                                         const PlainField& field, SecretRandom& random);

}  // namespace lamina
