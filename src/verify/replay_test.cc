// Replays: what checks reported is found again, and what was tampered with is named.
#include "lamina/replay.h"

#include <doctest/doctest.h>

#include <functional>

#include "base/json.h"
#include "num/residue_field.h"
#include "verify/plain_field.h"
#include "verify/plain_numbers.h"
#include "verify/primes.h"
#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

Graph plain_softmax(const Dims& shape) {
  return make({shape}, [](Builder& b, auto& x) {
    const Value e = b.op("exp", {x[0]});
    return b.op("div", {e, b.sum(e, 1)});
  });
}

Graph safe_softmax(const Dims& shape) {
  return make({shape}, [](Builder& b, auto& x) {
    const Value e = b.op("exp", {b.op("sub", {x[0], b.max_of(x[0], 1)})});
    return b.op("div", {e, b.sum(e, 1)});
  });
}

Graph scalar(std::string_view name, const std::vector<Dims>& shapes) {
  return make(shapes, [&](Builder& b, auto& x) { return b.op(name, x); });
}

// A report without bounds, so that primes need not be counted, and what its replay says.
Replay replay_of(const Graph& a, const Graph& b, Outcome expected) {
  const Verdict verdict = verify(a, b, {.bits = 0.0});
  INFO(verdict.to_text());
  CHECK(verdict.outcome == expected);
  const Replay result = replay(a, b, verdict.to_json());
  CHECK(result.passes == verdict.passes);
  return result;
}

void check_agrees(const Graph& a, const Graph& b, Outcome expected = Outcome::kEquivalent) {
  CHECK(replay_of(a, b, expected).discrepancy == "");
}

}  // namespace

TEST_CASE("plain numbers: Euclid's inverse, powers and primes") {
  const std::uint64_t p = (std::uint64_t{1} << 50) - 27;
  REQUIRE(is_prime(p));
  CHECK(plain::is_prime(p));
  for (const std::uint64_t a : {std::uint64_t{1}, std::uint64_t{2}, p / 3, p - 1}) {
    CHECK(plain::multiply(a, plain::inverse(a, p), p) == 1);
    CHECK(plain::power(a, p - 1, p) == 1);
    CHECK(plain::add(a, plain::negate(a, p), p) == 0);
  }
  CHECK(plain::residue(-1, 7) == 6);
  CHECK(plain::residue(INT64_MIN, 7) == 6);  // -2^63 = -1 modulo 7
  CHECK(plain::count_primes(0, 10000, 1) == 1229);
  CHECK(plain::count_primes(10, 60, 4) == 6);     // 13 17 29 37 41 53
  CHECK_FALSE(plain::is_prime(341550071728321));  // passes for 2 to 19 (OEIS A014233)
}

TEST_CASE("the plain field follows the fast one through maxima of many and equal values") {
  const SecretRandom::Seed seed{1, 2, 3};
  SecretRandom fast_random(seed), plain_random(seed);
  std::array<PrimePair, kLanes> pairs;
  std::array<PlainPair, kLanes> plain_pairs;
  SecretRandom other(SecretRandom::Seed{4});
  for (std::size_t i = 0; i < kLanes; ++i) {
    pairs[i] = draw_pair(prime_profile(false), other);
    plain_pairs[i] = {pairs[i].p, pairs[i].q, pairs[i].omega, 0, 0};
  }
  const ResidueField fast(
      pairs, [](void* state) { return static_cast<SecretRandom*>(state)->word(); }, &fast_random);
  const PlainField plain(plain_pairs, plain_random);
  const auto values = [](const auto& field) {
    std::vector<Formal> x;
    for (int i = 0; i < 12; ++i) x.push_back(field.random());
    const auto most = [&](std::size_t first, std::size_t last) {
      return field.greatest(std::span(x).subspan(first, last - first));
    };
    // Joins of joins: 12 values in another order, repeated ones above and below eight, one value.
    const Formal parts[] = {most(6, 12), most(0, 6)};
    const Formal again[] = {most(0, 4), most(2, 6)};
    const Formal many[] = {most(0, 9), x[3]};
    std::vector<Formal> results = {most(0, 12),          field.greatest(parts),
                                   most(0, 6),           field.greatest(again),
                                   field.greatest(many), field.greatest(std::vector{x[5], x[5]})};
    results.push_back(field.constant(0.1));
    results.push_back(field.divide(x[0], field.integer(0)));
    return results;
  };
  const std::vector<Formal> expected = values(fast);
  const std::vector<Formal> got = values(plain);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i].p == expected[i].p);
    CHECK(got[i].q == expected[i].q);
    CHECK(got[i].state == expected[i].state);
    CHECK(got[i].slot == expected[i].slot);
  }
  CHECK(expected[0].p == expected[1].p);  // max is associative
  CHECK(expected[2].p == expected[3].p);  // and idempotent
}

