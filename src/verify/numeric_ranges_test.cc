// What the range analysis reports, and what it must not.
#include "verify/numeric_ranges.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/rng.h"
#include "graph/random_graph.h"
#include "verify/numeric_inputs.h"
#include "verify/numeric_run.h"
#include "verify/numeric_types.h"
#include "verify/verify_test_graphs.h"

using namespace lamina;
using namespace lamina::verify_test;

namespace {

// One range for all inputs.
std::vector<Hazard> hazards(const Graph& graph, double low, double high) {
  return range_hazards(graph, std::vector<Range>(graph.inputs.size(), Range::of({low, high})));
}

std::string text(const std::vector<Hazard>& hazards) {
  std::string all;
  for (const Hazard& hazard : hazards) {
    all += std::string(to_string(hazard.kind)) + ": " + hazard.place + ": " + hazard.detail + "\n";
  }
  return all;
}

// The kinds of hazard of a function of x0 (and x1).
template <class Body>
std::vector<Hazard::Kind> kinds(double low, double high, Body body) {
  std::vector<Hazard::Kind> result;
  for (const Hazard& hazard : hazards(make({{4, 8}, {4, 8}}, body), low, high)) {
    result.push_back(hazard.kind);
  }
  return result;
}

using Kinds = std::vector<Hazard::Kind>;

}  // namespace

TEST_CASE("a value minus a maximum over it is never positive") {
  const auto unshifted = [](Builder& b, auto& x) { return b.op("exp", {x[0]}); };
  CHECK(kinds(-500, 500, unshifted) == Kinds{Hazard::Kind::kOverflow});
  CHECK(kinds(-500, 88, unshifted).empty());
  const auto shifted = [](Builder& b, auto& x) {
    return b.op("exp", {b.op("sub", {x[0], b.max_of(x[0], 1)})});
  };
  CHECK(kinds(-500, 500, shifted).empty());
  // By a maximum without its axis, put back by a reshape.
  const auto reshaped = [](Builder& b, auto& x) {
    const Value m = b.op("reduce_max", {x[0]}, {{"axes", Dims{1}}});
    const Value column = b.op("reshape", {m}, {{"shape", Dims{4, 1}}});
    return b.op("exp", {b.op("sub", {x[0], column})});
  };
  CHECK(kinds(-500, 500, reshaped).empty());
  // By the larger of a maximum and something else, both scaled.
  const auto scaled = [](Builder& b, auto& x) {
    const Value m = b.op("max", {b.max_of(x[0], 1), b.max_of(x[1], 1)});
    const Value difference = b.op("sub", {b.op("mul", {x[0], b.c(2)}), b.op("mul", {m, b.c(2)})});
    return b.op("exp", {difference});
  };
  CHECK(kinds(-500, 500, scaled).empty());
}

TEST_CASE("a maximum over something else shifts nothing") {
  const auto other = [](Builder& b, auto& x) {
    return b.op("exp", {b.op("sub", {x[0], b.max_of(x[1], 1)})});
  };
  CHECK(kinds(-500, 500, other) == Kinds{Hazard::Kind::kOverflow});
  const auto negative = [](Builder& b, auto& x) {
    const Value m = b.max_of(x[0], 1);
    return b.op("exp", {b.op("sub", {b.op("mul", {x[0], b.c(-1)}), b.op("mul", {m, b.c(-1)})})});
  };
  CHECK(kinds(-500, 500, negative) == Kinds{Hazard::Kind::kOverflow});
  const auto least = [](Builder& b, auto& x) {
    const Value m = b.op("reduce_min", {x[0]}, {{"axes", Dims{1}}, {"keepdims", true}});
    return b.op("exp", {b.op("sub", {x[0], m})});
  };
  CHECK(kinds(-500, 500, least) == Kinds{Hazard::Kind::kOverflow});
  // Row maxima along the wrong axis of a square.
  const Graph square = make({{4, 4}}, [](Builder& b, auto& x) {
    const Value m = b.op("reduce_max", {x[0]}, {{"axes", Dims{1}}});
    return b.op("exp", {b.op("sub", {x[0], m})});
  });
  CHECK(hazards(square, -500, 500).size() == 1);
  const Graph columns = make({{4, 4}}, [](Builder& b, auto& x) {
    const Value m = b.op("reduce_max", {x[0]}, {{"axes", Dims{0}}});
    return b.op("exp", {b.op("sub", {x[0], m})});
  });
  CHECK(hazards(columns, -500, 500).empty());
}

