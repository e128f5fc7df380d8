// Integer powers.
#include "num/algebra.h"

namespace lamina::num {

Whole pow(Whole base, Whole exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  Whole result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = mul(result, base);
    base = mul(base, base);
  }
  return result;
}

}  // namespace lamina::num
