// Known answers of composite operators and of control flow.
#include <doctest/doctest.h>

#include <cmath>

#include "exec/ref/operator_testing.h"
#include "lamina/error.h"

using namespace lamina;
using Reals = std::vector<double>;

namespace {

void check_close(const Reals& got, const Reals& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::fabs(got[i] - want[i]) <= 1e-6 * (1.0 + std::fabs(want[i])));
  }
}

}  // namespace

TEST_CASE("softmax and its logarithms neither overflow nor lose infinities") {
  const Operand x{{1, 3}, {1000, 1000, 999}};
  const double z = 2 + std::exp(-1.0);
  check_close(run_op("softmax", {x}), {1 / z, 1 / z, std::exp(-1.0) / z});
  check_close(run_op("log_softmax", {x}), {-std::log(z), -std::log(z), -1 - std::log(z)});
  check_close(run_op("logsumexp", {x}), {1000 + std::log(z)});
  CHECK(run_op("logsumexp", {{{2}, {-INFINITY, -INFINITY}}}) == Reals{-INFINITY});
  CHECK(run_op("logsumexp", {{{2}, {0, INFINITY}}}) == Reals{INFINITY});
}

TEST_CASE("normalisations standardise their own axes") {
  const Operand x{{1, 2, 2}, {1, 3, 10, 30}};
  const Attrs exact = {{"epsilon", 0.0}};
  check_close(run_op("layer_norm", {x, {{2}, {1, 2}}, {{2}, {0, 5}}}, exact), {-1, 7, -1, 7});
  check_close(run_op("instance_norm", {x, {{2}, {1, 2}}}, exact), {-1, 1, -2, 2});
  const Reals one_group = run_op("group_norm", {x}, {{"epsilon", 0.0}, {"groups", 1}});
  const double sd = std::sqrt((100 + 64 + 1 + 361) / 4.0);
  check_close(one_group, {-10 / sd, -8 / sd, -1 / sd, 19 / sd});
  check_close(
      run_op("batch_norm", {x, {{2}, {1, 2}}, {{2}, {0, 5}}, {{2}, {1, 10}}, {{2}, {4, 4}}}, exact),
      {0, 1, 5, 25});
}

TEST_CASE("attention: shared heads, causal order, windows, masks") {
  // Keys are zero: every visible position has the same odds, so that rows are means of values.
  const Operand q = counted({1, 2, 2, 2});
  const Operand k{{1, 1, 3, 2}, Reals(6, 0.0)};
  const Operand v{{1, 1, 3, 1}, {3, 6, 12}};
  check_close(run_op("attention", {q, k, v}), {7, 7, 7, 7});
  check_close(run_op("attention", {q, k, v}, {{"causal", true}}), {4.5, 7, 4.5, 7});
  check_close(run_op("attention", {q, k, v}, {{"causal", true}, {"offset", 0}}), {3, 4.5, 3, 4.5});
  check_close(run_op("attention", {q, k, v}, {{"causal", true}, {"window", 1}}), {6, 12, 6, 12});
  const Operand head_mask{{2, 1, 3}, {1, 0, 0, 0, 1, 1}, DType::kBool};
  check_close(run_op("attention", {q, k, v, head_mask}), {3, 3, 9, 9});
  const Operand added{{3}, {0, 0, -INFINITY}};
  check_close(run_op("attention", {q, k, v, added}), {4.5, 4.5, 4.5, 4.5});
}

TEST_CASE("attention weighs by the scaled products") {
  const Operand q{{1, 1, 1, 4}, {1, 1, 1, 1}};
  const Operand k{{1, 1, 2, 4}, {1, 1, 1, 1, 0, 0, 0, 0}};
  const Operand v{{1, 1, 2, 1}, {1, 0}};
  check_close(run_op("attention", {q, k, v}), {1 / (1 + std::exp(-2.0))});
  check_close(run_op("attention", {q, k, v}, {{"scale", 0.25}}), {1 / (1 + std::exp(-1.0))});
}

TEST_CASE("rotary turns pairs by the angle of their position") {
  const Operand position = integers({2}, {0, 3});
  const Attrs tables = {{"dim", 4}, {"base", 100.0}};  // angles p and p / 10
  const Reals cos = run_op("rotary_tables", {position}, tables);
  const Reals sin = run_op("rotary_tables", {position}, tables, 1);
  check_close(cos, {1, 1, std::cos(3.0), std::cos(0.3)});
  const Operand x{{2, 5}, {1, 2, 3, 4, 9, 1, 0, 0, 2, 9}};
  check_close(
      run_op("rotary", {x, {{2, 2}, cos}, {{2, 2}, sin}}),
      {1, 2, 3, 4, 9, std::cos(3.0), -2 * std::sin(0.3), std::sin(3.0), 2 * std::cos(0.3), 9});
  check_close(
      run_op("rotary", {x, {{2, 2}, cos}, {{2, 2}, sin}}, {{"interleaved", true}}),
      {1, 2, 3, 4, 9, std::cos(3.0), std::sin(3.0), -2 * std::sin(0.3), 2 * std::cos(0.3), 9});
}

