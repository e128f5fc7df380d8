// Preconditions of identities as ranges of inputs.
#pragma once

#include <map>
#include <string>

#include "lamina/identity.h"

namespace lamina {

using Facts = std::map<std::string, InputFacts, std::less<>>;

// Adds to `facts` what follows from the truth of `condition`: comparisons of one input with a
// constant, joined by logical_and. Throws kUnsupported for other conditions.
void add_facts(const Expression& condition, Facts& facts);

// Narrows the range of one input. Throws kInvalidArgument when no interval is left.
void add_fact(const std::string& input, const InputFacts& fact, Facts& facts);

}  // namespace lamina
