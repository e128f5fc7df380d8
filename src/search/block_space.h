// The space of block programs for one subprogram, one grid and one loop: every value that some
// block program can compute on the way to the outputs, once, with all ways to compute it.
//
// Enumerated by operators over values that are known already, smallest programs first (Mirage,
// arXiv:2405.05751, section 4, searches programs instead). Values with equal fingerprints on a
// small instance are one (observational equivalence), so no program is explored twice; a value
// whose abstract term cannot be part of an output's is not kept.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "lamina/graph.h"
#include "search/block_values.h"
#include "search/term.h"

namespace lamina::search {

// What is cut: axes of the first output, by the dimensions of the grid in order, and the axes of
// this extent, by the loop.
struct BlockShape {
  std::vector<std::size_t> grid;
  std::optional<Dim> loop;

  bool operator==(const BlockShape&) const = default;
};
std::string to_string(const BlockShape& shape);

// One operation of a block program on earlier values.
struct BlockStep {
  enum class Kind : std::uint8_t {
    kLoad,      // a tile of an input
    kConstant,  // a scalar; of attribute dtype, else f32
    kApply,     // an operator of the graph
    kSum,       // over the loop
    kLargest,
    kRunningLargest,
    kRescaledSum,  // of operand 0 by the running maximum, operand 1
  };
  Kind kind = Kind::kApply;
  std::size_t input = 0;  // kLoad
  std::vector<int> cuts;  // kLoad: of each axis
  double constant = 0.0;
  const OpDef* op = nullptr;  // kApply
  Attrs attrs;
  std::vector<std::size_t> operands;  // numbers of values

  bool operator==(const BlockStep&) const = default;
};

struct SpaceLimits {
  int operators = 12;  // of one program, loads and constants not counted
  std::size_t values = 5000;
  std::int64_t evaluations = 50000;  // of operations on the small instance
  bool prune_terms = true;
  // Exponentials only of what the program itself takes exponentials of (a running maximum counts as
  // the maximum): without the shift of a safe softmax they would overflow.
  bool same_exponents = true;
  bool merge_equal = true;
};

// What an enumeration did.
struct SpaceStatistics {
  std::int64_t states = 0;   // operations considered
  std::int64_t misfits = 0;  // shapes or cuts do not fit, or an element is undefined
  std::int64_t pruned = 0;   // by abstract terms
  std::int64_t unsafe = 0;   // exponentials of what the program takes none of
  std::int64_t large = 0;    // programs of more operators than the limit
  std::int64_t evaluated = 0;
  std::int64_t merged = 0;  // equal to a known value
  std::int64_t values = 0;
  bool complete = true;  // no limit was met but that of operators

  void add(const SpaceStatistics& other);
};

class BlockSpace {
 public:
  struct Value {
    BlockValue value;
    TermStore::Id term = 0;
    std::vector<BlockStep> ways;  // operands are earlier values
    std::vector<std::size_t>
        needs;  // values that the first way computes, itself included; ascending
  };

  // `program` of element-wise operators, products, reductions over one axis, transpositions,
  // selections and scalar constants (accepts()), with the axes of the grid cut in all outputs
  // alike.
  BlockSpace(const Graph& program, BlockShape shape, const SpaceLimits& limits);

  // Enumerates all values up to the limits; none where the program is undefined on the small
  // instance. False when stopped.
  bool run(const std::function<bool()>& stop = {});

  const Graph& program() const { return program_; }
  const BlockShape& shape() const { return shape_; }
  const std::vector<Value>& values() const { return values_; }
  // The values that each output can be stored from: one that is known after the loop, or one along
  // an axis that the loop cuts, of which every iteration stores its part (a concatenation).
  const std::vector<std::vector<std::size_t>>& outputs() const { return found_; }
  bool complete() const;
  const SpaceStatistics& statistics() const { return statistics_; }

  // Whether a program can be searched at all: arithmetic of floats and selections by bool inputs.
  static bool accepts(const Graph& program);
  // Whether an operator has a meaning on tiles here.
  static bool is_tile_operator(const Graph& program, const Node& node);
  // The one axis of a reduction, counted from the end (1: the last); nullopt: no such reduction.
  static std::optional<std::size_t> reduced_axis(const Graph& graph, const Node& node);