TEST_CASE("cross entropy: weights, ignored targets, reductions") {
  const Operand logits{{3, 2}, {0, 0, std::log(3.0), 0, 5, 5}};
  const Operand targets = integers({3}, {0, 1, -100});
  const double a = std::log(2.0), b = std::log(4.0);
  Attrs attrs = {{"ignore_index", -100}};
  check_close(run_op("cross_entropy", {logits, targets}, attrs), {(a + b) / 2});
  check_close(run_op("cross_entropy", {logits, targets, {{2}, {1, 3}}}, attrs), {(a + 3 * b) / 4});
  attrs.set("reduction", std::string("none"));
  check_close(run_op("cross_entropy", {logits, targets}, attrs), {a, b, 0});
}

TEST_CASE("if runs one of two graphs") {
  const Type type{DType::kF32, {2}, {}};
  const auto branch = [&](const char* op) {
    Graph inner;
    const Value x = inner.add_input("x", type);
    inner.add_output("y", inner.add(op, {x, x}));
    return inner;
  };
  Graph g;
  const Value condition = g.add_input("c", {DType::kBool, {}, {}});
  const Value x = g.add_input("x", type);
  g.add_output("y", g.add("if", {condition, x}, {}, "", {branch("add"), branch("mul")}));
  auto program = compile(g, ref_device());
  const auto run = [&](double c) {
    const std::vector<Tensor> in = {Tensor::from_doubles(DType::kBool, {}, Reals{c}),
                                    Tensor::from_doubles(DType::kF32, {2}, Reals{3, 4})};
    return program->run(in).back().to_doubles();
  };
  CHECK(run(1) == Reals{6, 8});
  CHECK(run(0) == Reals{9, 16});
  const std::vector<Value> wanted = {x};
  program = compile(gradient(g, wanted), ref_device());
  CHECK(run(1) == Reals{2, 2});
  CHECK(run(0) == Reals{6, 8});
}

TEST_CASE("loop carries, reads and scans values until its condition fails") {
  // sum += step; goes on while sum < 10; scans the sums.
  Graph body;
  const Value i = body.add_input("i", {DType::kI64, {}, {}});
  const Value sum = body.add_input("sum", {DType::kF32, {}, {}});
  const Value step = body.add_input("step", {DType::kF32, {}, {}});
  const Value next = body.add(
      "add", {sum, body.add("mul", {step, body.add("cast", {i}, {{"dtype", DType::kF32}})})});
  body.add_output("go_on", body.add("less", {next, body.constant(10.0)}));
  body.add_output("sum", next);
  body.add_output("sums", next);
  const auto run = [&](std::int64_t trips) {
    Graph g;
    const Value count = g.constant(100, DType::kI64);
    const Value yes = g.add("cast", {g.constant(1.0)}, {{"dtype", DType::kBool}});
    const Value start = g.add_input("start", {DType::kF32, {}, {}});
    const Value by = g.add_input("by", {DType::kF32, {}, {}});
    const Value y =
        g.add("loop", {count, yes, start, by}, {{"carried", 1}, {"trips", trips}}, "", {body});
    g.add_output("sum", y);
    g.add_output("sums", {y.node, 1});
    const std::vector<Tensor> in = {Tensor::from_doubles(DType::kF32, {}, Reals{1}),
                                    Tensor::from_doubles(DType::kF32, {}, Reals{2})};
    return compile(g, ref_device())->run(in);
  };
  const std::vector<Tensor> out = run(4);
  CHECK(out[0].to_doubles() == Reals{13});
  CHECK(out[1].to_doubles() == Reals{1, 3, 7, 13});
  CHECK_THROWS_WITH_AS(run(5), "loop: ran 4 times, but 5 trips were promised", Error);
}

TEST_CASE("named sizes pass through composites and their gradients") {
  // The loss of the last of T rows that attend to each other.
  const auto network = [](const Dim& t) {
    Graph g;
    if (!t.is_constant()) g.sizes = {{"T", 1, 16}};
    const Value x = g.add_input("x", {DType::kF32, {1, t, 8}, {}});
    const Value target = g.add_input("target", {DType::kI64, {1, t}, {}});
    const Value even = g.add("layer_norm", {x});
    const Value split = g.add("reshape", {even}, {{"shape", Dims{1, t, 2, 4}}});
    const Value heads = g.add("transpose", {split}, {{"axes", Dims{0, 2, 1, 3}}});
    const Value seen = g.add("attention", {heads, heads, heads}, {{"causal", true}});
    const Value last =
        g.add("slice", {seen}, {{"start", Dims{0, 0, t - Dim(1), 0}}, {"size", Dims{1, 2, 1, 4}}});
    const Value wide = g.add("pad", {last}, {{"high", Dims{0, 0, t - Dim(1), 0}}});
    const Value rows = g.add("reshape", {wide}, {{"shape", Dims{1, -1, 8}}});
    g.add_output("loss", g.add("cross_entropy", {rows, target}));
    const std::vector<Value> wanted = {x};
    Graph derived = gradient(g, wanted);
    validate(derived);
    return derived;
  };
  std::vector<double> x(40);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  const std::vector<Tensor> in = {Tensor::from_doubles(DType::kF32, {1, 5, 8}, x),
                                  Tensor::from_doubles(DType::kI64, {1, 5}, Reals{1, 0, 7, 3, 2})};
  const auto named = compile(network(Dim::size("T")), ref_device())->run(in);
  const auto fixed = compile(network(5), ref_device())->run(in);
  CHECK(named[0].to_doubles() == fixed[0].to_doubles());
  CHECK(named[1].to_doubles() == fixed[1].to_doubles());
  CHECK(named[1].shape() == Shape{1, 5, 8});
}
