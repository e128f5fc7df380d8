// Drawing primes and inputs, and evaluating.
#include "verify/pass.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "graph/op_def.h"
#include "verify/domains.h"
#include "verify/evaluate.h"

namespace lamina {
namespace {

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

bool has_operator(const Graph& graph, const std::set<std::string_view>& names) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    if (names.contains(node.op->name)) return true;
    return std::any_of(node.graphs.begin(), node.graphs.end(),
                       [&](const Graph& inner) { return has_operator(inner, names); });
  });
}

}  // namespace

bool uses_angles(const Graph& a, const Graph& b) {
  static const std::set<std::string_view> kAngles = {"sin", "cos", "tan"};
  return has_operator(a, kAngles) || has_operator(b, kAngles);
}

Pass::Pass(const Graph& a, const Graph& b, const PrimeProfile& profile,
           const std::vector<InputPlan>& plans, const Sizes& sizes)
    : graph_a_(a), graph_b_(b), sizes_(sizes), seed_(SecretRandom::system_seed()), random_(seed_) {
  std::array<PrimePair, kLanes> primes;
  for (PrimePair& pair : primes) pair = draw_pair(profile, random_);
  field_ = std::make_unique<ResidueField>(primes, next_word, &random_);
  FormalDomain domain(*field_);
  inputs_ = draw_residues(plans, *field_, random_);
  a_ = evaluate(graph_a_, domain, inputs_, sizes_);
  b_ = evaluate(graph_b_, domain, inputs_, sizes_);
}

std::vector<FieldTuple> Pass::tuples(int pass) const {
  std::vector<FieldTuple> tuples;
  for (const PrimePair& pair : field_->pairs()) {
    tuples.push_back(
        {pair.p, pair.q, pair.omega, pair.root_p, pair.root_q, 0, pass, to_hex(seed_), sizes_});
  }
  return tuples;
}

std::vector<ResidueField::Exponent> Pass::exponents_at(const Moves& moves) const {
  const std::array<PrimePair, kLanes>& primes = field_->pairs();
  SecretRandom random(seed_);
  ResidueField field(primes, next_word, &random);
  field.follow(field_->tape());
  FormalDomain domain(field);
  FormalValues inputs = inputs_;
  std::uint32_t number = 0;
  for (Array<Formal>& input : inputs) {
    for (Formal& x : input.real) {
      const auto monomial = field_->monomial_of(x);  // of a positive input: its root moves
      if (monomial) x = field_->root(monomial->powers.at(0).first);
      x.algebra = &field;
      if (const auto move = moves.find(number++); move != moves.end()) {
        for (std::size_t i = 0; i < kLanes; ++i) {
          x.q[i] = static_cast<std::uint32_t>(Modulus(primes[i].q).add(x.q[i], move->second[i]));
        }
      }
      if (monomial) x = field.positive(x);
    }
  }
  evaluate(graph_a_, domain, inputs, sizes_);
  evaluate(graph_b_, domain, inputs, sizes_);
  return field.in_step() ? field.exponents() : std::vector<ResidueField::Exponent>{};
}

}  // namespace lamina
