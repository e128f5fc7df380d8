// The flags of `lamina check --numeric`, and what they ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "lamina/numeric.h"
#include "lamina/verify.h"

namespace lamina::cli {

struct NumericFlags {
  std::string numeric;
  std::vector<std::string> range;
  std::int64_t numeric_seed = 1;
  double numeric_budget = NumericOptions{}.budget;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("numeric", self.numeric,
          "compare overflows and errors too, A being the reference: f32, bf16, f16 or several "
          "separated by commas");
    visit("range", self.range, "NAME=LOW:HIGH: the values of a float input, for --numeric");
    visit("numeric_seed", self.numeric_seed, "of the inputs that --numeric draws");
    visit("numeric_budget", self.numeric_budget, "operations that --numeric may emulate");
  }
};

// What the flags ask for; nullopt without --numeric. Throws kInvalidArgument for malformed flags.
std::optional<NumericOptions> numeric_options(const NumericFlags& flags);

// Compares the programs numerically, prints the verdict and adds it to the report as "numeric".
// Returns the exit status of the whole check, given the verdict on the functions: programs that
// differ are not measured, and only where they are equivalent does the numerical verdict decide.
int check_numeric_too(const NumericOptions& options, const Graph& reference, const Graph& candidate,
                      Outcome outcome, Json& report);

}  // namespace lamina::cli
