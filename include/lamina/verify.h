// Identity testing: do two graphs compute the same function?
//
// Both graphs are evaluated at random points of a random pair of prime fields (arXiv:2506.04529).
// A difference there is a proof that they differ, for programs made of + - * / and one level of
// exponentials; agreement is strong evidence that they are equal as functions of the reals
// (rounding is not considered). docs/design/verify.md says what exactly each verdict means.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

enum class Outcome {
  kEquivalent,  // every output element was compared and agreed in every run
  kDifferent,   // proved by a field mismatch inside the fragment, or by a real witness; see `close`
  kInconclusive,  // neither; Verdict::reason says why
  kUnsupported,   // an operator has no meaning in the fields; Verdict::unsupported names it
};

std::string_view to_string(Outcome outcome);

// What is known about the elements of a real input: they lie in [low, high], and equality is
// claimed for the interior of that range only. Real points are drawn inside it.
struct InputFacts {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  bool operator==(const InputFacts&) const = default;
};

// Primes for a batch of checks. The batch must be fixed before: its graphs may not depend on the
// primes. The bound of each check by itself then holds as with primes of its own. One thread.
class PrimeSupply;
std::shared_ptr<PrimeSupply> share_primes();

struct VerifyOptions {
  // Proved error bound that is asked for, -log2, per binding of the sizes: passes are added until
  // it is reached. 0: one pass, without a bound.
  double bits = 80.0;
  int most_passes = 12;   // of four pairs of primes each
  int size_bindings = 2;  // values of the named sizes that are tried, if there are named sizes
  std::shared_ptr<PrimeSupply> primes;  // null: drawn for every pass
  bool match_names = true;              // inputs are matched by order; require equal names as well
  // Dimensions above this are replaced by small ones, by the same map in both graphs, where the
  // graphs allow it; 0 keeps all shapes. A mismatch is always confirmed at the full shapes.
  std::int64_t shrink = 0;
  // Where branches cannot be looked at in all their cells: accept agreement on so many cells of
  // random real points. 0: that is inconclusive.
  int cells = 0;
  std::map<std::string, InputFacts, std::less<>> facts;  // by the input's name in the first graph
  // Where equality is claimed, beyond the facts: given the elements of all inputs. Null:
  // everywhere.
  std::function<bool(const std::vector<Tensor>&)> claims;
  // Above 0: of each output only so many elements are compared, each with all that it needs and
  // no more, at the shapes that the graphs have. They are the last one, one from the middle, the
  // first, and others drawn once both graphs are fixed. For programs that are too
  // large to be evaluated whole; named sizes must have been bound.
  int elements = 0;
  bool shrink_witness = true;  // replace its elements by zeros and small integers where possible
};

// One pass evaluates both graphs over four pairs of primes p = 1 modulo q at once. All that was
// drawn at random follows from the seed.
struct FieldTuple {
  std::uint64_t p = 0;
  std::uint64_t q = 0;
  std::uint64_t omega = 0;   // of order q modulo p
  std::uint64_t root_p = 0;  // of -1 modulo p and q; 0 where neither sine nor cosine occurs
  std::uint64_t root_q = 0;
  std::int64_t candidates = 0;  // primes among which p was drawn; 0: not counted
  int pass = 0;
  std::string seed;  // of the pass: 256 bits, hexadecimal
  Sizes sizes;
};

// What both graphs gave in one pass, for replay(): hashes of all output elements in all lanes, with
// what is undefined or infinite.
struct PassDigest {
  std::string a;
  std::string b;
};

// What the theorems of docs/design/verify.md prove for one output: -log2 of the probability that
// one pair of primes does not tell two different programs apart. 0: nothing.
struct OutputBound {
  std::string output;
  double t1 = 0.0;   // any exponents
  double t2 = 0.0;   // independent exponents
  double t12 = 0.0;  // some of them independent
};

// Real inputs at which an output element differs: interval arithmetic encloses the two values in
// disjoint ranges.
struct Witness {
  std::vector<std::string> input_names;
  std::vector<Tensor> inputs;  // f64 or the integer type of the input, in graph order
  std::string output;
  std::int64_t element = 0;
  double a = 0.0;  // the middle of the range of the first graph's value
  double b = 0.0;
};

// One output element that was compared by itself.
struct CheckedElement {
  std::string output;
  Shape at;
  Outcome outcome = Outcome::kInconclusive;
  std::optional<double> bits;  // as Verdict::bits
  double operations = 0.0;     // that the element needs in both graphs
};

struct Verdict {
  Outcome outcome = Outcome::kInconclusive;
  std::string reason;  // one line
  // `equivalent` without any chance of error: both graphs have the same exact normal form, at the
  // shapes that are listed. Only tried for small graphs of constant shapes without branches.
  bool proved = false;
  std::optional<double> bits;  // proved, -log2 of the error, rounded down; empty: not computed
  // `inconclusive` for no other reason than that: everything was compared and agreed in all passes,
  // which proves fewer bits than were asked for.
  bool short_of_bits = false;
  std::vector<OutputBound> bounds;  // first binding
  int passes = 0;
  std::vector<FieldTuple> tuples;
  std::vector<PassDigest> digests;                 // by pass
  std::int64_t compared = 0;                       // output elements compared at least once
  std::int64_t uncompared = 0;                     // output elements that every run left undefined
  std::map<std::string, std::int64_t> abstracted;  // fresh values by function, worst run
  std::int64_t branches = 0;             // of these: comparisons, maxima, selections, roundings
  std::vector<std::string> unsupported;  // operators
  std::vector<std::string> shapes;       // "x f32[8, 64]": what was checked, first binding
  bool shrunk = false;                   // `shapes` are smaller than the graphs'
  // Cells on which branches were decided one way each, where branches as free variables proved
  // nothing; with named sizes of the last binding that needed them. 0: none were looked at.
  std::int64_t cells = 0;
  bool all_cells = false;  // these are all: every real point lies in one of them
  std::optional<Witness> witness;
  // `different`, but numerically close: at no real point tried do the graphs differ by more than
  // this, relative to the greatest magnitude of the output, and it is no more than 1e-5.
  std::optional<double> close;
  // How the graphs were compared when free variables alone did not decide; `tuples` are those of
  // that evaluation then, and there are no digests.
  std::string level;
  // VerifyOptions::elements: these were compared, and nothing else. `bits` are those of the element
  // that has fewest; there are no tuples and no digests.
  std::vector<CheckedElement> elements;
  // Tuples in which they agreed up to a choice of the signs of roots; nothing is proved by that.
  int conjectural_tuples = 0;

  std::string to_text() const;
  std::string to_json() const;  // keys: docs/cli.md
};

// Compares the functions of two graphs with the same inputs and outputs, next states included.
// Throws kInvalidArgument that says what differs when they cannot be compared.
Verdict verify(const Graph& a, const Graph& b, const VerifyOptions& options = {});

// A copy in which every constant dimension above `limit` is replaced by a small one: equal numbers
// by equal numbers, products by products. nullopt where that does not give a well-formed graph of
// the same pattern of sizes, or the graph has block graphs (their tiles fix the sizes). The small
// ones begin at `smallest`.
std::optional<Graph> shrink_sizes(const Graph& graph, std::int64_t limit,
                                  std::int64_t smallest = 3);

}  // namespace lamina
