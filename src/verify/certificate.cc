// Recognising exponents, and finding variables that only one of them involves.
#include "verify/certificate.h"

#include <algorithm>
#include <set>

namespace lamina {
namespace {

using Residues = std::array<std::uint32_t, kLanes>;

// Bases by their exponent in one field and up to its sign, so that few places of memory are looked
// at for a million of them.
class BaseIndex {
 public:
  explicit BaseIndex(const ResidueField& field) : exponents_(field.exponents()) {
    std::size_t places = 16;
    while (places < 2 * exponents_.size()) places *= 2;
    slots_.resize(places);
    for (std::size_t i = 0; i < kLanes; ++i) q_[i] = Modulus(field.pairs()[i].q);
    for (const std::int64_t factor : kFactors) {
      std::array<std::uint64_t, kLanes> inverse{};
      for (std::size_t i = 0; i < kLanes; ++i) inverse[i] = q_[i].inverse(q_[i].of(factor));
      inverses_.push_back(inverse);
    }
  }

  // The base that `x` is a small multiple of.
  std::optional<std::pair<std::uint32_t, std::int64_t>> find(const Residues& x) const {
    for (std::size_t f = 0; f < inverses_.size(); ++f) {
      const std::uint64_t first = folded(q_[0].multiply(x[0], inverses_[f][0]));
      for (std::size_t at = place(first); slots_[at].base != kNone; at = next(at)) {
        if (slots_[at].key != first) continue;
        const Residues& base = exponents_[slots_[at].gate].rest;
        for (const bool negative : {false, true}) {
          if (divides(base, x, f, negative)) {
            return std::pair{slots_[at].base, negative ? -kFactors[f] : kFactors[f]};
          }
        }
      }
    }
    return std::nullopt;
  }

  void insert(std::size_t gate, std::uint32_t base) {
    const std::uint64_t key = folded(exponents_[gate].rest[0]);
    std::size_t at = place(key);
    while (slots_[at].base != kNone) at = next(at);
    slots_[at] = {key, gate, base};
  }

 private:
  static constexpr std::int64_t kFactors[] = {1, 2, 3, 4};
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Slot {
    std::uint64_t key = 0;
    std::size_t gate = 0;
    std::uint32_t base = kNone;
  };

  std::uint64_t folded(std::uint64_t x) const { return std::min(x, q_[0].negate(x)); }
  std::size_t place(std::uint64_t key) const {
    return (key * 0x9e3779b97f4a7c15u >> 20) & (slots_.size() - 1);
  }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  bool divides(const Residues& base, const Residues& x, std::size_t factor, bool negative) const {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint64_t part = q_[i].multiply(x[i], inverses_[factor][i]);
      if (base[i] != (negative ? q_[i].negate(part) : part)) return false;
    }
    return true;
  }

  const std::vector<ResidueField::Exponent>& exponents_;
  std::array<Modulus, kLanes> q_;
  std::vector<std::array<std::uint64_t, kLanes>> inverses_;
  std::vector<Slot> slots_;
};

// The parts of each set that no other set covers.
std::vector<Ranges> private_parts(const std::vector<const Ranges*>& sets) {
  struct Event {
    std::uint32_t at;
    bool opens;
    std::size_t set;
  };
  std::vector<Event> events;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    for (const auto& [first, last] : sets[s]->list()) {
      events.push_back({first, true, s});
      events.push_back({last, false, s});
    }
  }
  std::sort(events.begin(), events.end(),
            [](const Event& a, const Event& b) { return a.at < b.at; });
  std::vector<Ranges> parts(sets.size());
  std::size_t depth = 0, sum = 0;  // of the open sets: their number, and the sum of their numbers
  std::uint32_t from = 0;
  for (const Event& event : events) {
    if (depth == 1 && from < event.at) parts[sum] = parts[sum] | Ranges(from, event.at);
    depth += event.opens ? 1 : std::size_t(-1);
    sum += event.opens ? event.set : std::size_t(0) - event.set;
    from = event.at;
  }
  return parts;
}

}  // namespace

Certifier::Certifier(const ResidueField& field, const BoundAlgebra& bounds, std::uint32_t inputs)
    : field_(field), bounds_(bounds), inputs_(inputs) {
  recognise();
}

// A base is the first exponential of its exponent, or of a small multiple of it.
void Certifier::recognise() {
  BaseIndex known(field_);
  for (std::size_t g = 0; g < field_.exponents().size(); ++g) {
    const Residues& rest = field_.exponents()[g].rest;
    if (rest == Residues{}) {
      gates_.emplace_back();
    } else if (const auto found = known.find(rest)) {
      gates_.push_back({found->first, found->second});
    } else {
      const auto base = static_cast<std::uint32_t>(bases_.size());
      known.insert(g, base);
      bases_.push_back(g);
      gates_.push_back({base, 1});
    }
  }
}

const Support& Certifier::support_of(std::uint32_t base) const {
  return bounds_.support_number(bounds_.gate_supports()[bases_[base]]);
}

