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
  double each = 0.0;   // in one pass
  double once = 0.0;   // added once to the result of all passes
  double by_t1 = 0.0;  // in one pass by theorem T1, to which nothing is added
  std::vector<OutputBound> outputs;
};

// From the graphs, and from what the first pass shows of their exponents. Where there are very many
// and theorem T1 reaches `wanted` bits in a few passes, it is the only one that is looked at.
PassError pass_error(const Graph& a, const Graph& b, const Pass::Setting& setting, Pass& first,
                     double wanted);

// Of two passes that are different programs, since their integer inputs differ.
PassError worse(const PassError& a, const PassError& b);

// A check that one level of verify() leaves open may be accepted by another: each level has a share
// of the error, and pays for it in bits. Nearly all of it is the first one's.
constexpr double kFirstLevel = 0.0043;  // -log2(1 - 3 / 1024)
constexpr double kOtherLevel = 10.0;    // roots, towers, cells: 1 / 1024 each

// Agreeing and undefined passes of every output element.
class Account {
 public:
  explicit Account(double charge = 0.0) : charge_(charge) {}  // bits that are paid

  void resize(std::size_t elements) { elements_.resize(elements); }
  void agree(std::size_t element) { ++elements_[element].agreed; }
  void undefined(std::size_t element) { ++elements_[element].undefined; }
  // A pass one of whose primes q had too few p proves nothing: it was void for all elements.
  void void_pass() { ++void_passes_; }
  std::int64_t count(bool compared) const;
  // -log2 of the error, rounded down, by any rule for stopping: Ville's inequality.
  double bits(const PassError& error) const;

 private:
  double evidence(double each) const;

  struct Element {
    std::uint16_t agreed = 0;
    std::uint16_t undefined = 0;
  };
  std::vector<Element> elements_;
  int void_passes_ = 0;
  double charge_;
};

}  // namespace lamina
