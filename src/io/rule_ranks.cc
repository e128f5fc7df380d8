// Classes of equal ranks, by union and find.
#include "io/rule_ranks.h"

#include <algorithm>

#include "base/check.h"
#include "io/rule_types.h"

namespace lamina {
namespace {

constexpr int kMaxRank = 8;

// How many inputs an operator takes; {0, 0} when it has no meaning here.
std::pair<std::size_t, std::size_t> arity(int type) {
  switch (type) {
    case rule_op::kAdd:
    case rule_op::kMul:
    case rule_op::kMatmul:
    case rule_op::kConv:
    case rule_op::kLinear:
      return {2, 2};
    case rule_op::kConcat:
      return {1, 16};
    case rule_op::kEnlarge:
      return {1, 2};
    case rule_op::kRelu:
    case rule_op::kSigmoid:
    case rule_op::kTanh:
    case rule_op::kSplit:
    case rule_op::kTranspose:
    case rule_op::kMaxPool:
    case rule_op::kAvgPool:
    case rule_op::kPartition:
    case rule_op::kCombine:
    case rule_op::kReplicate:
    case rule_op::kReduce:
      return {1, 1};
    default:
      return {0, 0};
  }
}

void check_arity(const RuleOperator& op) {
  const auto [low, high] = arity(op.type);
  if (high == 0) fail(ErrorCode::kUnsupported, "operator {}", rule_op_name(op.type));
  require(op.inputs.size() >= low && op.inputs.size() <= high, "{}: {} inputs",
          rule_op_name(op.type), op.inputs.size());
}

bool is_parallel(const RuleOperator& op) {
  return op.type == rule_op::kLinear || op.type >= rule_op::kPartition;
}

// The rank that the operator gives all its tensors, if it does.
std::optional<int> rank_by_operator(const RuleOperator& op) {
  switch (op.type) {
    case rule_op::kConv:
    case rule_op::kMaxPool:
    case rule_op::kAvgPool:
    case rule_op::kEnlarge:
      return 4;
    case rule_op::kLinear:
      return 3;
    case rule_op::kTranspose:
      return parameter(op, rule_parameter::kNumDims, 1, kMaxRank);
    default:
      break;
  }
  if (!op.parameters.contains(rule_parameter::kNumDims)) return std::nullopt;
  return parameter(op, rule_parameter::kNumDims, 1, kMaxRank);
}

}  // namespace

RuleRanks::RuleRanks(const RewriteRule& rule) {
  for (const auto* ops : {&rule.source, &rule.destination}) {
    for (const RuleOperator& op : *ops) {
      check_arity(op);
      if (is_parallel(op)) default_rank_ = 3;
    }
  }
  read_side(rule.source, Side::kSource);
  read_side(rule.destination, Side::kDestination);
  for (const RuleOutput& output : rule.outputs) {
    unite(tensor_class(Side::kSource, output.source),
          tensor_class(Side::kDestination, output.destination));
  }
}

RuleRanks::Key RuleRanks::key(Side side, const RuleTensor& tensor) {
  const bool input = tensor.op < 0;
  return {input, input ? Side::kSource : side, tensor};
}

int RuleRanks::tensor_class(Side side, const RuleTensor& tensor) {
  const auto [entry, fresh] = ids_.try_emplace(key(side, tensor), static_cast<int>(parent_.size()));
  if (fresh) {
    parent_.push_back(entry->second);
    rank_.emplace_back();
  }
  return root(entry->second);
}

int RuleRanks::root(int id) const {
  while (parent_[static_cast<std::size_t>(id)] != id) id = parent_[static_cast<std::size_t>(id)];
  return id;
}

void RuleRanks::unite(int a, int b) {
  a = root(a);
  b = root(b);
  if (a == b) return;
  const std::optional<int> rank = rank_[static_cast<std::size_t>(b)];
  parent_[static_cast<std::size_t>(b)] = a;
  if (rank) set_rank(a, *rank, "tensors of equal rank");
}

void RuleRanks::set_rank(int id, int rank, const std::string& where) {
  std::optional<int>& known = rank_[static_cast<std::size_t>(root(id))];
  require(known.value_or(rank) == rank, "{}: ranks {} and {}", where, known.value_or(rank), rank);
  known = rank;
}

void RuleRanks::read_side(const std::vector<RuleOperator>& ops, Side side) {
  for (std::size_t k = 0; k < ops.size(); ++k) {
    std::vector<int> all;
    for (const RuleTensor& tensor : ops[k].inputs) all.push_back(tensor_class(side, tensor));
    for (int i = 0; i < output_count(ops[k]); ++i) {
      all.push_back(tensor_class(side, {static_cast<std::int32_t>(k), i}));
    }
    for (const int id : all) unite(all[0], id);
    if (const auto rank = rank_by_operator(ops[k])) {
      set_rank(all[0], *rank, rule_op_name(ops[k].type));
    }
  }
}

int RuleRanks::of_input(const RuleTensor& tensor) const {
  const int id = root(ids_.at(key(Side::kSource, tensor)));
  return rank_[static_cast<std::size_t>(id)].value_or(default_rank_);
}

}  // namespace lamina
