// No false accept: mutants of programs whose values the reference device or interval arithmetic
// tell apart, and all element-wise operators against each other. bench/mutants.cc is the large run.
#include "graph/mutation.h"

#include <doctest/doctest.h>

#include <random>

#include "graph/op_def.h"
#include "verify/floating_trial.h"
#include "verify/harsh_points.h"
#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

using Random = std::mt19937;

std::size_t pick(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// One step of a program on 4 x 4 matrices.
struct Step {
  std::size_t op = 0;
  std::size_t x = 0;  // operands: earlier values
  std::size_t y = 0;
  std::int64_t attribute = 0;
};

struct Form {
  bool binary;
  Value (*build)(Builder&, Value, Value, std::int64_t);
};

template <char const* kName>
Value call2(Builder& b, Value x, Value y, std::int64_t) {
  return b.op(kName, {x, y});
}
template <char const* kName>
Value call1(Builder& b, Value x, Value, std::int64_t) {
  return b.op(kName, {x});
}
Value rows_or_columns(Builder& b, Value x, Value, std::int64_t a) {
  return b.op("add", {x, b.sum(x, a % 2)});
}
Value normalised(Builder& b, Value x, Value, std::int64_t a) {
  return b.op("rms_norm", {x}, {{"axes", Dims{a % 2}}, {"epsilon", a < 2 ? 1e-2 : 2e-2}});
}
Value clamped(Builder& b, Value x, Value, std::int64_t a) {
  return b.op("clamp", {x}, {{"low", -0.25 * static_cast<double>(a + 1)}, {"high", 0.5}});
}
Value shifted(Builder& b, Value x, Value, std::int64_t a) {
  const Dims zero{0, 0};
  const Dims low{a % 2, 1 - a % 2};
  const Value wide = b.op("pad", {x}, {{"low", low}, {"high", zero}});
  return b.op("slice", {wide}, {{"start", zero}, {"size", Dims{4, 4}}});
}
Value rotated(Builder& b, Value x, Value, std::int64_t a) {
  const std::int64_t cut = 1 + a % 3;
  const Value top = b.op("slice", {x}, {{"start", Dims{0, 0}}, {"size", Dims{cut, 4}}});
  const Value rest = b.op("slice", {x}, {{"start", Dims{cut, 0}}, {"size", Dims{4 - cut, 4}}});
  return b.op("concat", {rest, top}, {{"axis", 0}});
}
Value scaled(Builder& b, Value x, Value, std::int64_t a) {
  return b.op("mul", {x, b.c(0.5 + 0.25 * static_cast<double>(a))});
}
Value leaky(Builder& b, Value x, Value, std::int64_t a) {
  return b.op("leaky_relu", {x}, {{"alpha", 0.1 * static_cast<double>(a + 1)}});
}

constexpr char kAdd[] = "add", kSub[] = "sub", kMul[] = "mul", kDiv[] = "div", kMax[] = "max",
               kMin[] = "min", kMatmul[] = "matmul", kExp[] = "exp", kSilu[] = "silu",
               kTanh[] = "tanh", kRelu[] = "relu", kAbs[] = "abs", kNeg[] = "neg";

const Form kForms[] = {
    {true, call2<kAdd>},
    {true, call2<kSub>},
    {true, call2<kMul>},
    {true, call2<kDiv>},
    {true, call2<kMax>},
    {true, call2<kMin>},
    {true, call2<kMatmul>},
    {false, call1<kExp>},
    {false, call1<kSilu>},
    {false, call1<kTanh>},
    {false, call1<kRelu>},
    {false, call1<kAbs>},
    {false, call1<kNeg>},
    {false, rows_or_columns},
    {false, normalised},
    {false, clamped},
    {false, shifted},
    {false, rotated},
    {false, scaled},
    {false, leaky},
    {false, [](Builder& b, Value x, Value, std::int64_t) { return b.transpose(x); }},
};

using Steps = std::vector<Step>;
constexpr std::size_t kInputs = 3;

Steps random_steps(Random& random) {
  Steps program;
  const std::size_t steps = 3 + pick(random, 5);
  for (std::size_t i = 0; i < steps; ++i) {
    // The last value is always used, so that no step is dead.
    const std::size_t newest = kInputs + i - 1;
    program.push_back({pick(random, std::size(kForms)), i == 0 ? pick(random, kInputs) : newest,
                       pick(random, kInputs + i), static_cast<std::int64_t>(pick(random, 4))});
  }
  return program;
}

Graph build(const Steps& steps) {
  return make(std::vector<Dims>(kInputs, Dims{4, 4}), [&](Builder& b, std::vector<Value>& x) {
    for (const Step& step : steps) {
      x.push_back(kForms[step.op].build(b, x[step.x], x[step.y], step.attribute));
    }
    return x.back();
  });
}

// Tiles that are cut raggedly, sums that are carried from one to the next, an online softmax.
constexpr const char* kBlocks[] = {R"(lamina 1
graph product(x: f32[3, 5], y: f32[5, 7]) {
  z = block(x, y, grid=[4], loop=[3]) {
    state acc: f32[3, 2] = 0.0
    xt = load(x, grid=[-1], loop=1, tile=[3, 2])
    yt = load(y, grid=[1], loop=0, tile=[2, 2])
    acc <- acc + xt @ yt
    return store(after(acc), grid=[1], shape=[3, 7])
  }
  return z
})",
                                   R"(lamina 1
graph tiles(x: f32[4, 4], y: f32[4, 4]) {
  z = block(x, y, grid=[2, 2]) {
    xt = load(x, grid=[0, 1], tile=[2, 2])
    yt = load(y, grid=[1, 0], tile=[2, 2])
    return store(xt * 0.5 - exp(yt), grid=[0, 1], shape=[4, 4])
  }
  return z
})",
                                   R"(lamina 1