TEST_CASE("replays agree: softmax forms, norms, angles, logarithms, maxima, casts") {
  check_agrees(plain_softmax({2, 5}), safe_softmax({2, 5}));
  check_agrees(plain_softmax({1, 12}), safe_softmax({1, 12}));
  const Graph norm = make({{2, 3}, {3, 2}}, [](Builder& b, auto& x) {
    return b.op("matmul", {b.op("rms_norm", {x[0]}, {{"epsilon", 1e-5}}), x[1]});
  });
  check_agrees(norm, norm);
  const Graph circle = make({{3}}, [](Builder& b, auto& x) {
    const Value s = b.op("sin", {x[0]});
    const Value c = b.op("cos", {x[0]});
    return b.op("add", {b.op("mul", {s, s}), b.op("mul", {c, c})});
  });
  check_agrees(circle, circle);
  const Graph product = make({{2}, {2}}, [](Builder& b, auto& x) {
    return b.op("exp", {b.op("add", {b.op("log", {x[0]}), x[1]})});
  });
  const Graph power = make({{2}, {2}}, [](Builder& b, auto& x) {
    return b.op("mul", {x[0], b.op("exp", {x[1]})});
  });
  check_agrees(product, power);
  check_agrees(scalar("relu", {{3}}), scalar("relu", {{3}}));
  check_agrees(scalar("gelu", {{3}}), scalar("gelu", {{3}}));
  check_agrees(scalar("tan", {{3}}), scalar("tan", {{3}}));
  check_agrees(scalar("max", {{3}, {3}}), scalar("max", {{3}, {3}}));
  check_agrees(scalar("pow", {{3}, {3}}), scalar("pow", {{3}, {3}}));
}

TEST_CASE("replays agree: concrete integers, named sizes, states, undefined elements") {
  const auto embed = [](double offset) {
    Builder b;
    const Value table = b.in("table", {5, 3});
    const Value ids = b.in("ids", {7}, DType::kI64);
    const Value at = b.op("mod", {b.op("add", {ids, b.g.constant(offset, DType::kI64)}),
                                  b.g.constant(5, DType::kI64)});
    return b.out(b.op("gather", {table, at}, {{"axis", 0}}));
  };
  check_agrees(embed(0), embed(5));
  check_agrees(embed(0), embed(1), Outcome::kDifferent);
  Builder sized;
  sized.g.sizes = {{"T", 1, 64}};
  const Graph total = sized.out(sized.sum(sized.in("x", {Dim::size("T"), 3}), 0));
  check_agrees(total, total);
  Builder accumulate;
  const Value state = accumulate.g.add_state("s", {DType::kF32, {3}, {}});
  accumulate.g.add_update(state, accumulate.op("add", {state, accumulate.in("x", {3})}));
  const Graph next = accumulate.out(state);
  check_agrees(next, next);
  const Graph undefined = make({{3}}, [](Builder& b, auto& x) {
    return b.op("div", {x[0], b.op("sub", {x[0], x[0]})});
  });
  check_agrees(undefined, undefined, Outcome::kInconclusive);
}