TEST_CASE("divisors, logarithms and roots") {
  const auto quotient = [](Builder& b, auto& x) { return b.op("div", {x[0], x[1]}); };
  CHECK(kinds(-1, 1, quotient) == Kinds{Hazard::Kind::kSingular});
  CHECK(kinds(0.5, 1, quotient).empty());
  const auto root = [](Builder& b, auto& x) { return b.op("rsqrt", {x[0]}); };
  CHECK(kinds(-1, 1, root) == Kinds{Hazard::Kind::kDomain});
  CHECK(kinds(0, 1, root) == Kinds{Hazard::Kind::kSingular});
  const auto of_square = [](Builder& b, auto& x) {
    return b.op("rsqrt", {b.op("add", {b.op("mul", {x[0], x[0]}), b.c(1e-6)})});
  };
  CHECK(kinds(-1, 1, of_square).empty());
  const auto of_power = [](Builder& b, auto& x) {
    return b.op("sqrt", {b.op("pow", {x[0], b.c(2)})});
  };
  CHECK(kinds(-1, 1, of_power).empty());
  const auto of_product = [](Builder& b, auto& x) {
    return b.op("sqrt", {b.op("mul", {x[0], x[1]})});
  };
  CHECK(kinds(-1, 1, of_product) == Kinds{Hazard::Kind::kDomain});
  // A sum of exponentials is never 0 (that it may underflow is for the measurement to show).
  const auto share = [](Builder& b, auto& x) {
    const Value e = b.op("exp", {x[0]});
    return b.op("log", {b.op("div", {e, b.sum(e, 1)})});
  };
  CHECK(kinds(-50, 50, share).empty());
}

TEST_CASE("composites are safe, masks are no overflow") {
  const auto composite = [](const char* name) {
    return [name](Builder& b, auto& x) { return b.op(name, {x[0]}); };
  };
  for (const char* name : {"softmax", "log_softmax", "logsumexp", "layer_norm", "softplus",
                           "sigmoid", "silu", "gelu", "rms_norm"}) {
    INFO(name);
    CHECK(kinds(-1000, 1000, composite(name)).empty());
  }
  const Graph causal = make({{1, 2, 6, 8}, {1, 1, 6, 8}, {1, 1, 6, 8}}, [](Builder& b, auto& x) {
    return b.op("attention", {x[0], x[1], x[2]}, {{"causal", true}});
  });
  INFO(text(hazards(causal, -1000, 1000)));
  CHECK(hazards(causal, -1000, 1000).empty());
}

TEST_CASE("sums and products at their real sizes") {
  const auto product = [](std::int64_t depth) {
    Builder b;
    const Value x = b.in("x", {2, depth}, DType::kF16);
    const Value y = b.in("y", {depth, 3}, DType::kF16);
    return b.out(b.op("matmul", {x, y}));
  };
  CHECK(hazards(product(6), -100, 100).empty());
  const auto found = hazards(product(4096), -100, 100);
  REQUIRE(found.size() == 1);
  CHECK(found[0].detail.starts_with("up to 4.096e+07, the largest f16 is 65504"));
  CHECK(found[0].place.starts_with("matmul"));
}

TEST_CASE("block graphs: sums grow with the iterations") {
  const auto sums = [](std::int64_t tiles) {
    Builder t;
    t.g.level = Level::kBlock;
    const Value x = t.in("x", {2, 4 * tiles});
    const Value tile = t.op("load", {x}, {{"grid", Dims{-1}}, {"loop", 1}, {"tile", Dims{2, 4}}});
    const Value acc = t.g.add_state("acc", {DType::kF32, {2, 1}, {}});
    t.g.add_update(acc, t.op("add", {acc, t.sum(tile, 1)}));
    const Value y = t.op("exp", {t.op("after", {acc})});
    t.g.add_output("y", t.op("store", {y}, {{"grid", Dims{-1}}, {"shape", Dims{2, 1}}}));
    Builder b;
    const Value in = b.in("x", {2, 4 * tiles});
    return b.out(b.g.add("block", {in}, {{"grid", Dims{1}}, {"loop", Dims{tiles}}}, "z", {t.g}));
  };
  CHECK(hazards(sums(10), -2, 2).empty());          // up to 80
  CHECK(hazards(sums(12), -2, 2).size() == 1);      // up to 96
  CHECK(hazards(sums(100000), -2, 2).size() <= 1);  // not followed to the end, and no hang
}

TEST_CASE("what overflows at an input inside the ranges is reported") {
  Rng rng(3);
  int overflows = 0;
  for (int k = 0; k < 60; ++k) {
    const Graph drawn = random_graph(rng, {.steps = 3, .max_rows = 5, .max_width = 40});
    const Graph graph = retype(drawn, DType::kF32, DType::kF16);
    const std::vector<NumericInput> inputs = numeric_inputs(graph, graph, {});
    std::vector<Range> ranges;
    for (const NumericInput& input : inputs) {
      ranges.push_back(Range::of({input.range.low, input.range.high}));
    }
    bool finite = true;
    for (const Distribution d : {Distribution::kCorner, Distribution::kLarge}) {
      const NumericResults results = run_rounded(graph, draw_sample(inputs, d, 0, 1));
      for (const std::vector<double>& values : results) {
        finite = finite && std::all_of(values.begin(), values.end(),
                                       [](double x) { return std::isfinite(x); });
      }
    }
    overflows += finite ? 0 : 1;
    INFO(print_graph(graph));
    CHECK((finite || !range_hazards(graph, ranges).empty()));
  }
  CHECK(overflows > 2);
}
