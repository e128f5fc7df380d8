// Products of matrices of residues against sums of 128 bits, for every kernel of this CPU.
#include "num/lane_products.h"

#include <doctest/doctest.h>

#include <random>
#include <string_view>

using namespace lamina;

namespace {

using Moduli = std::array<Modulus, kLanes>;

struct Sizes {
  std::int64_t rows, columns, depth;
};

// Residues near both ends and near the middle of their range more often than by chance.
LaneMatrix draw(std::int64_t lines, std::int64_t depth, const Moduli& moduli,
                std::mt19937_64& random) {
  LaneMatrix matrix{lines, depth, {}};
  for (std::int64_t k = 0; k < lines * depth; ++k) {
    Lanes x;
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint64_t m = moduli[i].value();
      const std::uint64_t choices[] = {random() % m, m - 1, m / 2, m / 2 + 1, 0, 1 % m};
      x[i] = choices[random() % 3 == 0 ? random() % 6 : 0] % m;
    }
    matrix.elements.push_back(x);
  }
  return matrix;
}

std::vector<Lanes> plain(const LaneMatrix& a, const LaneMatrix& b, const Moduli& moduli) {
  std::vector<Lanes> totals;
  for (std::int64_t i = 0; i < a.lines; ++i) {
    for (std::int64_t j = 0; j < b.lines; ++j) {
      Lanes total{};
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        unsigned __int128 sum = 0;
        for (std::int64_t k = 0; k < a.depth; ++k) {
          const Lanes& x = a.elements[static_cast<std::size_t>(i * a.depth + k)];
          const Lanes& y = b.elements[static_cast<std::size_t>(j * b.depth + k)];
          sum = (sum + static_cast<unsigned __int128>(x[lane]) * y[lane]) % moduli[lane].value();
        }
        total[lane] = static_cast<std::uint64_t>(sum);
      }
      totals.push_back(total);
    }
  }
  return totals;
}

Moduli moduli_of(const Lanes& values) {
  Moduli moduli;
  for (std::size_t i = 0; i < kLanes; ++i) moduli[i] = Modulus(values[i]);
  return moduli;
}

const Moduli kModuli[] = {
    moduli_of({(1ull << 50) - 27, (1ull << 50) - 35, (1ull << 49) + 9, (1ull << 49) + 69}),
    moduli_of({(1ull << 31) - 1, (1ull << 31) - 19, (1ull << 30) + 3, (1ull << 30) + 7}),
    moduli_of({10091, 11, (1ull << 50) - 27, 1009}),
};

}  // namespace

TEST_CASE("every kernel gives the exact products") {
  std::mt19937_64 random(11);
  const Sizes sizes[] = {{1, 1, 1},  {2, 3, 8},   {6, 2, 16},    {7, 5, 17},
                         {5, 7, 40}, {3, 4, 600}, {13, 11, 511}, {4, 3, 1100}};
  for (const Moduli& moduli : kModuli) {
    for (const auto& [rows, columns, depth] : sizes) {
      const LaneMatrix a = draw(rows, depth, moduli, random);
      const LaneMatrix b = draw(columns, depth, moduli, random);
      const std::vector<Lanes> expected = plain(a, b, moduli);
      CHECK(lane_products(a, b, moduli) == expected);
      for (const std::string_view kernel : {"portable", "fma", "ifma"}) {
        const std::vector<Lanes> got = lane_products_by(kernel, a, b, moduli);
        if (!got.empty())
          CHECK_MESSAGE(got == expected, kernel, " ", rows, " ", columns, " ", depth);
      }
      CHECK(lane_products_by("portable", a, b, moduli) == expected);
    }
  }
}

TEST_CASE("the largest residues do not leave the range of a kernel") {
  for (const Moduli& moduli : kModuli) {
    for (const std::uint64_t part : {std::uint64_t{1}, std::uint64_t{2}}) {
      LaneMatrix a{2, 2048, std::vector<Lanes>(4096)};
      for (Lanes& x : a.elements) {
        for (std::size_t i = 0; i < kLanes; ++i) x[i] = (moduli[i].value() - 1) / part;
      }
      const std::vector<Lanes> expected = plain(a, a, moduli);
      for (const std::string_view kernel : {"portable", "fma", "ifma"}) {
        const std::vector<Lanes> got = lane_products_by(kernel, a, a, moduli);
        if (!got.empty()) CHECK_MESSAGE(got == expected, kernel);
      }
    }
  }
}

TEST_CASE("empty products") {
  const LaneMatrix none{2, 0, {}};
  CHECK(lane_products(none, none, kModuli[0]) == std::vector<Lanes>(4));
  CHECK(lane_products({0, 3, {}}, {0, 3, {}}, kModuli[0]).empty());
}

TEST_CASE("reduced values") {
  for (const std::uint64_t m : {11ull, 16411ull, (1ull << 31) - 1, (1ull << 50) - 27}) {
    const Modulus modulus(m);
    std::mt19937_64 random(m);
    for (int i = 0; i < 10000; ++i) {
      const auto x = static_cast<std::int64_t>(random()) >> (random() % 60);
      CHECK(modulus.reduce(x) == modulus.of(x));
    }
  }
}
