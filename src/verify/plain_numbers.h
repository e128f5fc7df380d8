// Modular arithmetic of the replay: by division, shared with no other evaluation
// (docs/design/verify.md, "Replay").
#pragma once

#include <cstdint>

namespace lamina::plain {

std::uint64_t add(std::uint64_t a, std::uint64_t b, std::uint64_t m);
std::uint64_t negate(std::uint64_t a, std::uint64_t m);
std::uint64_t multiply(std::uint64_t a, std::uint64_t b, std::uint64_t m);
std::uint64_t power(std::uint64_t base, std::uint64_t exponent, std::uint64_t m);
// Of an `a` that is prime to m < 2^63, by Euclid's algorithm.
std::uint64_t inverse(std::uint64_t a, std::uint64_t m);
std::uint64_t residue(std::int64_t value, std::uint64_t m);

bool is_prime(std::uint64_t n);  // right below 2^61

// The number of primes n of [first, end) with n = 1 modulo `step`.
std::int64_t count_primes(std::uint64_t first, std::uint64_t end, std::uint64_t step);

}  // namespace lamina::plain
