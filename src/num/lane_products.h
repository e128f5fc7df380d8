// Products of matrices of residues, for four moduli side by side: exact sums, reduced once.
//
// An element is four residues, one for each lane, and the kernels keep the lanes of a vector
// register apart; so a product of matrices is one pass for all moduli. There is one kernel for each
// kind of CPU (lane_kernel.h); which one runs is decided when it is first needed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "num/formal.h"
#include "num/modulus.h"

namespace lamina {

using Lanes = std::array<std::uint64_t, kLanes>;

// `lines` rows of `depth` elements.
struct LaneMatrix {
  std::int64_t lines = 0;
  std::int64_t depth = 0;
  std::vector<Lanes> elements;
};

// The sum over k of a(i, k) b(j, k), at i * b.lines + j. Residues are below their moduli, these
// below 2^50.
std::vector<Lanes> lane_products(const LaneMatrix& a, const LaneMatrix& b,
                                 const std::array<Modulus, kLanes>& moduli);

// The same by the kernel of that name, for comparisons: "portable", "fma", "ifma". Empty if this
// CPU cannot run it.
std::vector<Lanes> lane_products_by(std::string_view kernel, const LaneMatrix& a,
                                    const LaneMatrix& b, const std::array<Modulus, kLanes>& moduli);

}  // namespace lamina
