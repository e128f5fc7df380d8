// Residues by division of 128-bit integers, and primes one by one.
#include "verify/plain_numbers.h"

#include <utility>

namespace lamina::plain {
namespace {

__extension__ using Wide = unsigned __int128;
__extension__ using SignedWide = __int128;

// Whether n = 1 + d 2^s passes the strong test: a^d = 1, or a^(d 2^r) = -1 for some r < s.
bool passes(std::uint64_t a, std::uint64_t n) {
  std::uint64_t exponent = n - 1;
  while (exponent % 2 == 0) exponent /= 2;
  std::uint64_t x = power(a, exponent, n);
  if (x == 1) return true;
  for (; exponent < n - 1; exponent *= 2) {
    if (x == n - 1) return true;
    x = multiply(x, x, n);
  }
  return false;
}

}  // namespace

std::uint64_t add(std::uint64_t a, std::uint64_t b, std::uint64_t m) {
  return static_cast<std::uint64_t>((Wide{a} + b) % m);
}

std::uint64_t negate(std::uint64_t a, std::uint64_t m) { return (m - a % m) % m; }

std::uint64_t multiply(std::uint64_t a, std::uint64_t b, std::uint64_t m) {
  return static_cast<std::uint64_t>(Wide{a} * b % m);
}

std::uint64_t power(std::uint64_t base, std::uint64_t exponent, std::uint64_t m) {
  if (exponent == 0) return 1 % m;
  const std::uint64_t half = power(base, exponent / 2, m);
  const std::uint64_t square = multiply(half, half, m);
  return exponent % 2 == 0 ? square : multiply(square, base, m);
}

std::uint64_t inverse(std::uint64_t a, std::uint64_t m) {
  // x a = r and y a = s modulo m, all the time.
  SignedWide r = a % m, s = m, x = 1, y = 0;
  while (r != 0) {
    const SignedWide quotient = s / r;
    s = std::exchange(r, s - quotient * r);
    y = std::exchange(x, y - quotient * x);
  }
  return static_cast<std::uint64_t>(y < 0 ? y + m : y);
}

std::uint64_t residue(std::int64_t value, std::uint64_t m) {
  const SignedWide r = SignedWide{value} % static_cast<SignedWide>(m);
  return static_cast<std::uint64_t>(r < 0 ? r + m : r);
}

// The least number that passes for the first nine primes as bases is 3825123056546413051 (Jiang
// and Deng, 2014; OEIS A014233).
bool is_prime(std::uint64_t n) {
  constexpr std::uint64_t kBases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23};
  if (n < 2) return false;
  for (const std::uint64_t a : kBases) {
    if (n % a == 0) return n == a;
  }
  for (const std::uint64_t a : kBases) {
    if (!passes(a, n)) return false;
  }
  return true;
}

std::int64_t count_primes(std::uint64_t first, std::uint64_t end, std::uint64_t step) {
  std::int64_t count = 0;
  for (std::uint64_t k = 0; 1 + k * step < end; ++k) {
    const std::uint64_t n = 1 + k * step;
    if (n >= first && is_prime(n)) ++count;
  }
  return count;
}

}  // namespace lamina::plain
