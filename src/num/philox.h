// Philox4x32-10: a counter-based random number generator (Salmon et al., "Parallel random numbers:
// as easy as 1, 2, 3", SC 2011, section 3.3). The words are functions of counter and key alone.
#pragma once

#include <array>

#include "num/algebra.h"

namespace lamina::num {

// Four random 32-bit words, held as non-negative integers below 2^32 like counter and key. T is a
// 64-bit integer type of num/algebra.h, or Code.
template <class T>
std::array<T, 4> philox(std::array<T, 4> counter, std::array<T, 2> key) {
  const T low_word = like(key[0], 0xffffffff);
  const T width = like(key[0], 32);
  const auto low = [&](const T& x) { return bit_and(x, low_word); };
  const auto high = [&](const T& x) { return low(shift_right(x, width)); };
  for (int round = 0; round < 10; ++round) {
    const T left = mul(like(key[0], 0xD2511F53), counter[0]);
    const T right = mul(like(key[0], 0xCD9E8D57), counter[2]);
    counter = {bit_xor(bit_xor(high(right), counter[1]), key[0]), low(right),
               bit_xor(bit_xor(high(left), counter[3]), key[1]), low(left)};
    key = {low(add(key[0], like(key[0], 0x9E3779B9))), low(add(key[1], like(key[1], 0xBB67AE85)))};
  }
  return counter;
}

}  // namespace lamina::num
