// The identity tester beside the arithmetic of Mirage's verifier: the same pairs of programs, true
// and false, in one run, and the rates of their multiply-accumulates.
//
//   mirage_arithmetic [PROGRAMS [OUT.json]]
//
// Exit status 1 when the identity tester accepts a false pair or refutes a true one.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

#include "base/files.h"
#include "base/json.h"
#include "lamina/device.h"
#include "mirage_fingerprint.h"
#include "num/lane_products.h"
#include "num/residue_field.h"
#include "verify/bound_trial.h"
#include "verify/floating_trial.h"
#include "verify/verify_test_graphs.h"

namespace {

using namespace lamina;
using namespace lamina::bench;
using verify_test::Builder;
using verify_test::make;

constexpr std::uint32_t kSeed = 20;
constexpr int kMutants = 10;  // of each program
// Three points.
constexpr std::pair<double, double> kRanges[] = {{0.25, 1.75}, {0.25, 1.75}, {0.25, 1.75}};

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

using Random = std::mt19937;

std::size_t pick(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

struct Pair {
  std::string name;
  Graph a;
  Graph b;
};

using Values = std::vector<Value>;
using Body = std::function<Value(Builder&, const Values&)>;

Pair pair(std::string name, const std::vector<Dims>& shapes, const Body& a, const Body& b) {
  return {std::move(name), make(shapes, a), make(shapes, b)};
}

Value call(Builder& b, std::string_view op, Value x) { return b.op(op, {x}); }
Value add(Builder& b, Value x, Value y) { return b.op("add", {x, y}); }
Value mul(Builder& b, Value x, Value y) { return b.op("mul", {x, y}); }
Value div(Builder& b, Value x, Value y) { return b.op("div", {x, y}); }
Value matmul(Builder& b, Value x, Value y) { return b.op("matmul", {x, y}); }
Value softmax(Builder& b, Value x) {
  const Value e = call(b, "exp", x);
  return div(b, e, b.sum(e, 1));
}
// Without an epsilon, as there.
Value normalised(Builder& b, Value x, std::int64_t axis) {
  const Value mean = b.op("mean", {mul(b, x, x)}, {{"axes", Dims{axis}}, {"keepdims", true}});
  return div(b, x, call(b, "sqrt", mean));
}
Value clamped(Builder& b, Value x, double low) {
  return b.op("clamp", {x}, {{"low", low}, {"high", 0.5}});
}

// True for the reals wherever both sides are defined.
std::vector<Pair> true_pairs() {
  const std::vector<Dims> three(3, Dims{4, 8});
  const std::vector<Dims> product = {{4, 8}, {8, 6}, {6, 5}};
  std::vector<Pair> pairs;
  const auto say = [&](std::string name, const std::vector<Dims>& shapes, const Body& a,
                       const Body& b) { pairs.push_back(pair(std::move(name), shapes, a, b)); };
  using B = Builder&;
  using X = const Values&;
  say(
      "a / b / c = a / (b c)", three, [](B b, X x) { return div(b, div(b, x[0], x[1]), x[2]); },
      [](B b, X x) { return div(b, x[0], mul(b, x[1], x[2])); });
  say(
      "(a / b) b = a", {{64, 64}, {64, 64}},
      [](B b, X x) { return mul(b, div(b, x[0], x[1]), x[1]); }, [](B, X x) { return x[0]; });
  say(
      "a / c + b / c = (a + b) / c", three,
      [](B b, X x) { return add(b, div(b, x[0], x[2]), div(b, x[1], x[2])); },
      [](B b, X x) { return div(b, add(b, x[0], x[1]), x[2]); });
  say(
      "exp(a) exp(b) = exp(a + b)", three,
      [](B b, X x) { return mul(b, call(b, "exp", x[0]), call(b, "exp", x[1])); },
      [](B b, X x) { return call(b, "exp", add(b, x[0], x[1])); });
  say(
      "silu(x) (exp(x) + y / y) = x exp(x)", three,
      [](B b, X x) {
        const Value one = div(b, x[1], x[1]);
        return mul(b, call(b, "silu", x[0]), add(b, call(b, "exp", x[0]), one));
      },
      [](B b, X x) { return mul(b, x[0], call(b, "exp", x[0])); });
  say(
      "relu(x + x) = relu(x) + relu(x)", three,
      [](B b, X x) { return call(b, "relu", add(b, x[0], x[0])); },
      [](B b, X x) { return add(b, call(b, "relu", x[0]), call(b, "relu", x[0])); });
  say(
      "sqrt(x^2 + y^2)^2 = x^2 + y^2", three,
      [](B b, X x) {
        const Value r = call(b, "sqrt", add(b, mul(b, x[0], x[0]), mul(b, x[1], x[1])));
        return mul(b, r, r);
      },
      [](B b, X x) { return add(b, mul(b, x[0], x[0]), mul(b, x[1], x[1])); });
  say(
      "(A B) C = A (B C)", product, [](B b, X x) { return matmul(b, matmul(b, x[0], x[1]), x[2]); },
      [](B b, X x) { return matmul(b, x[0], matmul(b, x[1], x[2])); });
  say(
      "softmax(S) V, divided after the product", {{4, 83}, {83, 5}},
      [](B b, X x) { return matmul(b, softmax(b, x[0]), x[1]); },
      [](B b, X x) {
        const Value e = call(b, "exp", x[0]);
        return div(b, matmul(b, e, x[1]), b.sum(e, 1));
      });
  say(
      "the sum of a softmax is y / y", {{4, 83}, {4, 1}},
      [](B b, X x) { return b.sum(softmax(b, x[0]), 1); },
      [](B b, X x) { return div(b, x[1], x[1]); });
  say(
      "norm, applied after the product", {{4, 8}, {8, 5}},
      [](B b, X x) { return matmul(b, normalised(b, x[0], 1), x[1]); },
      [](B b, X x) {
        const Value mean =
            b.op("mean", {mul(b, x[0], x[0])}, {{"axes", Dims{1}}, {"keepdims", true}});
        return div(b, matmul(b, x[0], x[1]), call(b, "sqrt", mean));
      });
  say(
      "a mean of 83 columns, by parts", {{4, 83}, {4, 83}},
      [](B b, X x) {
        return b.op("mean", {add(b, x[0], x[1])}, {{"axes", Dims{1}}, {"keepdims", true}});
      },
      [](B b, X x) {
        const auto mean = [&](Value v) {
          return b.op("mean", {v}, {{"axes", Dims{1}}, {"keepdims", true}});
        };
        return add(b, mean(x[0]), mean(x[1]));
      });
  return pairs;
}

// False for the reals.
std::vector<Pair> false_pairs() {
  const std::vector<Dims> three(3, Dims{4, 8});
  std::vector<Pair> pairs;
  const auto say = [&](std::string name, const std::vector<Dims>& shapes, const Body& a,
                       const Body& b) { pairs.push_back(pair(std::move(name), shapes, a, b)); };
  using B = Builder&;
  using X = const Values&;
  say(
      "a + c = b + b", three, [](B b, X x) { return add(b, x[0], x[2]); },
      [](B b, X x) { return add(b, x[1], x[1]); });
  say(
      "exp(a) exp(c) = exp(b)^2", three,
      [](B b, X x) { return mul(b, call(b, "exp", x[0]), call(b, "exp", x[2])); },
      [](B b, X x) { return mul(b, call(b, "exp", x[1]), call(b, "exp", x[1])); });
  say(
      "exp(exp(a)) = exp(exp(b))", three,
      [](B b, X x) { return call(b, "exp", call(b, "exp", x[0])); },
      [](B b, X x) { return call(b, "exp", call(b, "exp", x[1])); });
  say(
      "silu(silu(a) b) = silu(silu(b) a)", three,
      [](B b, X x) { return call(b, "silu", mul(b, call(b, "silu", x[0]), x[1])); },
      [](B b, X x) { return call(b, "silu", mul(b, call(b, "silu", x[1]), x[0])); });
  say(
      "gelu(a) = silu(a) exp(a)", three, [](B b, X x) { return call(b, "gelu", x[0]); },
      [](B b, X x) { return mul(b, call(b, "silu", x[0]), call(b, "exp", x[0])); });
  say(
      "clamp(a, -1/4) = clamp(a, -1/2)", three, [](B b, X x) { return clamped(b, x[0], -0.25); },
      [](B b, X x) { return clamped(b, x[0], -0.5); });
  say(
      "mean of 168 exponentials = their sum", {{4, 168}},
      [](B b, X x) {
        return b.op("mean", {call(b, "exp", x[0])}, {{"axes", Dims{1}}, {"keepdims", true}});
      },
      [](B b, X x) { return b.sum(call(b, "exp", x[0]), 1); });
  say(
      "silu(a) exp(b) = silu(a) exp(b) exp(exp(c))", three,
      [](B b, X x) { return mul(b, call(b, "silu", x[0]), call(b, "exp", x[1])); },
      [](B b, X x) {
        const Value nested = call(b, "exp", call(b, "exp", x[2]));
        return mul(b, mul(b, call(b, "silu", x[0]), call(b, "exp", x[1])), nested);
      });
  say(
      "neighbours: x[i] + x[i + 2] = 2 x[i + 1]", {{10}},
      [](B b, X x) {
        const auto at = [&](std::int64_t i) {
          return b.op("slice", {x[0]}, {{"start", Dims{i}}, {"size", Dims{8}}});
        };
        return add(b, at(0), at(2));
      },
      [](B b, X x) {
        const Value middle = b.op("slice", {x[0]}, {{"start", Dims{1}}, {"size", Dims{8}}});
        return add(b, middle, middle);
      });
  return pairs;
}

// Random programs of 4 x 4 matrices and their mutants.
struct Step {
  std::size_t op = 0;
  std::size_t x = 0;
  std::size_t y = 0;
  std::int64_t attribute = 0;
};

constexpr std::size_t kInputs = 3;

// An operation in two forms that are equal wherever both are defined.
struct Form {
  using Make = std::function<Value(Builder&, Value, Value, std::int64_t)>;
  Make plain;
  Make rewritten;
};

const std::vector<Form>& forms() {
  using B = Builder&;
  using I = std::int64_t;
  static const std::vector<Form> kForms = {
      {[](B b, Value x, Value y, I) { return add(b, x, y); },
       [](B b, Value x, Value y, I) { return add(b, y, x); }},
      {[](B b, Value x, Value y, I) { return mul(b, x, y); },
       [](B b, Value x, Value y, I) { return mul(b, y, x); }},
      {[](B b, Value x, Value y, I) { return div(b, x, y); },
       [](B b, Value x, Value y, I) { return div(b, mul(b, x, y), mul(b, y, y)); }},
      {[](B b, Value x, Value y, I) { return matmul(b, x, y); },
       [](B b, Value x, Value y, I) {
         return b.transpose(matmul(b, b.transpose(y), b.transpose(x)));
       }},
      {[](B b, Value x, Value y, I) { return matmul(b, x, b.transpose(y)); },
       [](B b, Value x, Value y, I) { return b.transpose(matmul(b, y, b.transpose(x))); }},
      {[](B b, Value x, Value, I) { return call(b, "exp", x); },
       [](B b, Value x, Value, I) {
         return div(b, call(b, "exp", add(b, x, x)), call(b, "exp", x));
       }},
      {[](B b, Value x, Value, I) { return call(b, "silu", x); },
       [](B b, Value x, Value, I) {
         const Value e = call(b, "exp", x);
         return div(b, mul(b, x, e), add(b, e, div(b, x, x)));
       }},
      {[](B b, Value x, Value, I) { return call(b, "relu", x); },
       [](B b, Value x, Value, I) { return call(b, "relu", call(b, "relu", x)); }},
      {[](B b, Value x, Value, I a) { return add(b, x, b.sum(x, a % 2)); },
       [](B b, Value x, Value, I a) { return add(b, b.sum(x, a % 2), x); }},
      {[](B b, Value x, Value, I a) { return normalised(b, x, a % 2); },
       [](B b, Value x, Value, I a) {
         return b.transpose(normalised(b, b.transpose(x), 1 - a % 2));
       }},
      {[](B b, Value x, Value, I) { return softmax(b, x); },
       [](B b, Value x, Value, I) {
         const Value e = call(b, "exp", x);
         return div(b, mul(b, e, e), mul(b, e, b.sum(e, 1)));
       }},
      {[](B b, Value x, Value, I a) { return clamped(b, x, -0.25 * static_cast<double>(a + 1)); },
       [](B b, Value x, Value, I a) {
         const double low = -0.25 * static_cast<double>(a + 1);
         return clamped(b, clamped(b, x, low), low);
       }},
      {[](B b, Value x, Value, I) { return b.transpose(x); },
       [](B b, Value x, Value, I) { return b.transpose(b.transpose(b.transpose(x))); }},
  };
  return kForms;
}

std::vector<Step> random_steps(Random& random) {
  std::vector<Step> program;
  const std::size_t steps = 2 + pick(random, 5);
  for (std::size_t i = 0; i < steps; ++i) {
    // The last value is always used, so that no step is dead.
    program.push_back({pick(random, forms().size()),
                       i == 0 ? pick(random, kInputs) : kInputs + i - 1, pick(random, kInputs + i),
                       static_cast<std::int64_t>(pick(random, 4))});
  }
  return program;
}

std::vector<Step> mutated(std::vector<Step> program, Random& random) {
  const std::size_t i = pick(random, program.size());
  Step& step = program[i];
  switch (pick(random, 4)) {
    case 0:
      step.op = pick(random, forms().size());
      break;
    case 1:
      step.y = pick(random, kInputs + i);
      break;
    case 2:
      std::swap(step.x, step.y);
      break;
    default:
      step.attribute = (step.attribute + 1) % 4;
  }
  return program;
}

// Step i in its other form where bit i of `rewritten` is set.
Graph build(const std::vector<Step>& steps, std::size_t rewritten = 0) {
  return make(std::vector<Dims>(kInputs, Dims{4, 4}), [&](Builder& b, Values& x) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      const Form& form = forms()[step.op];
      const Form::Make& make = (rewritten >> i & 1) != 0 ? form.rewritten : form.plain;
      x.push_back(make(b, x[step.x], x[step.y], step.attribute));
    }
    return x.back();
  });
}

