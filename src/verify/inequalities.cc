// Eliminating one atom after the other.
#include "verify/inequalities.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace lamina {
namespace {

constexpr std::size_t kMostInequalities = 600;

std::int64_t coefficient_of(const LinearForm& form, std::uint32_t atom) {
  const auto at =
      std::lower_bound(form.terms.begin(), form.terms.end(), std::pair(atom, INT64_MIN));
  return at == form.terms.end() || at->first != atom ? 0 : at->second;
}

// Of all atoms the one whose elimination gives the fewest inequalities.
std::optional<std::uint32_t> next_atom(const std::set<Inequality>& system) {
  std::map<std::uint32_t, std::pair<std::size_t, std::size_t>> counts;
  for (const Inequality& each : system) {
    for (const auto& [atom, coefficient] : each.form.terms) {
      ++(coefficient > 0 ? counts[atom].first : counts[atom].second);
    }
  }
  std::optional<std::uint32_t> best;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const auto& [atom, count] : counts) {
    if (count.first * count.second >= least) continue;
    least = count.first * count.second;
    best = atom;
  }
  return best;
}

// The combination of two inequalities in which the atom no longer occurs; a > 0 > b.
std::optional<Inequality> resolvent(const Inequality& x, std::int64_t a, const Inequality& y,
                                    std::int64_t b) {
  const std::int64_t divisor = std::gcd(a, b);
  const auto form = combination(-b / divisor, x.form, a / divisor, y.form);
  if (!form) return std::nullopt;
  return Inequality{*form, x.strict || y.strict};
}

struct Elimination {
  std::uint32_t atom;
  std::vector<Inequality> bounds;  // that had the atom
};

bool contradicts(const Inequality& each) {
  return each.form.is_constant() &&
         (each.form.constant < 0 || (each.form.constant == 0 && each.strict));
}

// A value between the bounds of one atom, the atoms eliminated later having theirs.
double choose_value(const Elimination& step, const std::map<std::uint32_t, double>& values) {
  double low = -std::numeric_limits<double>::infinity();
  double high = -low;
  for (const Inequality& bound : step.bounds) {
    double rest = static_cast<double>(bound.form.constant);
    for (const auto& [atom, coefficient] : bound.form.terms) {
      if (atom != step.atom) rest += static_cast<double>(coefficient) * values.at(atom);
    }
    const auto coefficient = static_cast<double>(coefficient_of(bound.form, step.atom));
    const double limit = -rest / coefficient;
    if (coefficient > 0) {
      low = std::max(low, limit);
    } else {
      high = std::min(high, limit);
    }
  }
  if (std::isinf(low) && std::isinf(high)) return 0.5;
  if (std::isinf(low)) return high - 1.0 - std::fabs(high);
  return std::isinf(high) ? low + 1.0 + std::fabs(low) : low + 0.5 * (high - low);
}

}  // namespace

Feasibility solve(const std::vector<Inequality>& system) {
  std::set<Inequality> left;
  for (const Inequality& each : system) left.insert({each.form.primitive(), each.strict});
  std::vector<Elimination> steps;
  while (true) {
    if (std::any_of(left.begin(), left.end(), contradicts)) return {true, std::nullopt};
    const auto atom = next_atom(left);
    if (!atom) break;
    Elimination step{*atom, {}};
    std::set<Inequality> rest;
    for (const Inequality& each : left) {
      if (coefficient_of(each.form, *atom) != 0) {
        step.bounds.push_back(each);
      } else {
        rest.insert(each);
      }
    }
    for (const Inequality& x : step.bounds) {
      const std::int64_t a = coefficient_of(x.form, *atom);
      for (const Inequality& y : step.bounds) {
        const std::int64_t b = coefficient_of(y.form, *atom);
        if (a <= 0 || b >= 0) continue;
        const auto both = resolvent(x, a, y, b);
        if (!both || rest.size() == kMostInequalities) return {};
        rest.insert(*both);
      }
    }
    steps.push_back(std::move(step));
    left = std::move(rest);
  }
  std::map<std::uint32_t, double> values;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    // An atom may occur only in inequalities that went with an earlier one.
    for (const Inequality& bound : step->bounds) {
      for (const auto& [atom, coefficient] : bound.form.terms) {
        if (atom != step->atom) values.try_emplace(atom, 0.5);
      }
    }
    values[step->atom] = choose_value(*step, values);
  }
  return {false, std::move(values)};
}

}  // namespace lamina