TEST_CASE("every tampered field of a report is detected") {
  const Graph a = plain_softmax({1, 2});
  const Graph b = safe_softmax({1, 2});
  const std::string text = verify(a, b).to_json();
  const Json original = Json::parse(text);
  CHECK(replay(a, b, text).discrepancy == "");
  const auto tampered = [&](const std::function<void(Json&)>& change) {
    Json report = original;
    change(report);
    REQUIRE(report.dump() != text);
    return replay(a, b, report.dump()).discrepancy;
  };
  const auto part = [](Json& report, const char* list, std::size_t index) -> Json& {
    return const_cast<Json::Array&>(report.at(list).array())[index];
  };
  const auto added = [&](const char* key, std::int64_t amount) {
    return tampered([&](Json& report) {
      Json& tuple = part(report, "tuples", 1);
      tuple[key] = tuple.at(key).integer() + amount;
    });
  };
  const auto names = [](const std::string& discrepancy, std::string_view what) {
    CAPTURE(discrepancy);
    CHECK(discrepancy.find(what) != std::string::npos);
  };
  names(added("p", 2), "pass 1: tuple 2: p = ");
  names(added("q", 2), "pass 1: tuple 2: ");
  names(added("omega", 1), "is not of order q");
  names(added("root_p", 1), "root_p = 1");
  names(added("candidates", 1), "tuple 2: p is one of ");
  // Another element of order q, which the seed does not give.
  names(tampered([&](Json& report) {
          Json& tuple = part(report, "tuples", 0);
          const auto omega = static_cast<std::uint64_t>(tuple.at("omega").integer());
          const auto p = static_cast<std::uint64_t>(tuple.at("p").integer());
          tuple["omega"] = static_cast<std::int64_t>(plain::multiply(omega, omega, p));
        }),
        "the seed gives");
  names(tampered([&](Json& report) {
          std::string seed = report.at("tuples").array()[0].at("seed").text();
          seed[63] = seed[63] == '0' ? '1' : '0';
          for (std::size_t i = 0; i < 4; ++i) part(report, "tuples", i)["seed"] = seed;
        }),
        "the seed gives");
  for (const char* key : {"digest_a", "digest_b"}) {
    names(tampered([&](Json& report) {
            std::string digest = report.at("passes").array()[0].at(key).text();
            digest[5] = digest[5] == '0' ? '1' : '0';
            part(report, "passes", 0)[key] = digest;
          }),
          key);
  }
  names(tampered([&](Json& report) {
          for (std::size_t i = 0; i < 4; ++i) part(report, "tuples", i)["sizes"]["T"] = 1 << 30;
        }),
        "does not choose these sizes");
  names(replay(a, scalar("exp", {{1, 2}}), text).discrepancy, "digest_b");
  // The plain form gives the values of the safe one, but joins nothing.
  names(replay(a, a, text).discrepancy, "abstracted");
}

TEST_CASE("verdicts and counts have to follow from the values") {
  const Graph a = plain_softmax({1, 2});
  const Graph b = scalar("exp", {{1, 2}});
  Json report = Json::parse(verify(a, b, {.bits = 0.0}).to_json());
  CHECK(replay(a, b, report.dump()).discrepancy == "");
  report["verdict"] = "equivalent";
  CHECK(replay(a, b, report.dump()).discrepancy ==
        "the verdict is 'equivalent', but element 0 of 'y' differs");
  report = Json::parse(verify(a, a, {.bits = 0.0}).to_json());
  report["compared"] = 3;
  CHECK(replay(a, a, report.dump()).discrepancy ==
        "2 elements were compared and 0 were not; the report says 3 and 0");
}

TEST_CASE("what is no report is refused in one line") {
  const Graph g = plain_softmax({1, 2});
  const std::string text = verify(g, g, {.bits = 0.0}).to_json();
  const auto refused = [&](const std::function<void(Json&)>& change, const char* message) {
    Json report = Json::parse(text);
    change(report);
    CHECK_THROWS_WITH_AS(replay(g, g, report.dump()), message, Error);
  };
  CHECK_THROWS_AS(replay(g, g, "{"), Error);
  refused([](Json& r) { r["version"] = 1; }, "report: expected version 2, got 1");
  refused([](Json& r) { r["passes"] = Json::Array{}; }, "report: it has no passes");
  refused([](Json& r) { r["tuples"] = Json::Array{}; }, "report: 1 passes have 4 tuples, not 0");
  refused([](Json& r) { r["passes"] = "many"; }, "JSON: expected an array, got string");
  refused([](Json& r) { r["shrunk"] = true; },
          "report: shapes were shrunk; replay needs the same limit (shrink)");
}

TEST_CASE("a check at smaller shapes is replayed with the same limit") {
  const Graph g = make({{16, 64}}, [](Builder& b, auto& x) { return b.sum(x[0], 1); });
  const Verdict verdict = verify(g, g, {.bits = 0.0, .shrink = 4});
  REQUIRE(verdict.shrunk);
  CHECK(replay(g, g, verdict.to_json(), {.shrink = 4}).discrepancy == "");
  CHECK(replay(g, g, verdict.to_json(), {.shrink = 20}).discrepancy != "");
}
