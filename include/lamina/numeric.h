// Numerical comparison of two programs that compute the same function of the reals.
//
// Equality over the reals says nothing about rounding: a softmax without its shift by the maximum
// equals the safe one, and overflows. check_numeric() runs both programs as a device would that
// stores every result in a given float type, on harsh inputs, and compares errors and overflows of
// the candidate with those of the reference in the same type. docs/numerics.md, "Comparing
// programs", says what is emulated and when a candidate fails.
//
//   const NumericReport report = check_numeric(reference, candidate, {.dtypes = {DType::kBF16}});
//   if (report.outcome != NumericOutcome::kFine) std::puts(report.to_text().c_str());
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

enum class NumericOutcome {
  kFine,          // no overflow that the reference does not have, errors of the same size
  kWorse,         // errors more than 4 times those of the reference and above the tolerance
  kOverflows,     // infinite or undefined at an actual input at which the reference is finite
  kInconclusive,  // nothing could be compared; the reason says why
};

std::string_view to_string(NumericOutcome outcome);

// How inputs are drawn. All values are inside the range of their input, masked ones aside.
enum class Distribution {
  kNormal,        // of the typical size of the input
  kLarge,         // uniform over the range
  kCancelling,    // one value shared by all inputs, plus deviations of 16 units of roundoff
  kCorner,        // the ends of the range: all high, all low, signs by tensor, signs by row
  kConstantRows,  // equal along the last axis
  kOneHot,        // one element per row at the end of the range, the others 0
  kTiny,          // 2^-10 of the typical size
  kMasked,        // normal, a leading or trailing part of each row of one input at -infinity
};

std::string_view to_string(Distribution distribution);
std::vector<Distribution> all_distributions();

// A closed range of reals.
struct ValueRange {
  double low = 0.0;
  double high = 0.0;

  bool operator==(const ValueRange&) const = default;
};

struct NumericOptions {
  std::vector<DType> dtypes = {DType::kF32};  // of kF32, kBF16, kF16
  std::vector<Distribution> distributions = all_distributions();
  // Ranges of float inputs and weights by name. Default: [-128, 128], of size 1, for inputs and
  // states; for weights without elements six standard deviations of their size, 1 / sqrt(rows).
  std::map<std::string, ValueRange, std::less<>> ranges;
  Sizes sizes;  // of named sizes; absent ones get small values
  std::uint64_t seed = 1;
  double budget = 4e10;  // operations that the emulation may take, all dtypes together
  bool match_names = true;
};

// Where the range of a value reaches what its type or operator cannot bear: numbers beyond the
// type; a divisor of 0, log or rsqrt of 0; log or a root of a negative number. Found by interval
// analysis of the whole program at its real sizes: it may happen, no input is at hand.
struct Hazard {
  enum class Kind { kOverflow, kSingular, kDomain };
  Kind kind = Kind::kOverflow;
  std::string place;          // "exp 'e' in softmax 'p'"
  std::string detail;         // "argument up to 128; f32 overflows above 88.72"
  bool in_reference = false;  // the reference has a hazard of this kind at such an operator
};

std::string_view to_string(Hazard::Kind kind);

// Largest errors over all samples of a distribution, relative to |want| + row mean of |want|.
struct NumericErrors {
  Distribution distribution = Distribution::kNormal;
  int samples = 0;
  double reference = 0.0;
  double candidate = 0.0;
  std::int64_t compared = 0;    // output elements
  std::int64_t undefined = 0;   // elements that are not finite in the reference either
  std::int64_t overflowed = 0;  // elements that only the candidate could not represent
};

// The input at which a candidate failed, and what it gave there.
struct NumericWitness {
  Distribution distribution = Distribution::kNormal;
  int sample = 0;  // drawn again with the same seed
  std::vector<std::string> input_names;
  std::vector<Tensor> inputs;
  std::string output;
  std::int64_t element = 0;
  double want = 0.0;
  double reference = 0.0;
  double candidate = 0.0;
};

struct NumericTypeReport {
  DType dtype = DType::kF32;
  NumericOutcome outcome = NumericOutcome::kInconclusive;
  std::string reason;                 // one line: which node, which input
  double tolerance = 0.0;             // of the reference in this type
  std::vector<NumericErrors> errors;  // in the order of the options
  std::vector<Distribution> skipped;  // the budget was spent
  // Running error bounds of the outputs on a normal input, relative like the errors; infinite where
  // there is none, absent where the budget was spent.
  std::optional<double> reference_bound;
  std::optional<double> candidate_bound;
  std::vector<Hazard> hazards;  // of the candidate
  std::optional<NumericWitness> witness;
};

struct NumericReport {
  NumericOutcome outcome = NumericOutcome::kFine;  // the worst of all types
  std::vector<NumericTypeReport> types;
  Sizes sizes;
  std::uint64_t seed = 0;

  std::string to_text() const;  // a line per type, and what may overflow
  std::string to_json() const;  // keys: docs/cli.md
};

// The programs must have the same inputs and outputs; that they are equal is for verify() to say.
// Throws kInvalidArgument that says what differs or which option is wrong.
NumericReport check_numeric(const Graph& reference, const Graph& candidate,
                            const NumericOptions& options = {});

}  // namespace lamina
