// Normal forms of abstract terms, and the test of subexpressions.
#include "search/term.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace lamina::search {
namespace {

constexpr std::string_view kParentheses = "(";
constexpr std::string_view kLargest = "largest";

using Powers = std::vector<std::pair<std::uint32_t, std::int32_t>>;

bool is_divisor(std::uint32_t factor) { return factor % 2 == 1; }

// Nothing cancels: x / x is not 1.
Powers product_of(const Powers& a, const Powers& b) {
  std::map<std::uint32_t, std::int32_t> sum(a.begin(), a.end());
  for (const auto& [factor, power] : b) sum[factor] += power;
  return {sum.begin(), sum.end()};
}

Powers inverse_of(Powers powers) {
  for (auto& [factor, power] : powers) factor ^= 1;
  std::sort(powers.begin(), powers.end());
  return powers;
}

// The factors of `whole` beyond `part`, all of which it has to have.
std::optional<Powers> quotient_of(const Powers& whole, const Powers& part) {
  std::map<std::uint32_t, std::int32_t> left(whole.begin(), whole.end());
  for (const auto& [factor, power] : part) {
    const auto found = left.find(factor);
    if (found == left.end() || found->second < power) return std::nullopt;
    if ((found->second -= power) == 0) left.erase(found);
  }
  return Powers(left.begin(), left.end());
}

Powers divisor_of(const Powers& powers) {
  Powers result;
  for (const auto& [factor, power] : powers) {
    if (is_divisor(factor)) result.emplace_back(factor ^ 1, power);
  }
  return result;
}

}  // namespace

TermStore::TermStore(bool parts_of_exponents) : parts_of_exponents_(parts_of_exponents) {
  intern(Term{});  // number 0: no exponent
  one_ = intern(Term{Monomial{}});
}

TermStore::Id TermStore::intern(Term term) {
  std::sort(term.begin(), term.end());
  const auto [at, added] = term_ids_.try_emplace(term, static_cast<Id>(terms_.size()));
  if (added) terms_.push_back(std::move(term));
  return at->second;
}

TermStore::AtomId TermStore::intern(Atom atom) {
  const auto [at, added] = atom_ids_.try_emplace(atom, static_cast<AtomId>(atoms_.size()));
  if (added) atoms_.push_back(std::move(atom));
  return at->second;
}

TermStore::Id TermStore::of_atom(Atom atom, bool divisor) {
  const std::uint32_t factor = 2 * intern(std::move(atom)) + (divisor ? 1 : 0);
  return intern(Term{Monomial{{{factor, 1}}, {}, 0, 1, 1}});
}

const TermStore::Atom* TermStore::single(Id id) const {
  const Term& term = terms_[id];
  if (term.size() != 1 || term[0].powers.size() != 1) return nullptr;
  const auto [factor, power] = term[0].powers[0];
  Monomial alone;
  alone.powers = term[0].powers;
  const bool atom = power == 1 && !is_divisor(factor) && term[0] == alone;
  return atom ? &atoms_[factor / 2] : nullptr;
}

TermStore::Id TermStore::input(int number) { return of_atom({std::to_string(number), 1, {}}); }

TermStore::Id TermStore::constant(double value) {
  return value == 1.0 ? one_ : of_atom({fmt::format("={}", value), 1, {}});
}

TermStore::Id TermStore::add(Id a, Id b) {
  Term sum = terms_[a];
  sum.insert(sum.end(), terms_[b].begin(), terms_[b].end());
  if (sum.size() <= kMostMonomials) return intern(std::move(sum));
  const Id operands[] = {std::min(a, b), std::max(a, b)};
  return function("add", operands);
}

TermStore::Monomial TermStore::product(const Monomial& a, const Monomial& b) {
  Monomial result{product_of(a.powers, b.powers), product_of(a.roots, b.roots), a.exponent,
                  a.above * b.above, a.below * b.below};
  if (b.exponent != 0) result.exponent = a.exponent == 0 ? b.exponent : add(a.exponent, b.exponent);
  return result;
}

