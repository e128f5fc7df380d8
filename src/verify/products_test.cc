// Products of matrices give what inner products give, in intervals and in fields.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "verify/bound_trial.h"
#include "verify/domains.h"

using namespace lamina;

namespace {

std::vector<std::int64_t> steps(std::int64_t count) {
  std::vector<std::int64_t> result;
  for (std::int64_t k = 0; k < count; ++k) result.push_back(k);
  return result;
}

Interval near(double x, double width) { return {x - width, x + width}; }

}  // namespace

TEST_CASE("products of intervals hold the sums of all points") {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  constexpr std::int64_t kRows = 3, kColumns = 11, kDepth = 37;
  for (const double width : {0.0, 1e-9, 0.5}) {
    std::vector<Interval> a, b, totals(kRows * kColumns);
    for (int i = 0; i < kRows * kDepth; ++i) a.push_back(near(normal(random), width));
    for (int i = 0; i < kColumns * kDepth; ++i) b.push_back(near(normal(random), i % 2 * width));
    const std::vector<std::int64_t> at = steps(kDepth);
    REQUIRE(IntervalDomain{}.products({a.data(), kRows, kDepth, at},
                                      {b.data(), kColumns, kDepth, at}, totals));
    for (std::int64_t i = 0; i < kRows; ++i) {
      for (std::int64_t j = 0; j < kColumns; ++j) {
        long double low = 0, high = 0;
        for (std::int64_t k = 0; k < kDepth; ++k) {
          const Interval& x = a[static_cast<std::size_t>(i * kDepth + k)];
          const Interval& y = b[static_cast<std::size_t>(j * kDepth + k)];
          const long double corners[] = {
              static_cast<long double>(x.low) * y.low, static_cast<long double>(x.low) * y.high,
              static_cast<long double>(x.high) * y.low, static_cast<long double>(x.high) * y.high};
          low += *std::min_element(corners, corners + 4);
          high += *std::max_element(corners, corners + 4);
        }
        const Interval& total = totals[static_cast<std::size_t>(i * kColumns + j)];
        CHECK(total.low <= static_cast<double>(low));
        CHECK(total.high >= static_cast<double>(high));
        CHECK(total.high - total.low <= 4.0 * static_cast<double>(high - low) + 1e-12);
      }
    }
  }
}

TEST_CASE("products of residues are the inner products, with their tags") {
  SecretRandom random = verify_test::seeded(5);
  const ResidueField field(verify_test::large_pairs(), verify_test::next_word, &random);
  constexpr std::int64_t kRows = 4, kColumns = 5, kDepth = 9;
  std::vector<Formal> a, b;
  for (int i = 0; i < kRows * kDepth; ++i) a.push_back(field.random());
  for (int i = 0; i < kColumns * kDepth; ++i) b.push_back(field.random());
  a[2] = field.infinity(true);           // row 0
  a[kDepth + 1] = exp(a[kDepth + 1]);    // row 1 has no exponent
  b[3 * kDepth + 4] = field.poison();    // column 3
  b[4 * kDepth + 8] = field.integer(1);  // a tag that sums do not have
  const std::vector<std::int64_t> at = steps(kDepth);
  std::vector<Formal> totals(kRows * kColumns);
  REQUIRE(field.products({a.data(), kRows, kDepth, at}, {b.data(), kColumns, kDepth, at}, totals));
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (std::int64_t j = 0; j < kColumns; ++j) {
      Formal sum = field.integer(0);
      field.dots({&a[static_cast<std::size_t>(i * kDepth)], 1, 0},
                 {&b[static_cast<std::size_t>(j * kDepth)], 1, 0}, kDepth, {&sum, 1});
      const Formal& total = totals[static_cast<std::size_t>(i * kColumns + j)];
      CHECK(total.state == sum.state);
      CHECK(total.slot == sum.slot);
      CHECK(total.p == sum.p);
      if (sum.has_q()) CHECK(total.q == sum.q);
      CHECK(total.constant == sum.constant);
    }
  }
}