// Both testers on the same pair.
struct Judgement {
  Verdict ours;
  bool mirage = false;  // accepted
  double ours_s = 0.0;
  double mirage_s = 0.0;
};

Judgement judge(const Pair& pair) {
  Judgement j;
  double start = now_s();
  j.ours = verify(pair.a, pair.b);
  j.ours_s = now_s() - start;
  start = now_s();
  j.mirage = mirage_accepts(pair.a, pair.b);
  j.mirage_s = now_s() - start;
  return j;
}

std::string_view yes(bool accepted) { return accepted ? "accepted" : "rejected"; }

Json named_rows(const std::vector<Pair>& pairs, bool truth, bool& holds) {
  Json rows;
  for (const Pair& pair : pairs) {
    const Judgement j = judge(pair);
    fmt::print("| {} | {} | {} | {} |\n", pair.name, truth ? "true" : "false", yes(j.mirage),
               to_string(j.ours.outcome));
    holds = holds && j.ours.outcome != (truth ? Outcome::kDifferent : Outcome::kEquivalent);
    Json row;
    row["name"] = pair.name;
    row["true"] = truth;
    row["mirage_accepts"] = j.mirage;
    row["ours"] = to_string(j.ours.outcome);
    rows.push_back(std::move(row));
  }
  return rows;
}