graph online(s: f32[3, 5], v: f32[5, 2]) {
  y = block(s, v, grid=[3], loop=[3]) {
    state peak: f32[1, 1] = -1e30
    state total: f32[1, 1] = 0.0
    state sum: f32[1, 2] = 0.0
    st = load(s, grid=[0], loop=1, tile=[1, 2])
    vt = load(v, grid=[-1], loop=0, tile=[2, 2])
    next = max(peak, reduce_max(st, axes=[1], keepdims=true))
    shrink = exp(peak - next)
    e = exp(st - next)
    peak <- next
    total <- total * shrink + sum(e, axes=[1], keepdims=true)
    sum <- sum * shrink + e @ vt
    return store(after(sum) / after(total), grid=[0], shape=[3, 2])
  }
  return y
})"};

constexpr std::pair<double, double> kRanges[] = {{-1.0, 1.0}, {-4.0, 4.0}, {-0.5, 0.5}};

// What became of the mutants of one graph.
struct Counts {
  int refuted = 0;
  int accepted = 0;
  int others = 0;
};

// One mutant of each kind, against the graph, with primes of their own.
void try_mutants(const Graph& graph, Random& random, Counts& counts) {
  Rng rng(random());
  std::vector<Mutant> mutants;
  for (const Mutation& mutation : all_mutations()) {
    if (auto mutant = mutate(graph, mutation, rng)) mutants.push_back(std::move(*mutant));
  }
  const VerifyOptions options{.primes = share_primes(), .shrink_witness = false};
  for (const Mutant& mutant : mutants) {
    CAPTURE(print_graph(graph));
    CAPTURE(print_graph(mutant.graph));
    Verdict verdict;
    try {
      verdict = verify(graph, mutant.graph, options);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kInvalidArgument);  // tiles that do not fit
    }
    if (verdict.outcome == Outcome::kDifferent) {
      ++counts.refuted;
    } else if (verdict.outcome == Outcome::kEquivalent) {
      ++counts.accepted;
      CHECK_FALSE(seem_different(graph, mutant.graph, kRanges, random));
      CHECK(enclose_at_harsh_points(graph, mutant.graph, 16).gap == 0.0);
    } else {
      ++counts.others;
    }
  }
}

}  // namespace

TEST_CASE("mutants that compute something else are never accepted") {
  Random random(20);
  Counts counts;
  for (int i = 0; i < 12; ++i) try_mutants(build(random_steps(random)), random, counts);
  for (const char* text : kBlocks) {
    for (int i = 0; i < 3; ++i) try_mutants(parse_graph(text), random, counts);
  }
  MESSAGE(counts.refuted, " mutants refuted, ", counts.accepted, " accepted, ", counts.others,
          " neither");
  CHECK(counts.refuted > 120);
  CHECK(counts.refuted > 2 * (counts.accepted + counts.others));
}

TEST_CASE("a program that reads a loop that never ran is an error") {
  const Graph graph = parse_graph(R"(lamina 1
graph g(x: f32[0, 2]) {
  z = block(x, grid=[1]) {
    return store(load(x, grid=[-1], loop=0, tile=[2, 2]), grid=[-1], shape=[2, 2])
  }
  return z
})");
  CHECK_THROWS_WITH_AS(verify(graph, graph), doctest::Contains("no iteration ran"), Error);
}

TEST_CASE("a program is not refuted by itself") {
  Random random(22);
  for (int i = 0; i < 40; ++i) {
    const Graph graph = build(random_steps(random));
    CHECK(verify(graph, graph, {.bits = 0.0}).outcome != Outcome::kDifferent);
  }
}

TEST_CASE("no two element-wise operators are confused") {
  Random random(21);
  std::vector<Graph> graphs;
  for (const OpDef& op : all_ops()) {
    if (op.scalar.formal == nullptr || op.samples == nullptr) continue;
    const std::size_t operands = op.samples().front().inputs.size();
    if (op.samples().front().inputs.front().dtype != DType::kF32 || operands > 2) continue;
    Builder b;
    std::vector<Value> x = {b.in("x", {6}), b.in("y", {6})};
    x.resize(operands);
    const Value y = b.op(op.name, x, op.samples().front().attrs);
    b.g.name = std::string(op.name);
    if (b.g.type(y).dtype == DType::kF32) graphs.push_back(b.out(y));
  }
  CHECK(graphs.size() > 40);
  for (std::size_t i = 0; i < graphs.size(); ++i) {
    for (std::size_t k = i; k < graphs.size(); ++k) {
      CAPTURE(graphs[i].name);
      CAPTURE(graphs[k].name);
      const Verdict verdict = verify(graphs[i], graphs[k], {.bits = 0.0});
      if (i == k) {
        CHECK_MESSAGE(verdict.outcome == Outcome::kEquivalent, verdict.to_text());
      } else if (verdict.outcome == Outcome::kEquivalent) {
        CHECK_FALSE(seem_different(graphs[i], graphs[k], kRanges, random));
      }
    }
  }
}
