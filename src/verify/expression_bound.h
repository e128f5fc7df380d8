// What theorem T1 proves about two expressions in one pass.
#pragma once

#include <span>

#include "lamina/identity.h"
#include "verify/primes.h"
#include "verify/proved_bits.h"

namespace lamina {

// What the bound of an identity depends on besides its expressions.
struct ExpressionSetting {
  PrimeProfile profile;
  std::span<const bool> positive;  // of each input: whether it is drawn as a power
  bool idempotent = false;         // ResidueField::idempotent_maxima
};

// Evaluates both sides over the algebra of bounds. Quicker than pass_error(), and never better: it
// looks for no certificate.
PassError expression_error(const Identity& identity, const ExpressionSetting& setting);

}  // namespace lamina