struct Tally {
  int pairs = 0;
  int different = 0;     // a real witness, checked by interval arithmetic
  int inside = 0;        // of these: one level of exponentials, no roots or branches
  int equal = 0;         // 80 bits are proved
  int contradicted = 0;  // of these: floating point disagrees
  int mirage_false_accepts = 0;
  int mirage_false_accepts_inside = 0;
  int mirage_false_rejects = 0;
  double bits = 0.0;
  double ours_s = 0.0;
  double ours_equal_s = 0.0;
  double mirage_s = 0.0;

  // 1 if counted as equal, -1 as different, 0 if neither is shown.
  int add(const Judgement& j) {
    ++pairs;
    ours_s += j.ours_s;
    mirage_s += j.mirage_s;
    if (j.ours.outcome == Outcome::kEquivalent) {
      ++equal;
      bits += *j.ours.bits;
      ours_equal_s += j.ours_s;
      mirage_false_rejects += j.mirage ? 0 : 1;
      return 1;
    }
    if (!j.ours.witness) return 0;
    const bool in_fragment = j.ours.abstracted.empty();
    ++different;
    inside += in_fragment ? 1 : 0;
    mirage_false_accepts += j.mirage ? 1 : 0;
    mirage_false_accepts_inside += j.mirage && in_fragment ? 1 : 0;
    return -1;
  }
};

