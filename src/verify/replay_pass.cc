// Drawing in the order of docs/design/verify.md, "Replay", and checking what was drawn.
#include "verify/replay_pass.h"

#include <fmt/core.h>

#include "verify/plain_numbers.h"

namespace lamina {
namespace {

constexpr std::uint64_t kSmallestP = std::uint64_t{1} << 49;
constexpr std::uint64_t kSmallestQ = std::uint64_t{1} << 30;

std::uint64_t step_of(std::uint64_t q, bool imaginary) { return (imaginary ? 4 : 2) * q; }

bool is_root(std::uint64_t root, std::uint64_t m) {
  return root < m && plain::multiply(root, root, m) == m - 1;
}

std::uint64_t redraw_q(SecretRandom& random, bool imaginary) {
  while (true) {
    const std::uint64_t q = kSmallestQ + random.below(kSmallestQ);
    if ((!imaginary || q % 4 == 1) && plain::is_prime(q)) return q;
  }
}

// p = 1 + step k with the k that give p in [2^49, 2^50).
std::uint64_t redraw_p(SecretRandom& random, std::uint64_t step) {
  const std::uint64_t first = (kSmallestP - 1 + step - 1) / step;
  const std::uint64_t end = (2 * kSmallestP - 1 + step - 1) / step;
  while (true) {
    const std::uint64_t p = 1 + step * (first + random.below(end - first));
    if (plain::is_prime(p)) return p;
  }
}

std::uint64_t redraw_power(SecretRandom& random, std::uint64_t exponent, std::uint64_t m) {
  return plain::power(1 + random.below(m - 1), exponent, m);
}

std::uint64_t redraw_root(SecretRandom& random, std::uint64_t m) {
  while (true) {
    const std::uint64_t root = redraw_power(random, (m - 1) / 4, m);
    if (is_root(root, m)) return root;
  }
}

// One of eight is the least value, one of eight the greatest.
std::vector<std::int64_t> redraw_integers(const InputPlan& plan, SecretRandom& random) {
  if (!plan.fixed.empty()) return plan.fixed.to_integers();
  const std::uint64_t span = static_cast<std::uint64_t>(plan.high - plan.low) + 1;
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < element_count(plan.shape); ++i) {
    switch (random.below(8)) {
      case 0:
        values.push_back(plan.low);
        break;
      case 1:
        values.push_back(plan.high);
        break;
      default:
        values.push_back(plan.low + static_cast<std::int64_t>(random.below(span)));
    }
  }
  return values;
}

}  // namespace

std::string wrong_tuple(const FieldTuple& t, bool imaginary) {
  if (t.q < kSmallestQ || t.q >= 2 * kSmallestQ || !plain::is_prime(t.q)) {
    return fmt::format("q = {} is no prime of [2^30, 2^31)", t.q);
  }
  if (t.p < kSmallestP || t.p >= 2 * kSmallestP || !plain::is_prime(t.p)) {
    return fmt::format("p = {} is no prime of [2^49, 2^50)", t.p);
  }
  const std::uint64_t step = step_of(t.q, imaginary);
  if (t.p % step != 1) return fmt::format("p = {} is not 1 modulo {}", t.p, step);
  // q is a prime, so that any power of omega but 1 has order q when omega^q = 1.
  if (t.omega < 2 || t.omega >= t.p || plain::power(t.omega, t.q, t.p) != 1) {
    return fmt::format("omega = {} is not of order q", t.omega);
  }
  const bool roots = imaginary ? t.q % 4 == 1 && is_root(t.root_p, t.p) && is_root(t.root_q, t.q)
                               : t.root_p == 0 && t.root_q == 0;
  if (roots) return {};
  return fmt::format("root_p = {} and root_q = {} are not {}", t.root_p, t.root_q,
                     imaginary ? "roots of -1" : "0");
}

std::int64_t recount_candidates(const FieldTuple& tuple, bool imaginary) {
  return plain::count_primes(kSmallestP, 2 * kSmallestP, step_of(tuple.q, imaginary));
}

std::array<PlainPair, kLanes> redraw_pairs(SecretRandom& random, bool imaginary) {
  std::array<PlainPair, kLanes> pairs;
  for (PlainPair& pair : pairs) {
    pair.q = redraw_q(random, imaginary);
    pair.p = redraw_p(random, step_of(pair.q, imaginary));
    do {
      pair.omega = redraw_power(random, (pair.p - 1) / pair.q, pair.p);
    } while (pair.omega == 1);
    if (!imaginary) continue;
    pair.root_p = redraw_root(random, pair.p);
    pair.root_q = redraw_root(random, pair.q);
  }
  return pairs;
}

std::vector<Array<Formal>> redraw_inputs(const std::vector<InputPlan>& plans,
                                         const PlainField& field, SecretRandom& random) {
  std::vector<Array<Formal>> inputs;
  for (const InputPlan& plan : plans) {
    Array<Formal> input{plan.type.dtype, plan.shape, {}, {}, !plan.real};
    const std::int64_t count = plan.real ? element_count(plan.shape) : 0;
    for (std::int64_t i = 0; i < count; ++i) input.real.push_back(field.random());
    if (!plan.real) input.whole = redraw_integers(plan, random);
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace lamina