TermStore::Id TermStore::multiply(Id a, Id b) {
  if (terms_[a].size() * terms_[b].size() > kMostMonomials) {
    const Id operands[] = {std::min(a, b), std::max(a, b)};
    return function("mul", operands);
  }
  Term result;
  const Term left = terms_[a], right = terms_[b];
  for (const Monomial& x : left) {
    for (const Monomial& y : right) result.push_back(product(x, y));
  }
  return intern(std::move(result));
}

TermStore::Monomial TermStore::inverse(const Monomial& x) const {
  return {inverse_of(x.powers), inverse_of(x.roots), x.exponent, x.below, x.above};
}

TermStore::Id TermStore::divide(Id a, Id b) {
  const Term& divisor = terms_[b];
  if (divisor.size() == 1) return multiply(a, intern(Term{inverse(divisor[0])}));
  return multiply(a, of_atom({std::string(kParentheses), 1, {b}}, true));
}

TermStore::Id TermStore::exponential(Id x) { return intern(Term{Monomial{{}, {}, x, 1, 1}}); }

TermStore::Id TermStore::root(Id x) {
  const Term& term = terms_[x];
  Monomial root;
  if (term.size() == 1 && term[0].above == 1 && term[0].below == 1 && term[0].exponent == 0 &&
      term[0].roots.empty()) {
    root.roots = term[0].powers;
  } else {
    root.roots = {{2 * intern(Atom{std::string(kParentheses), 1, {x}}), 1}};
  }
  return intern(Term{std::move(root)});
}

TermStore::Id TermStore::sum(std::int64_t extent, Id x) {
  Term term = terms_[x];
  for (Monomial& monomial : term) monomial.above *= extent;
  return intern(std::move(term));
}

// The largest over parts of an axis of the largest over the rest is the largest over all.
TermStore::Id TermStore::largest(std::int64_t extent, Id x) {
  const Atom* const inner = single(x);
  if (inner != nullptr && inner->name == kLargest) {
    return of_atom({std::string(kLargest), extent * inner->extent, inner->operands});
  }
  return of_atom({std::string(kLargest), extent, {x}});
}

TermStore::Id TermStore::function(std::string_view name, std::span<const Id> operands) {
  return of_atom({std::string(name), 1, {operands.begin(), operands.end()}});
}

bool TermStore::divides(const Monomial& part, const Monomial& whole, Monomial& quotient) {
  if (whole.above % part.above != 0 || whole.below % part.below != 0) return false;
  const auto powers = quotient_of(whole.powers, part.powers);
  const auto roots = quotient_of(whole.roots, part.roots);
  if (!powers || !roots) return false;
  quotient = {*powers, *roots, 0, whole.above / part.above, whole.below / part.below};
  if (part.exponent == 0) {
    quotient.exponent = whole.exponent;
    return true;
  }
  const Term& all = terms_[whole.exponent];
  const Term& some = terms_[part.exponent];
  if (!std::includes(all.begin(), all.end(), some.begin(), some.end())) return false;
  Term rest;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(rest));
  quotient.exponent = intern(std::move(rest));
  return true;
}

// Whether the part times one monomial, plus other values, is the term at the position.
bool TermStore::fits(Id part, Id position) {
  const Term whole = terms_[position], some = terms_[part];
  if (some.empty() || some.size() > whole.size()) return false;
  for (const Monomial& monomial : whole) {
    Monomial factor;
    if (!divides(some[0], monomial, factor)) continue;
    if (some.size() == 1) return true;
    Term scaled;
    for (const Monomial& x : some) scaled.push_back(product(x, factor));
    std::sort(scaled.begin(), scaled.end());
    if (std::includes(whole.begin(), whole.end(), scaled.begin(), scaled.end())) return true;
  }
  return false;
}

