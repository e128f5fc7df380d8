// What every operator answers, written once per operator in graph/ops/<op>.cc.
//
// Back ends and the generic interpreter know five kinds. A kind's *form* is data (loop extents and
// affine access maps over symbolic dims), so that the interpreter, the verifier and the code
// generators read one definition:
//   elementwise  a scalar template over the number types (ScalarMeaning)
//   reduce       LoopForm + Monoid, or an ordering along one axis (OrderForm)
//   contract     LoopForm: sum over the reduction loops of the product of the operands
//   move         MoveForm: a list of copies
//   region       inner graphs (block, thread, if, loop), what stands inside blocks (load, store,
//                after), or a composite known by expand() only
// A composite of any kind has expand(): the same meaning as a small graph of other operators.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "lamina/graph.h"
#include "num/code.h"
#include "num/formal.h"
#include "num/interval.h"

namespace lamina {

enum class Kind : std::uint8_t { kElementwise, kReduce, kContract, kMove, kRegion };

enum class AttrKind : std::uint8_t { kFlag, kInteger, kReal, kText, kDType, kDims, kReals };

struct AttrSpec {
  std::string_view name;
  AttrKind kind;
  std::optional<Attr> fallback;  // the default; absent: see `required`
  bool required = false;         // neither default nor required: the attribute may be absent
};

// What shape rules, forms and expansions see of a node.
struct NodeView {
  const OpDef& op;
  std::span<const Type> inputs;
  const Attrs& attrs;
  std::span<const Graph> graphs;
};

// The scalar template of an element-wise operator, instantiated for each number type. Booleans are
// 0 and 1 of the same type. `whole` is null for operators without a meaning on integers; those on
// integers only have nothing but `whole` and `code`. Formal values may become fresh variables.
struct ScalarMeaning {
  double (*real)(std::span<const double>, const Attrs&) = nullptr;
  std::int64_t (*whole)(std::span<const std::int64_t>, const Attrs&) = nullptr;
  Interval (*interval)(std::span<const Interval>, const Attrs&) = nullptr;
  Formal (*formal)(std::span<const Formal>, const Attrs&) = nullptr;
  Code (*code)(std::span<const Code>, const Attrs&) = nullptr;
};

// The index of an operand along one of its axes: sum of loop variables times coefficients, plus
// an offset, plus (for gather and scatter) an element of an integer operand.
struct AxisIndex {
  struct LoopTerm {
    int loop;
    Dim coefficient;
  };
  struct Indirect;  // an index read from another operand

  std::vector<LoopTerm> loops;
  Dim offset;
  std::vector<Indirect> indirect;  // at most one

  static AxisIndex of(int loop, Dim coefficient = 1, Dim offset = 0);
};

// Negative elements count from the end of the axis, as in NumPy.
struct AxisIndex::Indirect {
  int operand;                  // which input of the node holds the indices
  std::vector<AxisIndex> axes;  // where in it
};

// One index per axis of the operand. `flat` accesses see the operand as one row-major axis.
struct Access {
  std::vector<AxisIndex> axes;
  bool flat = false;
};

// A perfect loop nest: the first output_rank extents are the axes of the output, the others are
// reduced. An operand index outside its bounds contributes nothing (contract: a factor 0).
struct LoopForm {
  Dims extents;
  int output_rank = 0;
  std::vector<Access> operands;
};

enum class Monoid : std::uint8_t { kSum, kProd, kMax, kMin };

// An order along one axis: the first `count` positions of the stable order of a line. Output 0
// holds the values (when `values`), the last output the positions as i64 (when `positions`).
struct OrderForm {
  int axis = 0;
  Dim count;
  bool descending = false;
  bool prefer_last = false;  // of equal elements, take the last
  bool values = true;
  bool positions = false;
};

// How a copied element meets the one that is there.
enum class Combine : std::uint8_t { kSet, kAdd, kMul, kMax, kMin };

// For every point of `extents`: output[to] = operand[from]. `operand` may be kFill (the value
// `fill` + `fill_size`) or kIndex (the same + step * the loop variable 0). Points whose `to` or
// `from` lies outside its bounds are skipped.
struct Copy {
  static constexpr int kFill = -1;
  static constexpr int kIndex = -2;
  int output = 0;
  int operand = 0;
  Dims extents;
  Access from;
  Access to;
  Combine combine = Combine::kSet;
  double fill = 0.0;
  double step = 1.0;
  Dim fill_size;
};

// Copies run in order. Together they write every element of every output.
struct MoveForm {
  std::vector<Copy> copies;
};

// The nodes of a gradient are added to `graph`; `grads` holds, per output of the node, the
// gradient that arrived (node -1: none). Returns one gradient per input (node -1: none).
struct GradientView {
  Graph& graph;
  NodeId node;
  std::span<const Value> grads;

  Value input(int i) const { return graph.nodes[static_cast<std::size_t>(node)].inputs[i]; }
  Value output(int i = 0) const { return {node, i}; }
  const Attrs& attrs() const { return graph.nodes[static_cast<std::size_t>(node)].attrs; }
  const Type& type(Value v) const { return graph.type(v); }
};

// Inputs on which the conformance loop tries an operator.
struct Sample {
  std::vector<Type> inputs;
  Attrs attrs;
  double low = -2.0;  // real inputs are uniform in [low, high]
  double high = 2.0;
  std::vector<std::pair<std::int64_t, std::int64_t>> integer_ranges;  // per input; [first, last]
  bool differentiable = true;  // false: do not compare gradients here (kinks, integers)
};

struct OpDef {
  std::string_view name;
  Kind kind = Kind::kElementwise;
  int min_inputs = 1;
  int max_inputs = 1;  // -1: any number
  std::vector<AttrSpec> attrs;
  bool commutative = false;
  double flops = 1.0;  // per element (elementwise) or per point of the loop nest

  // The shape rule. Throws kInvalidArgument that names both sides.
  std::vector<Type> (*infer)(const NodeView&) = nullptr;
  ScalarMeaning scalar;                                           // elementwise
  LoopForm (*loop_form)(const NodeView&) = nullptr;               // reduce, contract
  Monoid monoid = Monoid::kSum;                                   // reduce
  OrderForm (*order_form)(const NodeView&) = nullptr;             // reduce
  MoveForm (*move_form)(const NodeView&) = nullptr;               // move
  Graph (*expand)(const NodeView&) = nullptr;                     // composites
  std::vector<Value> (*gradient)(const GradientView&) = nullptr;  // null: through expand()
  std::vector<Sample> (*samples)() = nullptr;
};

// All operators, in the order of ops/table.cc.
std::span<const OpDef> all_ops();

NodeView view(const Graph& graph, const Node& node, std::vector<Type>& input_types);

}  // namespace lamina
