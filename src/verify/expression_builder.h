// Building expressions node by node, with exact constants and truth values kept apart from numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "graph/op_def.h"
#include "lamina/identity.h"

namespace lamina {

// The operator of that name if it can be called in an expression: element-wise, with a meaning over
// the reals, and not about storage. nullptr if there is none.
const OpDef* scalar_op(std::string_view name);

class ExpressionBuilder {
 public:
  using Id = std::int32_t;  // of a node

  ExpressionBuilder();

  Id input(std::string_view name);  // added when it is new
  Id integer(std::int64_t value);   // below 2^53 in magnitude
  // A number like "12", "0.5" or "1.5e-3", exactly. Throws kInvalidArgument for anything else.
  Id decimal(std::string_view text);
  // Sums, products and quotients of constants are constants if they are exact. Truth values among
  // numbers count as 0 and 1. Throws kInvalidArgument when the operator takes other operands or
  // attributes.
  Id call(const OpDef& op, std::span<const Id> operands, const Attrs& attrs = {});
  Id call(std::string_view op, std::initializer_list<Id> operands);

  bool is_truth(Id id) const { return expression_.nodes[static_cast<std::size_t>(id)].truth; }

  // The expression of one node, without nodes that it does not need.
  Expression finish(Id value) const;

 private:
  Id push(Expression::Node node);
  Id digits(std::string_view digits);
  Id scaled(Id value, int exponent);
  Id add_call(const OpDef& op, std::vector<Id> operands, const Attrs& attrs);
  bool takes_numbers(const OpDef& op, std::size_t operands);
  std::optional<Rational> folded(std::string_view op, std::span<const Id> operands) const;

  Expression expression_;
  std::vector<Id> input_nodes_;  // by the number of the input; -1: not used yet
  Graph rules_;  // one number, one truth value, and for a moment the node whose types are asked for
};

}  // namespace lamina
