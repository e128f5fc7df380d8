// Ranks of the tensors of a rewrite rule, before their sizes are known.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "lamina/rules.h"

namespace lamina {

enum class Side { kSource, kDestination };

// Tensors that operators force to have equal ranks form classes. The rank of a class is what a
// parameter or an operator says; where nothing does, 2 in rules of TASO and 3 in rules with
// operators of FlexFlow, whose first axis counts replicas. Throws kInvalidArgument when the rule
// contradicts itself, kUnsupported that names an operator without a meaning here.
class RuleRanks {
 public:
  explicit RuleRanks(const RewriteRule& rule);

  int of_input(const RuleTensor& tensor) const;

 private:
  // Inputs belong to both sides.
  using Key = std::tuple<bool, Side, RuleTensor>;

  static Key key(Side side, const RuleTensor& tensor);
  int tensor_class(Side side, const RuleTensor& tensor);
  int root(int id) const;
  void unite(int a, int b);
  void set_rank(int id, int rank, const std::string& where);
  void read_side(const std::vector<RuleOperator>& ops, Side side);

  std::map<Key, int> ids_;
  std::vector<int> parent_;
  std::vector<std::optional<int>> rank_;  // of roots
  int default_rank_ = 2;
};

}  // namespace lamina
