// Small rules of every kind, right and wrong, for the tests of rule files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lamina/rules.h"

namespace lamina::test {

inline RuleTensor x(int input) { return {-input, 0}; }  // an input of the rule
inline RuleTensor of(int op, int output = 0) { return {op, output}; }

using Parameters = std::map<std::int32_t, std::int32_t>;
inline const Parameters kNoActivation = {{9, 0}};

inline RuleOperator relu(RuleTensor a) { return {8, {a}, {}}; }
inline RuleOperator add(RuleTensor a, RuleTensor b) { return {16, {a, b}, {}}; }
inline RuleOperator mul(RuleTensor a, RuleTensor b) { return {17, {a, b}, {}}; }
inline RuleOperator matmul(RuleTensor a, RuleTensor b, int activation = 0) {
  return {18, {a, b}, {{9, activation}}};
}
inline RuleOperator concat(RuleTensor a, RuleTensor b, int axis, int rank) {
  return {12, {a, b}, {{1, 2}, {10, rank}, {11, axis}}};
}
inline RuleOperator split(RuleTensor a, int axis) { return {13, {a}, {{2, 2}, {11, axis}}}; }
inline RuleOperator transpose(RuleTensor a) { return {15, {a}, {{10, 2}, {12, 2}, {13, 0}}}; }
struct Window {
  int kernel = 3;
  int stride = 1;
  int padding = 0;  // 0: SAME, 1: VALID
};
inline RuleOperator conv(RuleTensor a, RuleTensor w, int activation = 0, Window window = {}) {
  return {3,
          {a, w},
          {{4, window.kernel},
           {5, window.kernel},
           {6, window.stride},
           {7, window.stride},
           {8, window.padding},
           {9, activation}}};
}
inline RuleOperator pool(int type, RuleTensor a, int stride = 2) {
  return {type, {a}, {{4, 3}, {5, 3}, {6, stride}, {7, stride}, {8, 0}}};
}
inline RuleOperator enlarge(RuleTensor a) { return {20, {a}, {{4, 3}, {5, 3}}}; }
inline RuleOperator linear(RuleTensor a, RuleTensor w, int activation = 0) {
  return {5, {a, w}, {{9, activation}}};
}
inline RuleOperator parallel(int type, RuleTensor a, int axis) {
  return {type, {a}, {{15, axis}, {16, 2}}};
}
inline RuleOperator partition(RuleTensor a, int axis) { return parallel(26, a, axis); }
inline RuleOperator combine(RuleTensor a, int axis) { return parallel(27, a, axis); }
inline RuleOperator replicate(RuleTensor a, int axis) { return parallel(28, a, axis); }
inline RuleOperator reduce(RuleTensor a, int axis) { return parallel(29, a, axis); }

// The last outputs of both sides are mapped.
inline RewriteRule rule(std::vector<RuleOperator> source, std::vector<RuleOperator> destination) {
  const auto last = [](const std::vector<RuleOperator>& ops) {
    return RuleTensor{static_cast<std::int32_t>(ops.size()) - 1, 0};
  };
  RewriteRule result{std::move(source), std::move(destination), {}};
  result.outputs.push_back({last(result.source), last(result.destination)});
  return result;
}

// One right rule for each kind of operator, by name.
inline std::vector<std::pair<std::string, RewriteRule>> right_rules() {
  RewriteRule taken_apart{{relu(x(1)), relu(x(2))},
                          {concat(x(1), x(2), 1, 2), relu(of(0)), split(of(1), 1)},
                          {{of(0), of(2, 0)}, {of(1), of(2, 1)}}};
  return {
      {"matmul is associative",
       rule({matmul(x(1), x(4)), matmul(of(0), x(5))}, {matmul(x(4), x(5)), matmul(x(1), of(0))})},
      {"matmul distributes", rule({add(x(1), x(2)), matmul(of(0), x(4))},
                                  {matmul(x(1), x(4)), matmul(x(2), x(4)), add(of(0), of(1))})},
      {"activation of matmul", rule({matmul(x(1), x(4)), relu(of(0))}, {matmul(x(1), x(4), 2)})},
      {"element-wise", rule({add(x(1), x(2)), mul(x(3), of(0))},
                            {mul(x(3), x(2)), mul(x(3), x(1)), add(of(0), of(1))})},
      {"concat of rows", rule({matmul(x(1), x(4)), matmul(x(2), x(4)), concat(of(0), of(1), 0, 2)},
                              {concat(x(1), x(2), 0, 2), matmul(of(0), x(4))})},
      {"split", taken_apart},
      {"transpose", rule({matmul(x(1), x(4)), transpose(of(0))},
                         {transpose(x(4)), transpose(x(1)), matmul(of(0), of(1))})},
      {"convolutions of one input",
       rule({conv(x(7), x(10)), conv(x(7), x(11)), concat(of(0), of(1), 1, 4)},
            {concat(x(10), x(11), 0, 4), conv(x(7), of(0))})},
      {"activation of conv",
       rule({conv(x(7), x(10), 0, {3, 2}), relu(of(0))}, {conv(x(7), x(10), 2, {3, 2})})},
      {"conv without padding",
       rule({conv(x(7), x(10), 0, {3, 2, 1}), conv(x(8), x(10), 0, {3, 2, 1}), add(of(0), of(1))},
            {add(x(7), x(8)), conv(of(0), x(10), 0, {3, 2, 1})})},
      {"max pool", rule({pool(6, x(7)), pool(6, x(8)), concat(of(0), of(1), 1, 4)},
                        {concat(x(7), x(8), 1, 4), pool(6, of(0))})},
      {"average pool",
       rule({pool(7, x(7)), pool(7, x(8)), add(of(0), of(1))}, {add(x(7), x(8)), pool(7, of(0))})},
      {"enlarge", rule({conv(x(7), x(10), 0, {1, 1})}, {enlarge(x(10)), conv(x(7), of(0))})},
      {"data parallel", rule({linear(x(1), x(4))}, {partition(x(1), 1), replicate(x(4), 0),
                                                    linear(of(0), of(1)), combine(of(2), 1)})},
      {"model parallel", rule({linear(x(1), x(4))}, {replicate(x(1), 0), partition(x(4), 1),
                                                     linear(of(0), of(1)), combine(of(2), 2)})},
      {"partial sums", rule({linear(x(1), x(4))}, {partition(x(1), 2), partition(x(4), 2),
                                                   linear(of(0), of(1)), reduce(of(2), 0)})},
      {"reduce of replicas", rule({replicate(x(1), 1), reduce(of(0), 1)}, {add(x(1), x(1))})},
  };
}

inline std::vector<std::pair<std::string, RewriteRule>> wrong_rules() {
  return {
      {"matmul does not commute", rule({matmul(x(1), x(4))}, {matmul(x(4), x(1))})},
      {"relu is not linear",
       rule({add(x(1), x(2)), relu(of(0))}, {relu(x(1)), relu(x(2)), add(of(0), of(1))})},
      {"concat in the other order",
       rule({concat(x(1), x(2), 0, 2), relu(of(0))}, {concat(x(2), x(1), 0, 2), relu(of(0))})},
      // The grouped convolution that TASO's verifier withdrew: only equal filter counts are right.
      {"grouped convolution",
       rule({conv(x(7), x(10)), conv(x(8), x(11)), concat(of(0), of(1), 1, 4)},
            {concat(x(7), x(8), 1, 4), concat(x(10), x(11), 0, 4), conv(of(0), of(1))})},
      {"max is not average", rule({pool(6, x(7))}, {pool(7, x(7))})},
      {"another activation", rule({matmul(x(1), x(4), 1)}, {matmul(x(1), x(4), 3)})},
      {"another stride", rule({conv(x(7), x(10), 0, {3, 1})}, {conv(x(7), x(10), 0, {3, 2})})},
      {"a replica too many", rule({relu(x(1))}, {replicate(x(1), 1), reduce(of(0), 1)})},
      {"replicas that differ",
       rule({linear(x(1), x(4))}, {concat(x(1), x(2), 0, 3), linear(of(0), x(4))})},
      {"no shapes",
       rule({matmul(x(1), x(2)), concat(of(0), x(1), 0, 2), add(of(1), x(1))}, {relu(x(1))})},
  };
}

}  // namespace lamina::test
