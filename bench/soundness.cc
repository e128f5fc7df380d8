// How often different programs agree in small fields, against the bounds that are printed for
// fields of that size.
//
//   soundness [SAMPLES [OUT.json]]
//
// For primes q near 11 to 251 and p near 2 q, q^2 and q^3: sums of 2 to 16 exponentials, some of
// them made to vanish often, and softmax programs all of whose outputs are wrong by one factor.
// Exit status 1 when a 99 % interval lies above a bound.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "clopper_pearson.h"
#include "lamina/device.h"
#include "verify/bound_trial.h"
#include "verify/small_primes.h"

namespace {

using namespace lamina;
using verify_test::Program;
using verify_test::Trial;
using verify_test::Values;

constexpr std::uint32_t kSeed = 20;
constexpr double kConfidence = 0.99;
constexpr int kTermCounts[] = {2, 3, 4, 8, 16};

// Two programs that differ at every output.
struct Family {
  std::string name;
  int terms = 0;
  std::size_t inputs = 0;
  std::vector<std::pair<Program, Program>> outputs;
};

Formal whole(const Values& x, std::int64_t value) { return x[0].algebra->integer(value); }
Formal nothing(const Values& x) { return whole(x, 0); }

// A number from -most to most, not 0.
std::int64_t nonzero(SecretRandom& random, std::int64_t most) {
  const auto value = 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most)));
  return random.below(2) == 0 ? value : -value;
}

// sum c_j e^(l_j), c_j and the linear forms l_j of three variables random.
Family random_sum(int terms, SecretRandom& random) {
  struct Term {
    std::int64_t c;
    std::array<std::int64_t, 3> form;
  };
  std::vector<Term> sum;
  while (static_cast<int>(sum.size()) < terms) {
    Term next{nonzero(random, 3), {}};
    for (std::int64_t& a : next.form) a = static_cast<std::int64_t>(random.below(11)) - 5;
    bool known = false;
    for (const Term& term : sum) known = known || term.form == next.form;
    if (!known) sum.push_back(next);
  }
  const Program program = [=](const Values& x) {
    Formal total = whole(x, 0);
    for (const Term& term : sum) {
      Formal exponent = whole(x, 0);
      for (std::size_t i = 0; i < 3; ++i) exponent = exponent + whole(x, term.form[i]) * x[i];
      total = total + whole(x, term.c) * exp(exponent);
    }
    return total;
  };
  return {"random", terms, 3, {{program, nothing}}};
}

// sum c_j e^(j x): a random polynomial of one exponential.
Family progression(int terms, SecretRandom& random) {
  std::vector<std::int64_t> c;
  for (int j = 0; j < terms; ++j) c.push_back(nonzero(random, 3));
  const Program program = [=](const Values& x) {
    const Formal y = exp(x[0]);
    Formal total = whole(x, 0);
    for (std::size_t j = c.size(); j-- > 0;) total = total * y + whole(x, c[j]);
    return total;
  };
  return {"progression", terms, 1, {{program, nothing}}};
}

// (e^x - e^y) (e^x - e^2y) ...: as many roots as factors.
Family split(int terms, SecretRandom&) {
  const Program program = [=](const Values& x) {
    const Formal left = exp(x[0]), y = exp(x[1]);
    Formal right = y, total = whole(x, 1);
    for (int j = 1; j < terms; ++j, right = right * y) total = total * (left - right);
    return total;
  };
  return {"split", terms, 2, {{program, nothing}}};
}

// u e^x times the product of the smallest primes p: the norm counts.
Family multiple(const SmallPrimes& primes) {
  std::vector<std::int64_t> factors;
  for (const auto& [q, candidates] : primes.fields()) {
    factors.push_back(static_cast<std::int64_t>(candidates[0]));
    if (factors.size() == 3) break;
  }
  const Program program = [=](const Values& x) {
    Formal total = x[1] * exp(x[0]);
    for (const std::int64_t factor : factors) total = total * whole(x, factor);
    return total;
  };
  return {"multiple of primes", 1, 2, {{program, nothing}}};
}

