// The one graph: a plain value that describes a tensor program at kernel, block or thread level.
//
// A graph is a vector of nodes in topological order; an edge is a (node, output) id. Dimensions
// are integer expressions over named sizes that are bound when a program runs. Copying a graph
// copies everything but the elements of its weights, which are shared.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lamina/tensor.h"

namespace lamina {

struct OpDef;  // the operator table: see find_op()
struct Graph;

// Values of named sizes, by name.
using Sizes = std::map<std::string, std::int64_t, std::less<>>;

// An integer expression over named sizes: sums, products, floor and ceiling division. Kept as a
// canonical polynomial (sorted terms; quotients that do not simplify are atoms), so that equal
// expressions compare equal. Quotients round toward minus and plus infinity; divisors are positive.
class Dim {
 public:
  struct Factor;
  struct Term;

  Dim() = default;                                                 // 0
  Dim(std::int64_t constant);                                      // NOLINT: an integer is a Dim
  Dim(int constant) : Dim(static_cast<std::int64_t>(constant)) {}  // NOLINT
  static Dim size(std::string name);
  static Dim of(Factor factor);  // the expression that is just this factor
  // Parses the text form, e.g. "2*T + ceil(S / 16)". Throws kInvalidArgument.
  static Dim parse(std::string_view text);

  bool is_constant() const { return terms_.empty(); }
  std::optional<std::int64_t> constant() const;
  // The value with the sizes bound. Throws kInvalidArgument that names a size without a value.
  std::int64_t evaluate(const Sizes& sizes) const;
  Dim substitute(const std::map<std::string, Dim, std::less<>>& values) const;
  void collect_names(std::vector<std::string>& names) const;  // sorted, unique
  std::string to_string() const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend Dim floor_div(const Dim& a, const Dim& b);
  friend Dim ceil_div(const Dim& a, const Dim& b);
  bool operator==(const Dim&) const;
  std::strong_ordering operator<=>(const Dim&) const;

  std::int64_t constant_part() const { return constant_; }
  std::span<const Term> terms() const;  // the non-constant terms, for code generators

 private:
  void add_term(Term term);

  std::int64_t constant_ = 0;
  std::vector<Term> terms_;
};

Dim floor_div(const Dim& a, const Dim& b);
Dim ceil_div(const Dim& a, const Dim& b);

// One factor of a term: a named size, or a quotient of two expressions.
struct Dim::Factor {
  enum class Kind : std::uint8_t { kSize, kFloorDiv, kCeilDiv };
  Kind kind = Kind::kSize;
  std::string name;           // kSize
  std::vector<Dim> operands;  // quotients: numerator, denominator

  bool operator==(const Factor&) const = default;
  std::strong_ordering operator<=>(const Factor&) const;
};

// coefficient * product of factors (sorted).
struct Dim::Term {
  std::int64_t coefficient = 1;
  std::vector<Factor> factors;

  bool operator==(const Term&) const = default;
};

using Dims = std::vector<Dim>;

std::string to_string(const Dims& dims);  // "[8, 2*T]"
// All dims as numbers; nullopt when one depends on a size.
std::optional<Shape> constant_shape(const Dims& dims);
Shape evaluate(const Dims& dims, const Sizes& sizes);

// The static type of a value: element type, shape, and strides (empty: dense row-major).
struct Type {
  DType dtype = DType::kF32;
  Dims shape;
  Dims strides;

  bool operator==(const Type&) const = default;
};

std::string to_string(const Type& type);  // "f32[8, T]"

// The value of an attribute. Integer lists are lists of Dim, so that they may name sizes.
using Attr =
    std::variant<bool, std::int64_t, double, std::string, DType, Dims, std::vector<double>>;

// Attributes by name, sorted. Absent attributes have the default of the operator's AttrSpec;
// Graph::add() fills defaults in, so that readers find every attribute that the operator has.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, Attr>> values) : values_(values) {}

  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  void set(std::string name, Attr value) { values_[std::move(name)] = std::move(value); }
  void erase(std::string_view name);
  // Throw kInvalidArgument when the attribute is absent or of another kind. integer() accepts a
  // constant Dim list of length 1; real() accepts integers.
  const Attr& at(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  DType dtype(std::string_view name) const;
  const Dims& dims(std::string_view name) const;
  std::vector<std::int64_t> integers(std::string_view name) const;  // dims() without sizes
  const std::vector<double>& reals(std::string_view name) const;

  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  bool empty() const { return values_.empty(); }
  bool operator==(const Attrs&) const = default;

 private:
  std::map<std::string, Attr, std::less<>> values_;
};

using NodeId = std::int32_t;

// An edge: output `output` of node `node`.
struct Value {
  NodeId node = -1;
  std::int32_t output = 0;