// In rounds: what only one of the remaining bases involves becomes its own, and it leaves.
void Certifier::peel(const std::vector<std::uint32_t>& bases, Plan& plan) {
  std::vector<std::uint32_t> left = bases;
  const Ranges inputs(0, inputs_);
  while (!left.empty()) {
    std::vector<const Ranges*> sets;
    for (const std::uint32_t base : left) sets.push_back(&support_of(base).vars);
    const std::vector<Ranges> parts = private_parts(sets);
    std::vector<std::uint32_t> next;
    for (std::size_t i = 0; i < left.size(); ++i) {
      const Ranges own = (parts[i] & inputs) - support_of(left[i]).nonlinear;
      if (own.empty()) {
        next.push_back(left[i]);
      } else {
        plan.own[left[i]] = own.list()[0].first;
      }
    }
    if (next.size() == left.size()) break;
    left = std::move(next);
  }
}

void Certifier::plan(const Ranges& gates) {
  const auto [at, added] = plans_.try_emplace(gates.list());
  if (!added) return;
  Plan& plan = at->second;
  std::set<std::uint32_t> bases;
  std::map<std::pair<bool, std::uint32_t>, double> most_negative;  // fresh variable or base
  std::map<std::uint32_t, double> most_positive;                   // base
  for (const auto& [first, last] : gates.list()) {
    for (std::size_t g = first; g < last; ++g) {
      double positive = 0.0;
      const auto count = [&](bool fresh, std::uint32_t number, std::int64_t coefficient) {
        positive += static_cast<double>(std::max<std::int64_t>(coefficient, 0));
        if (coefficient < 0) {
          double& most = most_negative[{fresh, number}];
          most = std::max(most, static_cast<double>(-coefficient));
        }
      };
      if (gates_[g].coefficient != 0) {
        bases.insert(gates_[g].base);
        double& most = most_positive[gates_[g].base];
        most = std::max(most, static_cast<double>(gates_[g].coefficient));
        count(false, gates_[g].base, gates_[g].coefficient);
      }
      for (const auto& [variable, coefficient] : field_.exponents()[g].variables) {
        count(true, variable, coefficient);
      }
      plan.certificate.positive = std::max(plan.certificate.positive, positive);
    }
  }
  for (const auto& [which, most] : most_negative) plan.certificate.negative += most;
  plan.certificate.bases = bases.size();
  peel({bases.begin(), bases.end()}, plan);
  Ranges others;  // of the bases without an own variable
  for (const std::uint32_t base : bases) {
    if (plan.own.contains(base)) continue;
    others = others | support_of(base).vars;
    plan.certificate.spans.push_back(most_positive[base] + most_negative[{false, base}]);
  }
  plan.certificate.uncertified = bases.size() - plan.own.size();
  plan.certificate.constant = others.empty();
  // What a base owns, no remaining one involves; fresh variables are bases of their own.
  plan.certificate.apart = (others - Ranges(0, inputs_)).empty();
  for (const auto& [base, variable] : plan.own) moves_[variable] = {};
}

const std::map<std::uint32_t, Residues>& Certifier::draw_moves(SecretRandom& random) {
  for (auto& [variable, amounts] : moves_) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      amounts[i] = static_cast<std::uint32_t>(1 + random.below(field_.pairs()[i].q - 1));
    }
  }
  return moves_;
}

void Certifier::moved(const std::vector<ResidueField::Exponent>& exponents) {
  Ranges all;
  for (const auto& [variable, amount] : moves_) all = all | Ranges(variable, variable + 1);
  for (auto& [gates, plan] : plans_) {
    std::set<Residues> coefficients;
    bool holds = true;
    for (const auto& [base, variable] : plan.own) {
      const Residues slope = slope_of(base, moves_.at(variable), exponents);
      // A change shows that the variable takes part only if no other one moved.
      holds = holds && (support_of(base).vars & all).size() == 1 &&
              std::find(slope.begin(), slope.end(), 0) == slope.end();
      coefficients.insert(slope);
    }
    if (!holds) {
      plan.certificate.uncertified = plan.certificate.bases;
      plan.certificate.apart = plan.certificate.constant = false;
    }
    plan.certificate.distinct_coefficients = static_cast<double>(coefficients.size());
  }
}

Residues Certifier::slope_of(std::uint32_t base, const Residues& amounts,
                             const std::vector<ResidueField::Exponent>& moved) const {
  Residues slope{};
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Modulus q(field_.pairs()[i].q);
    const std::uint64_t before = field_.exponents()[bases_[base]].rest[i];
    const std::uint64_t change = q.add(moved[bases_[base]].rest[i], q.negate(before));
    slope[i] = static_cast<std::uint32_t>(q.multiply(change, q.inverse(amounts[i])));
  }
  return slope;
}

std::optional<Certificate> Certifier::find(const Ranges& gates) const {
  const auto found = plans_.find(gates.list());
  return found == plans_.end() ? std::nullopt : std::optional(found->second.certificate);
}

}  // namespace lamina