struct RandomPairs {
  Tally mutants;
  Tally rewritten;
  int refuted = 0;  // of the rewritten ones, by us
};

RandomPairs random_pairs(int programs) {
  Random random(kSeed);
  RandomPairs result;
  for (int i = 0; i < programs; ++i) {
    const std::vector<Step> program = random_steps(random);
    for (int k = 0; k < kMutants; ++k) {
      const Pair mutant{"", build(program), build(mutated(program, random))};
      if (print_graph(mutant.a) == print_graph(mutant.b)) continue;
      if (result.mutants.add(judge(mutant)) != 1) continue;
      result.mutants.contradicted +=
          verify_test::seem_different(mutant.a, mutant.b, kRanges, random) ? 1 : 0;
    }
    const std::size_t which = 1 + pick(random, (std::size_t{1} << program.size()) - 1);
    const Pair same{"", build(program), build(program, which)};
    result.refuted += result.rewritten.add(judge(same)) == -1 ? 1 : 0;
  }
  return result;
}

Json to_json(const Tally& t) {
  Json json;
  json["pairs"] = t.pairs;
  json["different"] = t.different;
  json["inside"] = t.inside;
  json["equal"] = t.equal;
  json["contradicted"] = t.contradicted;
  json["mirage_false_accepts"] = t.mirage_false_accepts;
  json["mirage_false_accepts_inside"] = t.mirage_false_accepts_inside;
  json["mirage_false_rejects"] = t.mirage_false_rejects;
  json["bits"] = t.bits;
  json["ours_s"] = t.ours_s;
  json["ours_equal_s"] = t.ours_equal_s;
  json["mirage_s"] = t.mirage_s;
  return json;
}

