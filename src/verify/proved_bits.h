// The bits that agreeing passes prove (docs/design/verify.md, "Bounds" and "Accounting").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lamina/verify.h"
#include "verify/pass.h"

namespace lamina {

// Bounds of the probability that two different graphs agree, as binary logarithms.
struct PassError {
  double each = 0.0;  // in one pass
  double once = 0.0;  // added once to the result of all passes
  std::vector<OutputBound> outputs;
};

// From the graphs, and from what the first pass shows of their exponents.
PassError pass_error(const Graph& a, const Graph& b, const Sizes& sizes,
                     const PrimeProfile& profile, Pass& first);

// Of two passes that are different programs, since their integer inputs differ.
PassError worse(const PassError& a, const PassError& b);

// Agreeing and undefined passes of every output element.
class Account {
 public:
  void resize(std::size_t elements) { elements_.resize(elements); }
  void agree(std::size_t element) { ++elements_[element].agreed; }
  void undefined(std::size_t element) { ++elements_[element].undefined; }
  // A pass one of whose primes q had too few p proves nothing: it was void for all elements.
  void void_pass() { ++void_passes_; }
  std::int64_t count(bool compared) const;
  // -log2 of the error, rounded down, by any rule for stopping: Ville's inequality.
  double bits(const PassError& error) const;

 private:
  struct Element {
    std::uint16_t agreed = 0;
    std::uint16_t undefined = 0;
  };
  std::vector<Element> elements_;
  int void_passes_ = 0;
};

}  // namespace lamina
