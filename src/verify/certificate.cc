// Recognising exponents, and finding variables that only one of them involves.
#include "verify/certificate.h"

#include <algorithm>
#include <set>

namespace lamina {
namespace {

using Residues = std::array<std::uint32_t, kLanes>;

constexpr std::int64_t kMultiples[] = {1, -1, 2, -2, 3, -3, 4, -4};

Residues multiple(const ResidueField& field, const Residues& x, std::int64_t factor) {
  Residues result{};
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Modulus q(field.pairs()[i].q);
    result[i] = static_cast<std::uint32_t>(q.multiply(x[i], q.of(factor)));
  }
  return result;
}

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
  std::map<Residues, Gate> known;
  known[Residues{}] = {};
  for (std::size_t g = 0; g < field_.exponents().size(); ++g) {
    const Residues& rest = field_.exponents()[g].rest;
    const auto found = known.find(rest);
    if (found != known.end()) {
      gates_.push_back(found->second);
      continue;
    }
    const auto base = static_cast<std::uint32_t>(bases_.size());
    bases_.push_back(g);
    for (const std::int64_t factor : kMultiples) {
      known.try_emplace(multiple(field_, rest, factor), Gate{base, factor});
    }
    gates_.push_back({base, 1});
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
    if (!plan.own.contains(base)) others = others | support_of(base).vars;
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