// Products of a [kSize, kDepth] and a [kDepth, kSize] matrix.
constexpr std::size_t kSize = 192;
constexpr std::size_t kDepth = 512;
using Packed = std::vector<std::uint32_t>;

// c = a b with the reductions of the packed arithmetic at every step. The
// inner loop is over columns, so that the compiler makes vectors of it.
__attribute__((optimize("O3"), target("avx2"))) void packed_product(const Packed& a,
                                                                    const Packed& b, Packed& c) {
  using M = MirageField;
  std::fill(c.begin(), c.end(), 0);
  for (std::size_t i = 0; i < kSize; ++i) {
    std::uint32_t* const row = &c[i * kSize];
    for (std::size_t k = 0; k < kDepth; ++k) {
      const std::uint32_t x = a[i * kDepth + k];
      const std::uint32_t xp = x % M::kP, xq = x % M::kQ;
      const std::uint32_t* const y = &b[k * kSize];
      for (std::size_t j = 0; j < kSize; ++j) {
        const std::uint32_t p = xp * (y[j] % M::kP) % M::kP;
        const std::uint32_t q = xq * (y[j] % M::kQ) % M::kQ;
        const std::uint32_t z = (p * (M::kQ * 165) + q * M::kP) % M::kPacked;
        row[j] = (row[j] + z) % M::kPacked;
      }
    }
  }
}

