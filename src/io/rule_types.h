// Shape inference for rewrite rules: types whose sizes are linear forms, with equations that make
// both sides of a rule well-formed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/rule_sizes.h"
#include "lamina/rules.h"

namespace lamina {

// Operators by their numbers in rule files: those of TASO, and from 26 on those of FlexFlow.
namespace rule_op {
constexpr int kConv = 3;
constexpr int kLinear = 5;
constexpr int kMaxPool = 6;
constexpr int kAvgPool = 7;
constexpr int kRelu = 8;
constexpr int kSigmoid = 9;
constexpr int kTanh = 10;
constexpr int kConcat = 12;
constexpr int kSplit = 13;
constexpr int kTranspose = 15;
constexpr int kAdd = 16;
constexpr int kMul = 17;
constexpr int kMatmul = 18;
constexpr int kEnlarge = 20;
constexpr int kPartition = 26;
constexpr int kCombine = 27;
constexpr int kReplicate = 28;
constexpr int kReduce = 29;
}  // namespace rule_op

// Parameters by their numbers in rule files.
namespace rule_parameter {
constexpr int kNumInputs = 1;
constexpr int kNumOutputs = 2;
constexpr int kKernelH = 4;
constexpr int kKernelW = 5;
constexpr int kStrideH = 6;
constexpr int kStrideW = 7;
constexpr int kPad = 8;
constexpr int kActivation = 9;
constexpr int kNumDims = 10;
constexpr int kAxis = 11;
constexpr int kPermutation = 12;
constexpr int kParallelAxis = 15;
constexpr int kParallelDegree = 16;
}  // namespace rule_parameter

constexpr int kSamePadding = 0;  // of the parameter kPad; 1: none

// The name in the enumerations of TASO and FlexFlow ("CONV2D"), or the number.
std::string rule_op_name(int type);

// A parameter that the operator must have, in this range. Throws kInvalidArgument.
int parameter(const RuleOperator& op, int key, int low, int high);

// How many outputs the operator has.
int output_count(const RuleOperator& op);

// The permutation that TRANSPOSE stores as a number of base `rank`.
std::vector<int> permutation(const RuleOperator& op);

constexpr int kWhole = -1;

// From which pieces an axis was put together: what SPLIT takes apart again.
struct RulePieces {
  std::vector<LinearForm> sizes;
  std::vector<int> inner;  // the pieces of each piece: an index into TypedRule::pieces, or kWhole
};

struct RuleType {
  std::vector<LinearForm> shape;
  std::vector<int> pieces;  // by axis: an index into TypedRule::pieces, or kWhole
  std::vector<int> parts;   // by axis: into how many parts it is cut, each on its device

  std::size_t rank() const { return shape.size(); }
};

// What shapes alone do not settle: the groups of the convolutions (of the source, then of the
// destination), and how many replicas each input of a rule with LINEAR has.
struct RuleChoices {
  std::vector<int> groups;
  std::map<RuleTensor, int> replicas;
};

using OperatorTypes = std::vector<std::vector<RuleType>>;  // by operator and output

struct TypedRule {
  SizeSystem sizes;
  std::map<RuleTensor, RuleType> inputs;
  OperatorTypes source;
  OperatorTypes destination;
  std::vector<RulePieces> pieces;
  std::string conflict;   // why no sizes fit; empty when the equations have a solution
  std::string placement;  // where a pair of outputs is not cut alike; else empty
};

// Throws kUnsupported that names an operator, kInvalidArgument for a malformed operator. `variant`
// decides how far a window stops before the end of an axis that its stride does not divide.
TypedRule infer_types(const RewriteRule& rule, const RuleChoices& choices, int variant);

}  // namespace lamina