// c0 + c1 e^a + c2 e^b of constant exponents that vanishes in most of the fields, of 200 tried.
Family trinomial(const SmallPrimes& primes, SecretRandom& random) {
  constexpr int kTried = 200;
  constexpr std::size_t kPrimesTried = 3;
  struct Trinomial {
    std::int64_t c0, c1, c2;
    std::uint64_t a, b;
  };
  Trinomial best{1, 1, 1, 1, 2};
  double best_rate = -1.0;
  for (int i = 0; i < kTried; ++i) {
    const std::uint64_t last = primes.profile().smallest_q - 1;
    const Trinomial t{nonzero(random, 6), nonzero(random, 6), nonzero(random, 6),
                      1 + random.below(last), 1 + random.below(last)};
    if (t.a == t.b) continue;
    double rate = 0.0;
    for (const auto& [q, candidates] : primes.fields()) {
      const std::size_t count = std::min(candidates.size(), kPrimesTried);
      for (std::size_t k = 0; k < count; ++k) {
        const Modulus p(candidates[k]);
        std::uint64_t omega = 1;
        for (std::uint64_t g = 2; omega == 1; ++g) omega = p.power(g, (p.value() - 1) / q);
        std::vector<std::uint64_t> powers(q, 1);
        for (std::size_t s = 1; s < q; ++s) powers[s] = p.multiply(powers[s - 1], omega);
        int zeros = 0;
        for (std::uint64_t s = 1; s < q; ++s) {
          const std::uint64_t sum =
              p.add(p.of(t.c0), p.add(p.multiply(p.of(t.c1), powers[s * t.a % q]),
                                      p.multiply(p.of(t.c2), powers[s * t.b % q])));
          zeros += sum == 0 ? 1 : 0;
        }
        rate += zeros / static_cast<double>((q - 1) * count);
      }
    }
    if (rate > best_rate) best_rate = rate, best = t;
  }
  const Program program = [=](const Values& x) {
    return whole(x, best.c0) +
           whole(x, best.c1) * exp(whole(x, static_cast<std::int64_t>(best.a))) +
           whole(x, best.c2) * exp(whole(x, static_cast<std::int64_t>(best.b)));
  };
  return {"extremal trinomial", 3, 1, {{program, nothing}}};
}

// A softmax of four scores times values, and one whose denominator was not rescaled from the
// maximum of two scores to that of all: every output is wrong by the same factor.
Family common_mode() {
  constexpr std::size_t kScores = 4;
  Family family{"common mode", kScores, kScores + 2, {}};
  for (std::size_t column = 0; column < 2; ++column) {
    const auto attention = [=](bool rescaled) {
      return [=](const Values& x) {
        const Formal old = max(x[0], x[1]);
        const Formal all = max(old, max(x[2], x[3]));
        Formal above = whole(x, 0), below = whole(x, 0);
        for (std::size_t j = 0; j < kScores; ++j) {
          const Formal value = x[kScores + column] * whole(x, static_cast<int>(j) + 1);
          above = above + exp(x[j] - all) * value;
          below = below + exp(x[j] - (rescaled ? all : old));
        }
        return above / below;
      };
    };
    family.outputs.emplace_back(attention(true), attention(false));
  }
  return family;
}

std::vector<Family> families(const SmallPrimes& primes, SecretRandom& random) {
  std::vector<Family> all;
  for (const int terms : kTermCounts) all.push_back(random_sum(terms, random));
  for (const int terms : kTermCounts) all.push_back(progression(terms, random));
  for (const int terms : kTermCounts) all.push_back(split(terms, random));
  all.push_back(trinomial(primes, random));
  all.push_back(multiple(primes));
  all.push_back(common_mode());
  return all;
}

struct Counts {
  std::int64_t hits = 0;
  std::int64_t trials = 0;
};

// How often all outputs agree where they are defined; one trial for each drawn q, void ones
// included.
Counts measure(const Family& family, const SmallPrimes& primes, std::int64_t samples,
               SecretRandom& random) {
  Counts counts;
  while (counts.trials < samples) {
    std::array<PrimePair, kLanes> pairs;
    for (PrimePair& pair : pairs) {
      auto drawn = primes.draw(random);
      for (; !drawn; drawn = primes.draw(random)) ++counts.trials;
      pair = *drawn;
    }
    counts.trials += kLanes;
    const ResidueField field(pairs, verify_test::next_word, &random);
    Values point;
    for (std::size_t i = 0; i < family.inputs; ++i) point.push_back(field.random());
    std::array<bool, kLanes> agree;
    agree.fill(true);
    for (const auto& [a, b] : family.outputs) {
      const Formal x = a(point), y = b(point);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        agree[lane] = agree[lane] && x.finite() && y.finite() && x.p[lane] == y.p[lane];
      }
    }
    for (const bool one : agree) counts.hits += one ? 1 : 0;
  }
  return counts;
}

