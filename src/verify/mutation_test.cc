// No false accept: random programs against mutants that the reference device tells apart, and all
// element-wise operators against each other.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "graph/op_def.h"
#include "lamina/device.h"
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

Steps mutate(Steps program, Random& random) {
  const std::size_t i = pick(random, program.size());
  Step& step = program[i];
  switch (pick(random, 4)) {
    case 0:
      step.op = pick(random, std::size(kForms));
      break;
    case 1:
      step.x = pick(random, kInputs + i);
      break;
    case 2:
      std::swap(step.x, step.y);
      break;
    default:
      step.attribute = (step.attribute + 1) % 4;
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

// Whether some of a few random points gives clearly different outputs.
bool really_different(const Graph& a, const Graph& b, Random& random) {
  const Device& device = find_device("ref");
  const auto first = compile(a, device);
  const auto second = compile(b, device);
  for (const double reach : {1.0, 4.0, 0.5}) {
    std::uniform_real_distribution<double> uniform(-reach, reach);
    std::vector<Tensor> inputs;
    for (const Input& input : a.inputs) {
      const Type& type = a.nodes[static_cast<std::size_t>(input.node)].types[0];
      const Shape shape = evaluate(type.shape, {});
      std::vector<double> values(static_cast<std::size_t>(element_count(shape)));
      for (double& v : values) v = uniform(random);
      inputs.push_back(Tensor::from_doubles(DType::kF32, shape, values));
    }
    const std::vector<double> x = first->run(inputs)[0].to_doubles();
    const std::vector<double> y = second->run(inputs)[0].to_doubles();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x[i]) || !std::isfinite(y[i])) continue;
      if (std::fabs(x[i] - y[i]) > 1e-3 * (std::fabs(x[i]) + std::fabs(y[i])) + 1e-6) return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("mutants that compute something else are never accepted") {
  Random random(20);
  int changed = 0;
  int refuted = 0;
  int same = 0;
  for (int i = 0; i < 200; ++i) {
    const Steps program = random_steps(random);
    const Graph a = build(program);
    const Graph b = build(mutate(program, random));
    CAPTURE(i);
    CHECK(verify(a, a, {.bits = 0.0}).outcome != Outcome::kDifferent);
    const Verdict verdict = verify(a, b, {.bits = 0.0});
    if (really_different(a, b, random)) {
      ++changed;
      refuted += verdict.outcome == Outcome::kDifferent ? 1 : 0;
      CHECK_MESSAGE(verdict.outcome != Outcome::kEquivalent, verdict.to_text());
    } else {
      ++same;
      // Not seen at a few points; a witness shows it all the same.
      const bool claimed = verdict.outcome == Outcome::kDifferent && !verdict.witness;
      CHECK_MESSAGE(!claimed, verdict.to_text());
    }
  }
  MESSAGE(changed, " mutants differ, ", refuted, " of them refuted; ", same, " seem the same");
  CHECK(changed > 100);
  CHECK(refuted * 10 > changed * 9);
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
        CHECK_FALSE(really_different(graphs[i], graphs[k], random));
      }
    }
  }
}