// The same with residues apart and one reduction at the end: what these moduli allow.
using Residues = std::vector<std::int16_t>;
__attribute__((optimize("O3"), target("avx2"))) void split_product(const Residues& a,
                                                                   const Residues& b_transposed,
                                                                   std::vector<std::int32_t>& c) {
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) {
      const std::int16_t* const x = &a[i * kDepth];
      const std::int16_t* const y = &b_transposed[j * kDepth];
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < kDepth; ++k) sum += x[k] * y[k];
      c[i * kSize + j] = sum;
    }
  }
}

// Runs until half a second has passed; how often a second.
double rate_of(const std::function<void()>& work) {
  work();
  const double start = now_s();
  int runs = 0;
  do {
    work();
    ++runs;
  } while (now_s() - start < 0.5);
  return runs / (now_s() - start);
}

struct Rates {  // multiply-accumulates of a pair of residues, per second
  double packed = 0.0;
  double split = 0.0;
  double values = 0.0;  // of this project: residues modulo p alone, as after an exponential
  double ours = 0.0;
};

Rates measure_rates() {
  using M = MirageField;
  constexpr double kProducts = static_cast<double>(kSize * kSize * kDepth);
  Random random(kSeed);
  Packed a(kSize * kDepth), b(a.size()), c(kSize * kSize);
  for (Packed* matrix : {&a, &b}) {
    for (std::uint32_t& x : *matrix) x = static_cast<std::uint32_t>(pick(random, M::kPacked));
  }
  Residues ap, aq, bp(b.size()), bq(b.size());
  for (const std::uint32_t x : a) {
    ap.push_back(static_cast<std::int16_t>(x % M::kP));
    aq.push_back(static_cast<std::int16_t>(x % M::kQ));
  }
  for (std::size_t k = 0; k < kDepth; ++k) {
    for (std::size_t j = 0; j < kSize; ++j) {
      bp[j * kDepth + k] = static_cast<std::int16_t>(b[k * kSize + j] % M::kP);
      bq[j * kDepth + k] = static_cast<std::int16_t>(b[k * kSize + j] % M::kQ);
    }
  }
  std::vector<std::int32_t> cp(c.size()), cq(c.size());
  Rates rates;
  rates.packed = kProducts * rate_of([&] { packed_product(a, b, c); });
  rates.split = kProducts * rate_of([&] {
                  split_product(ap, bp, cp);
                  split_product(aq, bq, cq);
                });
  for (std::size_t i = 0; i < c.size(); ++i) {
    const auto p = static_cast<std::uint32_t>(cp[i]) % M::kP;
    const auto q = static_cast<std::uint32_t>(cq[i]) % M::kQ;
    check(M::pack(p, q) == c[i], "the two products of packed matrices differ at {}", i);
  }
  SecretRandom secret = verify_test::seeded(kSeed);
  const ResidueField field(verify_test::large_pairs(), verify_test::next_word, &secret);
  std::vector<Formal> x, y, totals(kSize * kSize);
  for (std::size_t i = 0; i < a.size(); ++i)
    x.push_back(field.random()), y.push_back(field.random());
  const auto size = static_cast<std::int64_t>(kSize), depth = static_cast<std::int64_t>(kDepth);
  std::vector<std::int64_t> along, across;
  for (std::int64_t k = 0; k < depth; ++k) along.push_back(k), across.push_back(k * size);
  rates.ours =
      kProducts * kLanes * rate_of([&] {
        check(field.products({x.data(), size, depth, along}, {y.data(), size, 1, across}, totals),
              "products of {} rows are too few", size);
      });
  std::array<Modulus, kLanes> moduli;
  for (std::size_t i = 0; i < kLanes; ++i) moduli[i] = Modulus(field.pairs()[i].p);
  LaneMatrix left{size, depth, {}}, right{size, depth, {}};
  for (const Formal& e : x) left.elements.push_back(e.p);
  for (const Formal& e : y) right.elements.push_back(e.p);
  rates.values = kProducts * kLanes * rate_of([&] { lane_products(left, right, moduli); });
  return rates;
}