void TermStore::collect(Id id, Positions& positions) {
  if (std::find(positions.terms.begin(), positions.terms.end(), id) != positions.terms.end())
    return;
  positions.terms.push_back(id);
  const Term term = terms_[id];
  for (const Monomial& monomial : term) {
    if (monomial.exponent != 0 && parts_of_exponents_) collect(monomial.exponent, positions);
    const Monomial divisor{divisor_of(monomial.powers), divisor_of(monomial.roots), 0,
                           monomial.below, 1};
    for (const Powers* powers : {&monomial.powers, &monomial.roots}) {
      for (const auto& [factor, power] : *powers) {
        const Atom atom = atoms_[factor / 2];
        if (atom.name == kLargest) positions.maxima.push_back(factor / 2);
        for (const Id operand : atom.operands) collect(operand, positions);
      }
    }
    // Under a root as such.
    Monomial radicand;
    for (const auto& [factor, power] : monomial.roots) {
      radicand.powers.emplace_back(factor, power);
    }
    if (!radicand.powers.empty()) collect(intern(Term{std::move(radicand)}), positions);
    if (divisor != Monomial{}) collect(intern(Term{divisor}), positions);
  }
}

const TermStore::Positions& TermStore::positions_of(Id whole) {
  const auto known = positions_.find(whole);
  if (known != positions_.end()) return known->second;
  Positions positions;
  collect(whole, positions);
  return positions_.emplace(whole, std::move(positions)).first->second;
}

// The largest over a part of the axis of a maximum that occurs.
bool TermStore::is_smaller_maximum(Id part, const Positions& positions) const {
  const Atom* const small = single(part);
  return small != nullptr && small->name == kLargest &&
         std::any_of(positions.maxima.begin(), positions.maxima.end(), [&](AtomId number) {
           const Atom& large = atoms_[number];
           return large.operands == small->operands && large.extent % small->extent == 0;
         });
}

bool TermStore::within(Id part, Id whole) {
  const std::uint64_t key = std::uint64_t{part} << 32 | whole;
  if (const auto known = within_.find(key); known != within_.end()) return known->second;
  const Positions positions = positions_of(whole);
  const bool result = part == one_ || is_smaller_maximum(part, positions) ||
                      std::any_of(positions.terms.begin(), positions.terms.end(),
                                  [&](Id position) { return fits(part, position); });
  within_.emplace(key, result);
  return result;
}

std::string TermStore::name_of(const Atom& atom) const {
  if (atom.operands.empty()) return "x" + atom.name;
  std::string name = atom.name;
  if (atom.extent != 1) name += std::to_string(atom.extent);
  if (atom.name != kParentheses) name += "(";
  for (std::size_t k = 0; k < atom.operands.size(); ++k) {
    name += (k == 0 ? "" : ", ") + to_string(atom.operands[k]);
  }
  return name + ")";
}

std::string TermStore::to_string(Id id) const {
  std::string text;
  for (const Monomial& monomial : terms_[id]) {
    if (!text.empty()) text += " + ";
    std::string factors;
    const auto put = [&](const std::string& factor) {
      factors += factors.empty() ? factor : " " + factor;
    };
    if (monomial.above != 1) put("sum" + std::to_string(monomial.above));
    if (monomial.below != 1) put("/sum" + std::to_string(monomial.below));
    for (const bool root : {false, true}) {
      for (const auto& [factor, power] : root ? monomial.roots : monomial.powers) {
        std::string name = name_of(atoms_[factor / 2]);
        if (root) name = "root(" + name + ")";
        if (is_divisor(factor)) name = "/" + name;
        put(power == 1 ? name : name + "^" + std::to_string(power));
      }
    }
    if (monomial.exponent != 0) put("exp(" + to_string(monomial.exponent) + ")");
    text += factors.empty() ? "1" : factors;
  }
  return text.empty() ? "0" : text;
}

}  // namespace lamina::search