  auto operator<=>(const Value&) const = default;
};

// An operator applied to earlier values. The operator "input" has no inputs; Graph::inputs says
// what each such node is. Regions (block, thread, if, loop) hold inner graphs.
struct Node {
  const OpDef* op = nullptr;
  std::string name;  // of output 0 in the text form; outputs beyond it are name.1, name.2, ...
  std::vector<Value> inputs;
  Attrs attrs;
  std::vector<Type> types;  // of the outputs
  std::vector<Graph> graphs;
};

// What a graph input is at run time.
enum class Role : std::uint8_t {
  kInput,    // given at each run
  kDonated,  // given at each run; the program may overwrite its memory and reuse it for an output
  kWeight,   // the same for all runs of a program; packed once, at load
  kState,    // lives in the program between runs; see Graph::updates
};

struct Input {
  NodeId node = -1;
  Role role = Role::kInput;
  // kWeight: its elements (may be absent: then the program is told them before it first runs).
  // kState: its initial elements (absent: all elements are `initial`).
  Tensor value;
  double initial = 0.0;
};

struct Output {
  std::string name;
  Value value;
};

// After a run (of a block graph: after each iteration of its loop) the state input `state` holds
// `next`. All updates happen at once, after everything that reads the old values.
struct Update {
  NodeId state = -1;
  Value next;
};

// A named size and the values that a program must serve.
struct SizeRange {
  std::string name;
  std::int64_t min = 1;
  std::int64_t max = 1 << 20;

  bool operator==(const SizeRange&) const = default;
};

// Where a graph runs. A kernel graph's values are tensors in memory; a block graph's are tiles in
// the memory of one core (or thread block); a thread graph's are registers.
enum class Level : std::uint8_t { kKernel, kBlock, kThread };

struct Graph {
  std::string name = "main";
  Level level = Level::kKernel;
  std::vector<SizeRange> sizes;
  std::vector<Node> nodes;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<Update> updates;

  // Building. Names are made unique; an empty name gets one from the operator.
  Value add_input(std::string name, Type type, Role role = Role::kInput);
  Value add_weight(std::string name, Tensor value);
  Value add_state(std::string name, Type type, double initial = 0.0);
  // Adds a node: checks arity and attributes, fills attribute defaults, infers the output types.
  // Throws kInvalidArgument ("matmul: inner sizes 64 and 48 differ") or kNotFound for `op`.
  Value add(std::string_view op, std::vector<Value> inputs, Attrs attrs = {}, std::string name = {},
            std::vector<Graph> graphs = {});
  // A scalar constant.
  Value constant(double value, DType dtype = DType::kF32);
  void add_output(std::string name, Value value);
  void add_update(Value state, Value next) { updates.push_back({state.node, next}); }

  const Type& type(Value value) const;
  const Node& node(Value value) const { return nodes.at(static_cast<std::size_t>(value.node)); }
  // The entry of `inputs` for an input node; nullptr for any other node.
  const Input* input(NodeId node) const;
  // Looks for a value by its name in the text form. Throws kNotFound.
  Value find(std::string_view name) const;
};

// The operator called `name`. Throws kNotFound that names it. All operators: docs/operators.md and
// all_ops() in src/graph/op_def.h.
const OpDef& find_op(std::string_view name);
std::string_view op_name(const Node& node);

// Throws kInvalidArgument unless the graph is well formed: edges point to earlier nodes, types are
// what the operators infer, names are unique, states are updated at most once with their type,
// sizes are declared. Checks inner graphs too.
void validate(const Graph& graph);

// A 128-bit hash, printed as 32 hexadecimal digits.
using GraphHash = std::string;
// Covers wiring, operators, attributes, types, strides, roles and inner graphs, not names nor the
// elements of weights: caches of optimised programs key on it.
GraphHash structure_hash(const Graph& graph);
// structure_hash plus the elements of weights and initial states.
GraphHash content_hash(const Graph& graph);

// The text form, version 1 (grammar: docs/formats.md). print_graph writes weights as typed inputs,
// without elements; parse(print(g)) has the structure hash of g. `source` is used in messages.
std::string print_graph(const Graph& graph);
Graph parse_graph(std::string_view text, std::string_view source = "graph");

// A copy in which the named sizes have fixed values (all types are inferred again).
Graph bind_sizes(const Graph& graph, const Sizes& sizes);

// Reverse-mode gradient of the scalar output `loss` (or, with several outputs, of the sum of the
// elements of the first) with respect to the given inputs: a graph with the same inputs whose
// outputs are the outputs of `graph` followed by one gradient per entry of `with_respect_to`,
// named "grad_<input>". Throws kUnsupported that names an operator without a gradient.
Graph gradient(const Graph& graph, std::span<const Value> with_respect_to);

}  // namespace lamina
