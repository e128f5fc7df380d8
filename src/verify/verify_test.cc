// The identity tester: what it accepts, what it refutes, what it leaves open.
#include <doctest/doctest.h>

#include <limits>

#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

Outcome outcome(const Graph& a, const Graph& b, const VerifyOptions& options = {}) {
  const Verdict verdict = verify(a, b, options);
  INFO(verdict.to_text());
  CHECK_FALSE(verdict.reason.empty());
  return verdict.outcome;
}

const std::vector<Dims> kThree(3, Dims{2, 3});

}  // namespace

TEST_CASE("field identities are accepted and near misses refuted") {
  const Graph quotient = make(kThree, [](Builder& b, auto& x) {
    return b.op("div", {b.op("div", {x[0], x[1]}), x[2]});
  });
  const Graph product = make(kThree, [](Builder& b, auto& x) {
    return b.op("div", {x[0], b.op("mul", {x[1], x[2]})});
  });
  const Graph wrong = make(kThree, [](Builder& b, auto& x) {
    return b.op("div", {b.op("mul", {x[0], x[2]}), x[1]});
  });
  const Verdict same = verify(quotient, product);
  CHECK(same.outcome == Outcome::kEquivalent);
  CHECK(same.passes == 1);
  CHECK(same.compared == 6);
  CHECK(same.uncompared == 0);
  CHECK(same.abstracted.empty());
  REQUIRE(same.bits);
  CHECK(*same.bits >= 80.0);
  CHECK(same.tuples.size() == 4);
  CHECK(same.tuples[0].p != same.tuples[1].p);
  const Verdict different = verify(quotient, wrong);
  CHECK(different.outcome == Outcome::kDifferent);
  REQUIRE(different.witness);
  CHECK(different.witness->a != doctest::Approx(different.witness->b));
}

TEST_CASE("exponentials multiply, and distribute over nothing") {
  const auto product = make(kThree, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("exp", {x[0]}), b.op("exp", {x[1]})});
  });
  const auto sum = make(kThree, [](Builder& b, auto& x) {
    return b.op("exp", {b.op("add", {x[0], x[1]})});
  });
  const auto other = make(kThree, [](Builder& b, auto& x) {
    return b.op("exp", {b.op("add", {x[0], x[2]})});
  });
  CHECK(outcome(product, sum) == Outcome::kEquivalent);
  CHECK(outcome(product, other) == Outcome::kDifferent);
}

TEST_CASE("the false accepts of fixed small primes and ramp inputs are refuted") {
  const auto nested =
      make({{4}}, [](Builder& b, auto& x) { return b.op("exp", {b.op("exp", {x[0]})}); });
  const auto constant_one = make({{4}}, [](Builder& b, auto& x) {
    return b.op("div", {x[0], x[0]});
  });
  CHECK(outcome(nested, constant_one) == Outcome::kDifferent);
  const auto sum = make(kThree, [](Builder& b, auto& x) { return b.op("add", {x[0], x[2]}); });
  const auto twice = make(kThree, [](Builder& b, auto& x) { return b.op("add", {x[1], x[1]}); });
  CHECK(outcome(sum, twice) == Outcome::kDifferent);
  const auto plain = make({{4}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  const auto scaled = make({{4}}, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("exp", {x[0]}), b.c(168)});
  });
  CHECK(outcome(plain, scaled) == Outcome::kDifferent);
}

TEST_CASE("rms_norm may be applied after the product it feeds") {
  const Dims rows{3, 8};
  const auto before = make({rows, {8, 5}}, [](Builder& b, auto& x) {
    return b.op("matmul", {b.op("rms_norm", {x[0]}, {{"epsilon", 1e-5}}), x[1]});
  });
  const auto after = [&](double count, double epsilon) {
    return make({rows, {8, 5}}, [&](Builder& b, auto& x) {
      const Value squares = b.sum(b.op("mul", {x[0], x[0]}), 1);
      const Value mean = b.op("mul", {squares, b.c(1.0 / count)});
      const Value scale = b.op("rsqrt", {b.op("add", {mean, b.c(epsilon)})});
      return b.op("mul", {b.op("matmul", {x[0], x[1]}), scale});
    });
  };
  const Verdict verdict = verify(before, after(8, 1e-5));
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.abstracted.at("sqrt") == 3);
  CHECK(outcome(before, after(1, 1e-5)) == Outcome::kDifferent);
  CHECK(outcome(before, after(8, 1e-2)) == Outcome::kDifferent);
}