struct Row {
  std::string family;
  int terms = 0;
  double rate = 0.0, low = 0.0, high = 0.0;
  double bound = 0.0;
  std::string theorem;
};

Row compare(const Family& family, const SmallPrimes& primes, std::int64_t samples,
            SecretRandom& random) {
  const auto& [a, b] = family.outputs[0];
  Trial trial(verify_test::large_pairs(), kSeed, family.inputs, a, b);
  const TupleBound bound = trial.bound(primes.profile());
  const Counts counts = measure(family, primes, samples, random);
  const auto [low, high] = bench::clopper_pearson(counts.hits, counts.trials, kConfidence);
  Row row{family.name, family.terms};
  row.rate = static_cast<double>(counts.hits) / static_cast<double>(counts.trials);
  row.low = low;
  row.high = high;
  row.bound = std::exp2(bound.best());
  row.theorem = bound.best() == bound.t1 ? "T1" : bound.best() == bound.t2 ? "T2" : "T12";
  return row;
}

Json to_json(const Row& row) {
  Json json;
  json["family"] = row.family;
  json["terms"] = static_cast<std::int64_t>(row.terms);
  json["rate"] = row.rate;
  json["low"] = row.low;
  json["high"] = row.high;
  json["bound"] = row.bound;
  json["theorem"] = row.theorem;
  return json;
}

double mean_of_reciprocals(const SmallPrimes& primes) {
  double sum = 0.0;
  for (const auto& [q, candidates] : primes.fields()) sum += 1.0 / static_cast<double>(q);
  return sum / static_cast<double>(primes.profile().exponent_primes);
}

// One line of the table: all families at one size of the primes.
struct Line {
  int rows = 0;
  int telling = 0;  // bounds below 1
  int above = 0;    // intervals above their bound
  double tightest = 0.0;
  std::string tightest_row;
  double common = 0.0;  // rate of the common mode over the mean of 1 / q
};

void add(Line& line, const Row& row, const SmallPrimes& primes) {
  ++line.rows;
  line.telling += row.bound < 1.0 ? 1 : 0;
  line.above += row.low > row.bound ? 1 : 0;
  if (row.family == "common mode") line.common = row.rate / mean_of_reciprocals(primes);
  if (row.bound >= 1.0 || row.rate / row.bound <= line.tightest) return;
  line.tightest = row.rate / row.bound;
  line.tightest_row = fmt::format("{} {} ({})", row.family, row.terms, row.theorem);
}

bool run(std::int64_t samples, Json& report) {
  static const char* const kNames[] = {"2 q", "q^2", "q^3"};
  bool holds = true;
  fmt::print(
      "| q from | p from | pairs q | programs | bounds below 1 | intervals above the bound | "
      "largest measured / bound | at | common mode / mean of 1/q |\n"
      "|---|---|---|---|---|---|---|---|---|\n");
  SecretRandom random = verify_test::seeded(kSeed);
  for (const std::uint64_t q : {11, 23, 53, 83, 113, 251}) {
    const std::uint64_t sizes[] = {2 * q, q * q, q * q * q};
    for (std::size_t k = 0; k < std::size(sizes); ++k) {
      const SmallPrimes primes(sizes[k], q);
      Line line;
      for (const Family& family : families(primes, random)) {
        const Row row = compare(family, primes, samples, random);
        Json json = to_json(row);
        json["smallest_q"] = static_cast<std::int64_t>(q);
        json["smallest_p"] = static_cast<std::int64_t>(sizes[k]);
        report["rows"].push_back(std::move(json));
        add(line, row, primes);
      }
      holds = holds && line.above == 0;
      fmt::print("| {} | {} | {} of {} | {} | {} | {} | {:.2f} | {} | {:.2f} |\n", q, kNames[k],
                 primes.fields().size(), primes.profile().exponent_primes, line.rows, line.telling,
                 line.above, line.tightest, line.tightest_row, line.common);
      std::fflush(stdout);
    }
  }
  return holds;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::int64_t samples = argc > 1 ? std::strtoll(argv[1], nullptr, 10) : 16000;
    Json report;
    report["version"] = 1;
    report["machine"] = find_device("cpu").description();
    report["seed"] = static_cast<std::int64_t>(kSeed);
    report["samples"] = samples;
    report["confidence"] = kConfidence;
    const bool holds = run(samples, report);
    if (argc > 2) write_file_atomically(argv[2], report.dump());
    return holds ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "soundness: error: {}\n", e.what());
    return 1;
  }
}
