// The judge: no candidate is timed before it is found equal to the subprogram it would replace,
// by identity testing on a small instance and by comparison with the reference device at full
// shape, every element.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lamina/device.h"
#include "lamina/verify.h"
#include "search/candidates.h"
#include "search/reference.h"

namespace lamina::search {

// A function of small graphs, computed once for each: candidates that differ in their tiles alone
// have the same small instance. Several threads may ask at once; those that ask for what another
// computes wait for it.
template <class Result>
class Remembered {
 public:
  Result get(const Graph& graph, const std::function<Result()>& compute) {
    std::promise<Result> promise;
    std::shared_future<Result> result;
    bool mine = false;
    {
      const std::lock_guard lock(mutex_);
      auto [entry, added] = results_.try_emplace(print_graph(graph));
      if (added) entry->second = promise.get_future().share();
      result = entry->second;
      mine = added;
    }
    if (mine) {
      try {
        promise.set_value(compute());
      } catch (...) {
        promise.set_exception(std::current_exception());
      }
    }
    return result.get();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_future<Result>> results_;  // by the text of the graph
};

// Several threads may judge at once.
class Judge {
 public:
  // `prepared` with all weights filled; `bindings` are the values of its named sizes to try.
  // Outputs of the reference device are kept in `folder`, "": nowhere. They are computed while
  // other things are done.
  Judge(const Graph& prepared, std::vector<Sizes> bindings, std::uint64_t seed,
        const std::string& folder = "");

  // The verdict of the identity test on the small instance (on the program itself when it has no
  // small instance). To more than 80 bits where it is one of several candidates, so that 80 are
  // left for all of them together.
  Verdict prove(const Recipe& recipe, std::size_t candidates) const;
  // Of the candidate as it is: some output elements at full shape, on every binding, to more than
  // 80 bits where it is one of `finalists`. kUnsupported: an element needs too much.
  Verdict prove_elements(const Graph& candidate, std::size_t finalists) const;
  // Why the candidate is numerically worse than the program in the program's own float types, by
  // emulation of an instance on harsh inputs; nullopt: it is not.
  std::optional<std::string> numeric_fault(const Recipe& recipe) const;

  // How `program` differs from the reference device beyond the tolerance of docs/numerics.md, on
  // any binding, in words; nothing when it does not.
  std::optional<std::string> difference_from_reference(Program& program) const;

  // The largest deviation() of `program` from the reference device over the bindings.
  double deviation_from_reference(Program& program) const;

  const std::vector<Sizes>& bindings() const { return bindings_; }
  const std::vector<std::vector<Tensor>>& inputs() const { return inputs_; }
  // About files of reference outputs that could not be used. Waits for the reference.
  std::vector<std::string> warnings() const;

 private:
  using References = std::vector<ReferenceOutputs>;  // per binding

  Verdict proof_of(const Graph& small, std::size_t candidates) const;
  // The recipe for an instance of the program, or for the program where there is none.
  std::optional<Graph> candidate(const Recipe& recipe, const std::optional<Graph>& instance) const;

  const Graph& prepared_;
  std::optional<Graph> small_;    // to be proved
  std::optional<Graph> numeric_;  // to be emulated: long enough sums for errors to show
  std::vector<Sizes> bindings_;
  std::vector<std::vector<Tensor>> inputs_;  // per binding
  std::shared_future<References> wanted_;
  mutable Remembered<Verdict> proofs_;
  mutable Remembered<std::optional<std::string>> numeric_faults_;
};

// Whether a whole program is refused that deviates from the reference by `off` tolerances where the
// unfused program does by `unfused`. A region has to be within the tolerance. A chain of many
// (convolutions, one after the other) amplifies roundings and may take the unfused program beyond
// it: then the optimised one may be as far off, and no further.
bool is_too_far_off(double off, double unfused);

// The values of the named sizes to try: the ends of their ranges and a middle (all sizes at the
// same place), each at most `largest` or twice the smallest, fewer where that would take the
// reference device too long.
std::vector<Sizes> choose_bindings(const Graph& graph, std::int64_t largest);

// Whether the reference device computes the smallest sizes of the graph in seconds.
bool is_comparable(const Graph& graph);

}  // namespace lamina::search
