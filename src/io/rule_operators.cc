// Names and parameters of the operators of rule files, and rules as text.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "io/rule_types.h"

namespace lamina {
namespace {

constexpr std::array<std::string_view, 31> kOperators = {
    "INPUT",        "WEIGHT",        "ANY",       "CONV2D",      "DROPOUT",      "LINEAR",
    "POOL2D_MAX",   "POOL2D_AVG",    "RELU",      "SIGMOID",     "TANH",         "BATCHNORM",
    "CONCAT",       "SPLIT",         "RESHAPE",   "TRANSPOSE",   "EW_ADD",       "EW_MUL",
    "MATMUL",       "MUL",           "ENLARGE",   "MERGE_GCONV", "CONSTANT_IMM", "CONSTANT_ICONV",
    "CONSTANT_ONE", "CONSTANT_POOL", "PARTITION", "COMBINE",     "REPLICATE",    "REDUCE",
    "EMBEDDING"};

constexpr std::array<std::string_view, 17> kParameters = {
    "OP_TYPE",      "NUM_INPUTS",     "NUM_OUTPUTS", "GROUP",      "KERNEL_H",
    "KERNEL_W",     "STRIDE_H",       "STRIDE_W",    "PAD",        "ACTI",
    "NUMDIM",       "AXIS",           "PERM",        "OUTSHUFFLE", "MERGE_GCONV_COUNT",
    "PARALLEL_DIM", "PARALLEL_DEGREE"};

constexpr int kMaxOutputs = 16;

template <std::size_t N>
std::string name_of(const std::array<std::string_view, N>& names, int number) {
  if (number < 0 || number >= static_cast<int>(N)) return std::to_string(number);
  return std::string(names[static_cast<std::size_t>(number)]);
}

std::string tensor_text(const RuleTensor& tensor, char side) {
  std::string text = tensor.op < 0 ? fmt::format("x{}", -static_cast<std::int64_t>(tensor.op))
                                   : fmt::format("{}{}", side, tensor.op);
  if (tensor.output != 0) text += fmt::format(".{}", tensor.output);
  return text;
}

std::string side_text(const std::vector<RuleOperator>& ops, char side) {
  std::string text;
  for (std::size_t k = 0; k < ops.size(); ++k) {
    std::string arguments;
    for (const RuleTensor& tensor : ops[k].inputs) {
      arguments += (arguments.empty() ? "" : ", ") + tensor_text(tensor, side);
    }
    for (const auto& [key, value] : ops[k].parameters) {
      arguments += fmt::format("; {}={}", name_of(kParameters, key), value);
    }
    text += fmt::format("{}{}{} = {}({})", k == 0 ? "" : "  ", side, k, rule_op_name(ops[k].type),
                        arguments);
  }
  return text;
}

}  // namespace

std::string rule_op_name(int type) { return name_of(kOperators, type); }

int parameter(const RuleOperator& op, int key, int low, int high) {
  const auto found = op.parameters.find(key);
  require(found != op.parameters.end(), "{}: no parameter {}", rule_op_name(op.type),
          name_of(kParameters, key));
  require(found->second >= low && found->second <= high, "{}: {} is {}, not in {}..{}",
          rule_op_name(op.type), name_of(kParameters, key), found->second, low, high);
  return found->second;
}

int output_count(const RuleOperator& op) {
  if (op.type != rule_op::kSplit) return 1;
  return parameter(op, rule_parameter::kNumOutputs, 1, kMaxOutputs);
}

std::vector<int> permutation(const RuleOperator& op) {
  const int rank = parameter(op, rule_parameter::kNumDims, 1, 8);
  int digits = parameter(op, rule_parameter::kPermutation, 0, 1 << 24);
  std::vector<int> order(static_cast<std::size_t>(rank));
  for (int i = rank; i-- > 0; digits /= rank) order[static_cast<std::size_t>(i)] = digits % rank;
  std::vector<int> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < rank; ++i) {
    require(digits == 0 && sorted[static_cast<std::size_t>(i)] == i,
            "TRANSPOSE: PERM {} is no permutation of {} axes",
            op.parameters.at(rule_parameter::kPermutation), rank);
  }
  return order;
}

std::string to_string(const RewriteRule& rule) {
  std::string outputs;
  for (const RuleOutput& output : rule.outputs) {
    outputs += fmt::format("{}{} = {}", outputs.empty() ? "" : ", ",
                           tensor_text(output.source, 's'), tensor_text(output.destination, 'd'));
  }
  return fmt::format("{}  =>  {}  where {}", side_text(rule.source, 's'),
                     side_text(rule.destination, 'd'), outputs);
}

}  // namespace lamina