 private:
  struct Reduction {
    bool largest;
    std::size_t axis;  // from the end, 1: the last
    bool keep;
  };
  struct Elementwise {
    const OpDef* op;
    Attrs attrs;
    std::size_t arity = 1;
    bool operator==(const Elementwise&) const = default;
  };

  void collect_operators();
  bool set_targets();
  void add_targets(const BlockValue& whole, std::size_t output);
  void add_loads();
  void add_constants();
  // A binary operation: an element-wise one, or a product that sums over this extent.
  struct Operation {
    const Elementwise* elementwise = nullptr;
    std::int64_t extent = 0;
    auto operator<=>(const Operation&) const = default;
  };
  struct Partners {
    std::size_t seen = 0;  // of terms_met_
    std::vector<std::pair<TermStore::Id, TermStore::Id>> terms;
  };

  void expand(std::size_t value);
  void apply_unary(const Elementwise& what, std::size_t value);
  void reduce(const Reduction& reduction, std::size_t value);
  void transpose(std::size_t value);
  void accumulators(std::size_t value);
  void rescale(std::size_t value, std::size_t peak);
  void select(std::size_t value);
  void join(const Operation& what, std::size_t value, bool left);
  void join_elementwise(const Elementwise& what, std::size_t a, std::size_t b, TermStore::Id term);
  void join_product(std::int64_t extent, std::size_t a, std::size_t b, TermStore::Id term);
  template <class Compute>
  void attempt(TermStore::Id term, BlockStep step, Compute compute);
  template <class Compute>
  void offer(TermStore::Id term, BlockStep step, Compute compute);
  bool too_large(const std::vector<std::size_t>& needs, TermStore::Id term);
  void keep(BlockValue value, TermStore::Id term, BlockStep step);
  std::vector<std::size_t> needs_of(const BlockStep& step) const;
  bool relevant(TermStore::Id term);
  std::int64_t extent_of(const TileAxis& axis);
  std::int64_t loop_extent();
  TermStore::Id elementwise_term(const Elementwise& what, std::span<const TermStore::Id> operands);
  TermStore::Id matmul_term(const BlockValue& a, TermStore::Id x, TermStore::Id y);
  TermStore::Id term_of(const Operation& what, TermStore::Id a, TermStore::Id b);
  std::optional<TermStore::Id> relevant_term(const Operation& what, TermStore::Id a,
                                             TermStore::Id b);
  const std::vector<std::pair<TermStore::Id, TermStore::Id>>& partners(const Operation& what,
                                                                       TermStore::Id own,
                                                                       bool left);
  std::pair<std::int64_t, std::int64_t> primes_of(const Dim& extent);

  const Graph& program_;
  BlockShape shape_;
  SpaceLimits limits_;
  BlockFields fields_;
  TermStore terms_;
  std::vector<BlockFields::Whole> inputs_;
  std::vector<Elementwise> unary_, binary_;
  std::vector<Reduction> reductions_;
  std::vector<double> constants_;
  bool transposes_ = false, products_ = false, sums_ = false, maxima_ = false,
       exponentials_ = false;
  std::vector<TermStore::Id> targets_;
  std::set<TermStore::Id> exponents_;                          // of the program's exponentials
  std::set<std::array<TermStore::Id, 3>> selections_;          // operands of the program's
  std::map<TermStore::Id, std::vector<std::size_t>> by_term_;  // expanded values
  std::map<Fingerprint, std::size_t> wanted_;                  // outputs by fingerprint
  std::vector<std::vector<std::size_t>> found_;
  bool defined_ = false;  // on the small instance
  std::vector<Value> values_;
  std::map<Fingerprint, std::size_t> known_;
  std::vector<std::vector<std::size_t>> by_size_;  // not yet expanded
  std::vector<std::size_t> expanded_;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> primes_;
  std::unordered_map<std::uint64_t, std::optional<TermStore::Id>> pair_terms_;
  std::map<Operation, std::uint64_t> kinds_;
  std::vector<TermStore::Id> terms_met_;  // of expanded values, each once
  std::map<std::tuple<Operation, TermStore::Id, bool>, Partners> partners_;
  std::vector<std::size_t> running_;  // expanded running maxima
  SpaceStatistics statistics_;
};

}  // namespace lamina::search