TEST_CASE("a gated product of two matrices, and its operands exchanged") {
  const std::vector<Dims> shapes = {{2, 6}, {6, 4}, {6, 4}};
  const auto gated = [&](std::size_t gate, std::size_t up) {
    return make(shapes, [&](Builder& b, auto& x) {
      return b.op("mul",
                  {b.op("silu", {b.op("matmul", {x[0], x[gate]})}), b.op("matmul", {x[0], x[up]})});
    });
  };
  const auto joined = make(shapes, [&](Builder& b, auto& x) {
    const Value both = b.op("concat", {x[1], x[2]}, {{"axis", 1}});
    const Value y = b.op("matmul", {x[0], both});
    const Value g = b.op("slice", {y}, {{"start", Dims{0, 0}}, {"size", Dims{2, 4}}});
    const Value u = b.op("slice", {y}, {{"start", Dims{0, 4}}, {"size", Dims{2, 4}}});
    const Value e = b.op("exp", {b.op("mul", {g, b.c(-1)})});
    return b.op("div", {b.op("mul", {g, u}), b.op("add", {b.c(1), e})});
  });
  CHECK(outcome(gated(1, 2), joined) == Outcome::kEquivalent);
  CHECK(outcome(gated(2, 1), joined) == Outcome::kDifferent);
}

TEST_CASE("an output that is always undefined is inconclusive") {
  const auto bad = make({{3}}, [](Builder& b, auto& x) {
    const Value zero = b.op("add", {x[0], b.op("mul", {x[0], b.c(-1)})});
    return b.op("div", {x[0], zero});
  });
  const Verdict verdict = verify(bad, bad);
  CHECK(verdict.outcome == Outcome::kInconclusive);
  CHECK(verdict.uncompared == 3);
  // A removable singularity does not matter: it is undefined only at isolated points.
  const auto removable = make({{3}}, [](Builder& b, auto& x) {
    return b.op("div", {b.op("mul", {x[0], x[0]}), x[0]});
  });
  const auto plain = make({{3}}, [](Builder& b, auto& x) { return b.op("add", {x[0], b.c(0)}); });
  CHECK(outcome(removable, plain) == Outcome::kEquivalent);
}