void print(const RandomPairs& r) {
  const Tally& m = r.mutants;
  const Tally& w = r.rewritten;
  const double mirage_s = m.mirage_s + w.mirage_s;
  const int pairs = m.pairs + w.pairs;
  fmt::print("\n| random programs | Mirage's arithmetic | identity tester |\n|---|---|---|\n");
  fmt::print("| mutants that differ (a witness), accepted | {} of {} | 0 of {} |\n",
             m.mirage_false_accepts, m.different, m.different);
  fmt::print("| those of one level of exponentials, no roots or branches | {} of {} | 0 of {} |\n",
             m.mirage_false_accepts_inside, m.inside, m.inside);
  fmt::print("| mutants that are equal (80 bits), rejected | {} of {} | 0 of {} |\n",
             m.mirage_false_rejects, m.equal, m.equal);
  fmt::print("| equal (80 bits), but different in floating point | - | {} of {} |\n",
             m.contradicted, m.equal);
  fmt::print("| rewritten programs that are equal (80 bits), rejected | {} of {} | - |\n",
             w.mirage_false_rejects, w.equal);
  fmt::print("| rewritten programs, refuted | - | {} of {} |\n", r.refuted, w.pairs);
  fmt::print("| neither shown | - | {} mutants, {} rewritten |\n", m.pairs - m.different - m.equal,
             w.pairs - w.equal - w.different);
  fmt::print("| pairs per core-second | {:.0f} | {:.0f} |\n", pairs / mirage_s,
             pairs / (m.ours_s + w.ours_s));
  fmt::print("| proved bits per core-second, equal pairs | 0 | {:.0f} |\n",
             (m.bits + w.bits) / (m.ours_equal_s + w.ours_equal_s));
}

void print(const Rates& r) {
  fmt::print(
      "\n| multiply-accumulates of a pair (p, q) | 1e9 per second | multiple |\n|---|---|---|\n");
  fmt::print("| 8 and 7 bits, packed, reduced at every step, AVX2 | {:.2f} | 1 |\n",
             r.packed / 1e9);
  fmt::print("| 8 and 7 bits apart, reduced once, AVX2 | {:.2f} | {:.1f} |\n", r.split / 1e9,
             r.split / r.packed);
  fmt::print("| 50 bits, identity tester | {:.2f} | {:.2f} |\n", r.values / 1e9,
             r.values / r.packed);
  fmt::print("| 50 and 31 bits, identity tester | {:.2f} | {:.2f} |\n", r.ours / 1e9,
             r.ours / r.packed);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int programs = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 600;
    Json report;
    report["version"] = 1;
    report["machine"] = find_device("cpu").description();
    report["seed"] = static_cast<std::int64_t>(kSeed);
    bool holds = true;
    fmt::print(
        "| pair | for the reals | Mirage's arithmetic | identity tester |\n|---|---|---|---|\n");
    report["false"] = named_rows(false_pairs(), false, holds);
    report["true"] = named_rows(true_pairs(), true, holds);
    const RandomPairs random = random_pairs(programs);
    print(random);
    report["mutants"] = to_json(random.mutants);
    report["rewritten"] = to_json(random.rewritten);
    report["refuted"] = random.refuted;
    holds = holds && random.mutants.contradicted == 0 && random.refuted == 0;
    const Rates rates = measure_rates();
    print(rates);
    report["packed_per_s"] = rates.packed;
    report["split_per_s"] = rates.split;
    report["values_per_s"] = rates.values;
    report["ours_per_s"] = rates.ours;
    if (argc > 2) write_file_atomically(argv[2], report.dump());
    return holds ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "mirage_arithmetic: error: {}\n", e.what());
    return 1;
  }
}
