// Interval evaluation of every element-wise operator contains its evaluation in double.
#include <doctest/doctest.h>

#include <cmath>
#include <iostream>

#include "cases.h"

using namespace lamina;
using namespace lamina::conformance;

namespace {

constexpr int kIntervals = 50;  // per case
constexpr int kPoints = 10;     // per interval

struct Box {
  std::vector<Interval> sides;

  Box(const Sample& sample, std::mt19937_64& random) {
    std::uniform_real_distribution<double> uniform(sample.low, sample.high);
    for (const Type& type : sample.inputs) {
      if (type.dtype == DType::kBool) {
        const double truth = uniform(random) > 0.0 ? 1.0 : 0.0;
        sides.push_back({truth, truth});
        continue;
      }
      const double a = uniform(random);
      const double b = uniform(random);
      sides.push_back({std::fmin(a, b), std::fmax(a, b)});
    }
  }

  std::vector<double> point(std::mt19937_64& random) const {
    std::vector<double> x;
    for (const Interval& side : sides) {
      std::uniform_real_distribution<double> uniform(side.low, side.high);
      x.push_back(side.low == side.high ? side.low : uniform(random));
    }
    return x;
  }
};

}  // namespace

TEST_CASE("intervals contain what doubles give") {
  std::mt19937_64 random(4);
  std::size_t count = 0;
  for (const Case& each : all_cases()) {
    const ScalarMeaning& meaning = each.op->scalar;
    if (meaning.interval == nullptr || !has_float(each.sample.inputs)) continue;
    CAPTURE(each.name);
    const Graph graph = graph_of(each);  // fills in the defaults of the attributes
    const Attrs& attrs = graph.node(graph.outputs[0].value).attrs;
    for (int i = 0; i < kIntervals; ++i) {
      const Box box(each.sample, random);
      const Interval range = meaning.interval(box.sides, attrs);
      for (int k = 0; k < kPoints; ++k) {
        const std::vector<double> x = box.point(random);
        const double y = meaning.real(x, attrs);
        CAPTURE(x);
        if (!std::isnan(y)) REQUIRE_MESSAGE(range.contains(y), y, " is outside");
      }
    }
    ++count;
  }
  std::cout << "intervals: " << count << " cases\n";
}
