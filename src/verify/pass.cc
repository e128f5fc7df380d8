// Drawing primes and inputs, and evaluating.
#include "verify/pass.h"

#include <algorithm>

#include "graph/op_def.h"
#include "verify/domains.h"
#include "verify/evaluate.h"

namespace lamina {
namespace {

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

bool has_angles(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return is_angle(node.op->name) ||
           std::any_of(node.graphs.begin(), node.graphs.end(), has_angles);
  });
}

// Whether the value is the second operand of a product, directly or as tiles.
bool is_second_operand(const Graph& graph, Value value) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      if (!(node.inputs[k] == value)) continue;
      if (node.op->name == "matmul" && k == 1) return true;
      const Value result{static_cast<int>(n), 0};
      if (node.op->name == "load" && is_second_operand(graph, result)) return true;
      if (node.op->name != "block") continue;
      const Graph& inner = node.graphs.at(0);
      std::size_t given = 0;
      for (const Input& input : inner.inputs) {
        if (input.role == Role::kState || given++ != k) continue;
        if (is_second_operand(inner, {input.node, 0})) return true;
      }
    }
  }
  return false;
}

// Second operands column by column, all others row by row.
std::vector<std::uint32_t> number_elements(const Graph& graph, const FormalValues& inputs) {
  std::vector<std::uint32_t> numbers;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Array<Formal>& input = inputs[i];
    if (input.is_whole) continue;
    const auto first = static_cast<std::uint32_t>(numbers.size());
    const std::size_t rank = input.shape.size();
    const auto columns = static_cast<std::uint32_t>(rank < 2 ? 1 : input.shape[rank - 1]);
    const auto rows = static_cast<std::uint32_t>(rank < 2 ? 1 : input.shape[rank - 2]);
    const bool turned = rank >= 2 && is_second_operand(graph, {graph.inputs[i].node, 0});
    for (std::uint32_t e = 0; e < input.real.size(); ++e) {
      const std::uint32_t within = e % (rows * columns);
      const std::uint32_t place = within % columns * rows + within / columns;
      numbers.push_back(first + (turned ? e - within + place : e));
    }
  }
  return numbers;
}

}  // namespace

bool is_angle(std::string_view op) { return op == "sin" || op == "cos" || op == "tan"; }

bool uses_angles(const Graph& a, const Graph& b) { return has_angles(a) || has_angles(b); }

Pass::Pass(const Graph& a, const Graph& b, const Setting& setting)
    : graph_a_(a),
      graph_b_(b),
      sizes_(setting.sizes),
      seed_(SecretRandom::system_seed()),
      random_(seed_) {
  std::array<PrimePair, kLanes> primes;
  if (setting.primes != nullptr) {
    primes = *setting.primes;
  } else {
    for (PrimePair& pair : primes) pair = draw_pair(setting.profile, random_);
  }
  field_ = std::make_unique<ResidueField>(primes, next_word, &random_);
  FormalDomain domain(*field_);
  inputs_ = draw_residues(setting.plans, *field_, random_);
  numbers_ = number_elements(graph_a_, inputs_);
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
  std::size_t element = 0;
  for (Array<Formal>& input : inputs) {
    for (Formal& x : input.real) {
      const auto monomial = field_->monomial_of(x);  // of a positive input: its root moves
      if (monomial) x = field_->root(monomial->powers.at(0).first);
      x.algebra = &field;
      if (const auto move = moves.find(numbers_[element++]); move != moves.end()) {
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
