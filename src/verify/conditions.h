// Conditions of identities: at points, and as ranges of inputs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lamina/identity.h"

namespace lamina {

using Facts = std::map<std::string, InputFacts, std::less<>>;

// Adds to `facts` what follows from comparisons of one input with a constant, where `condition` is
// one or several joined by logical_and.
void add_facts(const Expression& condition, Facts& facts);

// Narrows the range of one input. Throws kInvalidArgument when no interval is left.
void add_fact(const std::string& input, const InputFacts& fact, Facts& facts);

// Whether a condition is true in floating point.
bool holds(const Expression& condition, const std::vector<double>& point);

}  // namespace lamina
