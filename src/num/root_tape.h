// What a RootField did with every root, logarithm and exponential, so that another algebra can do
// the same without knowing the residues (docs/design/verify.md, "Roots").
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lamina {

struct SmallRational {
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;
};

struct RootTape {
  // A generator of the extension, or a free logarithm: of a prime number, or of the operand (0).
  struct Made {
    int order = 1;
    std::int64_t prime = 0;
  };
  // One root: factor * product of generators^exponents. One logarithm: the sum of the logarithms
  // times their coefficients, and of exponents that occurred before times theirs.
  struct Step {
    std::string function;  // "sqrt", "root 3", "log", ...
    std::vector<Made> made;
    SmallRational factor{1, 1};
    std::vector<std::pair<std::uint32_t, std::int64_t>> parts;
    std::vector<std::pair<std::uint32_t, std::int64_t>> exponents;
    double tests = 0.0;   // comparisons with combinations of what was there
    bool opaque = false;  // there are too many generators: a free variable
  };
  // coefficient * a logarithm, which an argument of exp contained.
  struct LogPart {
    std::uint32_t log = 0;
    SmallRational coefficient;
  };
  std::vector<Step> steps;
  std::vector<std::vector<LogPart>> exponentials;  // of each, in order
};

}  // namespace lamina