TEST_CASE("graphs with different signatures are refused by what differs") {
  const auto one = make({{3}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  const auto two = make({{4}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  CHECK_THROWS_WITH_AS(verify(one, two), "input 'x0' is f32[3] and f32[4]", Error);
  const auto more = make({{3}, {3}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  CHECK_THROWS_WITH_AS(verify(one, more), "the graphs have 1 and 2 inputs", Error);
  Builder renamed;
  const Graph other = renamed.out(renamed.op("exp", {renamed.in("z", {3})}));
  CHECK_THROWS_WITH_AS(verify(one, other), "input 0 is called 'x0' and 'z'", Error);
  CHECK(outcome(one, other, {.match_names = false}) == Outcome::kEquivalent);
}

TEST_CASE("named sizes are bound to several values") {
  const auto sized = [](double factor) {
    Builder b;
    b.g.sizes = {{"T", 1, 64}};
    const Value x = b.in("x", {Dim::size("T"), 3});
    return b.out(b.op("mul", {b.sum(x, 0), b.c(factor)}));
  };
  const Verdict verdict = verify(sized(2), sized(2));
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.passes == 2);
  CHECK(verdict.tuples.front().sizes != verdict.tuples.back().sizes);
  CHECK(outcome(sized(2), sized(3)) == Outcome::kDifferent);
}

TEST_CASE("states: the next value is compared too") {
  const auto accumulate = [](double factor) {
    Builder b;
    const Value x = b.in("x", {3});
    const Value s = b.g.add_state("s", {DType::kF32, {3}, {}});
    b.g.add_update(s, b.op("add", {s, b.op("mul", {x, b.c(factor)})}));
    return b.out(b.op("mul", {s, x}));
  };
  CHECK(outcome(accumulate(2), accumulate(2)) == Outcome::kEquivalent);
  const Verdict verdict = verify(accumulate(2), accumulate(3));
  CHECK(verdict.outcome == Outcome::kDifferent);
  REQUIRE(verdict.witness);
  CHECK(verdict.witness->output == "next s");
}

TEST_CASE("large sizes shrink together") {
  const auto product = [](double factor) {
    return make({{16, 4096}, {4096, 6144}}, [&](Builder& b, auto& x) {
      const Value heads =
          b.op("reshape", {b.op("matmul", {x[0], x[1]})}, {{"shape", Dims{16, 48, 128}}});
      return b.op("mul", {b.sum(heads, 2), b.c(factor)});
    });
  };
  const auto small = shrink_sizes(product(1), 8);
  REQUIRE(small);
  const Dims heads = small->nodes[3].types[0].shape;
  CHECK(heads[1] * heads[2] == small->nodes[2].types[0].shape[1]);
  CHECK(small->nodes[0].types[0].shape[1] == small->nodes[1].types[0].shape[0]);
  const Verdict verdict = verify(product(2), product(2), {.shrink = 8});
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.shrunk);
  // 64 = 8 * 8 and 4096 = 64 * 64 by accident: nothing here is reshaped.
  const auto accident = shrink_sizes(parse_graph(R"(lamina 1
graph g(q: f32[8, 1024, 64], k: f32[8, 64, 4096]) {
  y = matmul(q, k)
  return y
}
)"),
                                     8);
  REQUIRE(accident);
  for (const Node& node : accident->nodes) {
    for (const Dim& extent : node.types[0].shape) CHECK(extent.constant().value() <= 8);
  }
  // 1/n against a mean does not shrink, but holds at the full shape.
  const auto mean = make({{64}}, [](Builder& b, auto& x) {
    return b.op("mean", {x[0]}, {{"axes", Dims{0}}});
  });
  const auto scaled = make({{64}}, [](Builder& b, auto& x) {
    return b.op("mul", {b.op("sum", {x[0]}, {{"axes", Dims{0}}}), b.c(1.0 / 64)});
  });
  const Verdict full = verify(mean, scaled, {.shrink = 8});
  CHECK(full.outcome == Outcome::kEquivalent);
  CHECK_FALSE(full.shrunk);
}

TEST_CASE("reports") {
  const auto g = make({{2}}, [](Builder& b, auto& x) { return b.op("rsqrt", {x[0]}); });
  const auto h = make({{2}}, [](Builder& b, auto& x) { return b.op("exp", {x[0]}); });
  const Verdict same = verify(g, g);
  CHECK(same.to_text().starts_with(
      "equivalent, proved: all 2 output elements have one exact normal form"));
  CHECK(same.to_text().find("sqrt (2)") != std::string::npos);
  CHECK(same.to_json().find("\"bits\": ") != std::string::npos);
  const Verdict different = verify(g, h);
  CHECK(different.to_json().find("\"verdict\": \"different\"") != std::string::npos);
  CHECK(different.to_json().find("\"elements\"") != std::string::npos);
}

TEST_CASE("softmax: plain, safe, and by tiles with running maxima") {
  const Dims scores{3, 8};
  const auto plain = make({scores}, [](Builder& b, auto& x) {
    const Value e = b.op("exp", {x[0]});
    return b.op("div", {e, b.sum(e, 1)});
  });
  const auto safe = [&](double scale) {
    return make({scores}, [&](Builder& b, auto& x) {
      const Value shifted = b.op("sub", {x[0], b.max_of(x[0], 1)});
      const Value e = b.op("exp", {b.op("mul", {shifted, b.c(scale)})});
      return b.op("div", {e, b.sum(e, 1)});
    });
  };
  const Verdict verdict = verify(plain, safe(1));
  CHECK(verdict.outcome == Outcome::kEquivalent);
  CHECK(verdict.branches > 0);
  CHECK(outcome(plain, safe(0.5)) == Outcome::kDifferent);
}

TEST_CASE("attention with an online softmax in a block graph") {
  const std::vector<Dims> shapes = {{2, 4}, {6, 4}, {6, 3}};
  const auto attention = [&](double scale) {
    return make(shapes, [&](Builder& b, auto& x) {
      const Value s = b.op("mul", {b.op("matmul", {x[0], b.transpose(x[1])}), b.c(scale)});
      const Value e = b.op("exp", {b.op("sub", {s, b.max_of(s, 1)})});
      return b.op("matmul", {b.op("div", {e, b.sum(e, 1)}), x[2]});
    });
  };
  const auto online = [&](bool rescale, std::int64_t second, std::int64_t tile) {
    Builder t;
    t.g.level = Level::kBlock;
    std::vector<Value> x;
    for (std::size_t i = 0; i < 3; ++i) x.push_back(t.in("x" + std::to_string(i), shapes[i]));
    const double none = -std::numeric_limits<double>::infinity();
    const Value m = t.g.add_state("m", {DType::kF32, {2, 1}, {}}, none);
    const Value l = t.g.add_state("l", {DType::kF32, {2, 1}, {}});
    const Value acc = t.g.add_state("acc", {DType::kF32, {2, 3}, {}});
    const auto load = [&](Value v, std::int64_t loop, Dims shape) {
      return t.op("load", {v}, {{"grid", Dims{}}, {"loop", loop}, {"tile", std::move(shape)}});
    };
    const Value q = load(x[0], -1, {2, 4});
    const Value k = load(x[1], 0, {tile, 4});
    const Value v = load(x[static_cast<std::size_t>(second)], 0, {tile, 3});
    const Value s = t.op("mul", {t.op("matmul", {q, t.transpose(k)}), t.c(0.5)});
    const Value m2 = t.op("max", {m, t.max_of(s, 1)});
    const Value e = t.op("exp", {t.op("sub", {s, m2})});
    const Value keep = rescale ? t.op("exp", {t.op("sub", {m, m2})}) : t.c(1);
    t.g.add_update(m, m2);
    t.g.add_update(l, t.op("add", {t.op("mul", {l, keep}), t.sum(e, 1)}));
    t.g.add_update(acc, t.op("add", {t.op("mul", {acc, keep}), t.op("matmul", {e, v})}));
    const Value y = t.op("div", {t.op("after", {acc}), t.op("after", {l})});
    t.g.add_output("y", t.op("store", {y}, {{"grid", Dims{}}, {"shape", Dims{2, 3}}}));
    Builder b;
    std::vector<Value> given;
    for (std::size_t i = 0; i < 3; ++i) given.push_back(b.in("x" + std::to_string(i), shapes[i]));
    const std::int64_t loops = (6 + tile - 1) / tile;
    return b.out(b.g.add("block", given, {{"grid", Dims{}}, {"loop", Dims{loops}}}, "z", {t.g}));
  };
  CHECK(outcome(attention(0.5), online(true, 2, 2)) == Outcome::kEquivalent);
  CHECK(outcome(attention(0.5), online(true, 2, 4)) == Outcome::kEquivalent);  // a ragged tile
  CHECK(outcome(attention(0.5), online(false, 2, 2)) == Outcome::kDifferent);
  CHECK(outcome(attention(1), online(true, 2, 2)) == Outcome::kDifferent);
}

TEST_CASE("branches: what the free variables prove and what real points refute") {
  const auto relu = make({{5}}, [](Builder& b, auto& x) { return b.op("relu", {x[0]}); });
  const auto as_max = make({{5}}, [](Builder& b, auto& x) { return b.op("max", {b.c(0), x[0]}); });
  CHECK(outcome(relu, as_max) == Outcome::kEquivalent);
  const auto clamp = [](double low) {
    return make({{5}}, [&](Builder& b, auto& x) {
      return b.op("clamp", {x[0]}, {{"low", low}, {"high", 1.0}});
    });
  };
  const auto steps = make({{5}}, [](Builder& b, auto& x) {
    return b.op("min", {b.op("max", {x[0], b.c(-1)}), b.c(1)});
  });
  CHECK(outcome(clamp(-1), steps) == Outcome::kEquivalent);
  CHECK(outcome(clamp(-0.5), steps) == Outcome::kDifferent);
  // True, but not for every value of the free variables: by cells.
  const auto twice = [](bool inside) {
    return make({{5}}, [&](Builder& b, auto& x) {
      const Value y = b.op("relu", {inside ? b.op("mul", {x[0], b.c(2)}) : x[0]});
      return inside ? y : b.op("mul", {y, b.c(2)});
    });
  };
  const Verdict by_cells = verify(twice(true), twice(false));
  CHECK(by_cells.outcome == Outcome::kEquivalent);
  CHECK(by_cells.all_cells);
  CHECK(outcome(twice(true), relu) == Outcome::kDifferent);
  // Roundings stay free variables on every cell.
  const auto rounded = [](const char* op, double shift) {
    return make({{2}}, [&](Builder& b, auto& x) {
      return b.op("add", {b.op(op, {b.op("add", {x[0], b.c(shift)})}), b.c(-shift)});
    });
  };
  const Verdict open = verify(rounded("floor", 1), rounded("floor", 0));
  CHECK(open.outcome == Outcome::kInconclusive);
  CHECK(open.reason.find("floor") != std::string::npos);
}

TEST_CASE("a division that vanishes on one side of a branch is not accepted") {
  const std::vector<Dims> shapes = {{6}, {6}, {6}};
  const auto plain = make(shapes, [](Builder& b, auto& x) { return b.op("add", {x[0], b.c(0)}); });
  const auto vanishing = make(shapes, [](Builder& b, auto& x) {
    const Value d = b.op("sub", {b.op("max", {x[1], x[2]}), x[1]});
    return b.op("div", {b.op("mul", {x[0], d}), d});
  });
  CHECK(outcome(plain, vanishing) == Outcome::kInconclusive);
}

TEST_CASE("casts: floats keep their value, integers do not") {
  const auto cast = [](std::vector<DType> through) {
    return make({{9}}, [&](Builder& b, auto& x) {
      Value y = x[0];
      for (const DType dtype : through) y = b.op("cast", {y}, {{"dtype", dtype}});
      return b.op("cast", {y}, {{"dtype", DType::kF32}});
    });
  };
  CHECK(outcome(cast({DType::kBF16}), cast({})) == Outcome::kEquivalent);
  CHECK(outcome(cast({DType::kI32}), cast({})) == Outcome::kDifferent);
  CHECK(outcome(cast({DType::kI32}), cast({DType::kI32})) == Outcome::kEquivalent);
  CHECK(outcome(cast({DType::kI8}), cast({DType::kI64})) != Outcome::kEquivalent);
  CHECK(outcome(cast({DType::kBool}), cast({})) == Outcome::kDifferent);
  // Integer division is not a division of reals, also where the integers are not known.
  const auto halves = [](bool divide) {
    return make({{9}}, [&](Builder& b, auto& x) {
      Value y = b.op("cast", {x[0]}, {{"dtype", DType::kI32}});
      const Value two = b.g.constant(2, DType::kI32);
      if (divide) y = b.op("mul", {b.op("div", {y, two}), two});
      return b.op("cast", {y}, {{"dtype", DType::kF32}});
    });
  };
  CHECK(outcome(halves(true), halves(false)) == Outcome::kDifferent);
  // Nor is the sum of two booleans their sum as numbers.
  const auto both = [](bool before) {
    return make({{9}}, [&](Builder& b, auto& x) {
      const Value c = b.op("less", {x[0], b.c(0)});
      const auto real = [&](Value v) { return b.op("cast", {v}, {{"dtype", DType::kF32}}); };
      return before ? real(b.op("add", {c, c})) : b.op("add", {real(c), real(c)});
    });
  };
  CHECK(outcome(both(true), both(false)) == Outcome::kDifferent);
}

TEST_CASE("indices are concrete, and stay inside the axis they index") {
  const auto embed = [](std::int64_t offset) {
    Builder b;
    const Value table = b.in("table", {5, 3});
    const Value ids = b.in("ids", {7}, DType::kI64);
    Value at = ids;
    if (offset != 0) {
      at = b.op("mod", {b.op("add", {ids, b.g.constant(static_cast<double>(offset), DType::kI64)}),
                        b.g.constant(5, DType::kI64)});
    }
    return b.out(b.op("gather", {table, at}, {{"axis", 0}}));
  };
  CHECK(outcome(embed(0), embed(5)) == Outcome::kEquivalent);
  CHECK(outcome(embed(0), embed(1)) == Outcome::kDifferent);
}

TEST_CASE("orderings of reals are decided cell by cell") {
  const auto sorted = [](std::int64_t n, bool descending) {
    return make({{n}}, [&](Builder& b, auto& x) {
      return b.op("sort", {x[0]}, {{"descending", descending}});
    });
  };
  const Verdict same = verify(sorted(4, false), sorted(4, false));
  CHECK(same.outcome == Outcome::kEquivalent);
  CHECK(same.all_cells);
  CHECK(same.cells >= 24);
  CHECK(outcome(sorted(3, false), sorted(3, true)) == Outcome::kDifferent);
  const auto total = [](bool ordered) {
    return make({{1, 3}}, [&](Builder& b, auto& x) {
      return b.sum(ordered ? b.op("sort", {x[0]}) : x[0], 1);
    });
  };
  CHECK(outcome(total(true), total(false)) == Outcome::kEquivalent);
  const auto greatest = [](bool top) {
    return make({{1, 3}}, [&](Builder& b, auto& x) {
      return top ? b.op("top_k", {x[0]}, {{"k", Dims{1}}, {"axis", 1}}) : b.max_of(x[0], 1);
    });
  };
  CHECK(outcome(greatest(true), greatest(false)) == Outcome::kEquivalent);
  const Verdict many = verify(sorted(9, false), sorted(9, false));
  CHECK(many.outcome == Outcome::kInconclusive);
  CHECK(many.cells == 8);
}

TEST_CASE("orderings of undefined values are unsupported by name") {
  const auto sorted = make({{3}}, [](Builder& b, auto& x) {
    return b.op("sort", {b.op("div", {x[0], b.op("sub", {x[0], x[0]})})});
  });
  const Verdict verdict = verify(sorted, sorted);
  CHECK(verdict.outcome == Outcome::kUnsupported);
  CHECK(verdict.unsupported == std::vector<std::string>{"sort"});
  CHECK(verdict.reason.find("sort") != std::string::npos);
}
