// Prelude text: scalars of the number types, loads and stores, folds.
#include "exec/cuda/prelude.h"

namespace lamina::cuda {

const std::string_view kPrelude = R"lm(
struct lm_bf16 { unsigned short bits; };
struct lm_f16 { unsigned short bits; };
struct lm_bool { unsigned char bits; };
struct LmSizes { long v[16]; };

LM float lm_inf() { return lm_bits_float(0x7f800000u); }
LM float lm_nan() { return lm_bits_float(0x7fc00000u); }

LM lm_bf16 lm_to_bf16(float x) {
  unsigned u = lm_float_bits(x);
  lm_bf16 h;
  if ((u & 0x7fffffffu) > 0x7f800000u) h.bits = (unsigned short)((u >> 16) | 0x40u);
  else h.bits = (unsigned short)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  return h;
}

// Elements of memory as numbers X, and back.
template <class X, class T> LM X lm_load(const T* p) { return (X)*p; }
template <class X> LM X lm_load(const lm_bf16* p) {
  return (X)lm_bits_float((unsigned)p->bits << 16);
}
template <class X> LM X lm_load(const lm_f16* p) { return (X)lm_f16_float(p->bits); }
template <class X> LM X lm_load(const lm_bool* p) { return (X)(p->bits != 0); }
template <class X> LM void lm_store(float* p, X x) { *p = (float)x; }
template <class X> LM void lm_store(double* p, X x) { *p = (double)x; }
template <class X> LM void lm_store(lm_bf16* p, X x) { *p = lm_to_bf16((float)x); }
template <class X> LM void lm_store(lm_f16* p, X x) { p->bits = lm_float_f16((float)x); }
template <class X> LM void lm_store(lm_bool* p, X x) { p->bits = x != (X)0; }
template <class X> LM void lm_store(long* p, X x) { *p = (long)x; }
template <class X> LM void lm_store(int* p, X x) { *p = (int)x; }
template <class X> LM void lm_store(signed char* p, X x) { *p = (signed char)x; }
template <class X> LM void lm_store(unsigned char* p, X x) { *p = (unsigned char)x; }
// x as memory of type T would hold it.
template <class T, class X> LM X lm_round_to(X x) {
  T t;
  lm_store(&t, x);
  return lm_load<X>((const T*)&t);
}

template <class X> LM X lm_like(X, double c) { return (X)c; }
#define LM_REAL(X, S) \
  LM X lm_div(X a, X b) { return a / b; } \
  LM X lm_select(X c, X a, X b) { return c != (X)0 ? a : b; } \
  LM X lm_less(X a, X b) { return a < b ? (X)1 : (X)0; } \
  LM X lm_equal(X a, X b) { return a == b ? (X)1 : (X)0; } \
  LM X lm_is_nan(X a) { return a != a ? (X)1 : (X)0; } \
  LM X lm_max(X a, X b) { return (a > b) || (a != a) ? a : b; } \
  LM X lm_min(X a, X b) { return (a < b) || (a != a) ? a : b; } \
  LM X lm_abs(X x) { return fabs##S(x); } \
  LM X lm_is_inf(X x) { return lm_equal(lm_abs(x), (X)lm_inf()); } \
  LM X lm_sign(X x) { return x != x ? x : (X)((x > 0) - (x < 0)); } \
  LM X lm_floor(X x) { return floor##S(x); } \
  LM X lm_ceil(X x) { return ceil##S(x); } \
  LM X lm_round(X x) { return rint##S(x); } \
  LM X lm_trunc(X x) { return trunc##S(x); } \
  LM X lm_sqrt(X x) { return sqrt##S(x); } \
  LM X lm_exp(X x) { return exp##S(x); } \
  LM X lm_log(X x) { return log##S(x); } \
  LM X lm_pow(X x, X y) { return pow##S(x, y); } \
  LM X lm_erf(X x) { return erf##S(x); } \
  LM X lm_sin(X x) { return sin##S(x); } \
  LM X lm_cos(X x) { return cos##S(x); } \
  LM X lm_tan(X x) { return tan##S(x); } \
  LM X lm_asin(X x) { return asin##S(x); } \
  LM X lm_acos(X x) { return acos##S(x); } \
  LM X lm_atan(X x) { return atan##S(x); } \
  LM X lm_sinh(X x) { return sinh##S(x); } \
  LM X lm_cosh(X x) { return cosh##S(x); } \
  LM X lm_tanh(X x) { return tanh##S(x); } \
  LM X lm_asinh(X x) { return asinh##S(x); } \
  LM X lm_acosh(X x) { return acosh##S(x); } \
  LM X lm_atanh(X x) { return atanh##S(x); } \
  LM X lm_fmod(X a, X b) { return fmod##S(a, b); } \
  LM X lm_mod(X a, X b) { \
    X r = fmod##S(a, b); \
    return r != 0 && (r < 0) != (b < 0) ? r + b : r; \
  } \
  LM X lm_sigmoid(X x) { \
    X e = exp##S(-lm_abs(x)); \
    return (x < 0 ? e : (X)1) / ((X)1 + e); \
  } \
  LM X lm_softplus(X x) { return (x > 0 ? x : (X)0) + log1p##S(exp##S(-lm_abs(x))); }
LM_REAL(float, f)
LM_REAL(double, )
#undef LM_REAL

LM long lm_div(long a, long b) { return b == 0 ? 0 : b == -1 ? -a : a / b; }
LM long lm_select(long c, long a, long b) { return c != 0 ? a : b; }
LM long lm_less(long a, long b) { return a < b; }
LM long lm_equal(long a, long b) { return a == b; }
LM long lm_is_nan(long) { return 0; }
LM long lm_is_inf(long) { return 0; }
LM long lm_max(long a, long b) { return a > b ? a : b; }
LM long lm_min(long a, long b) { return a < b ? a : b; }
LM long lm_abs(long x) { return x < 0 ? -x : x; }
LM long lm_sign(long x) { return (x > 0) - (x < 0); }
LM long lm_floor(long x) { return x; }
LM long lm_ceil(long x) { return x; }
LM long lm_round(long x) { return x; }
LM long lm_trunc(long x) { return x; }
LM long lm_fmod(long a, long b) { return b == 0 || b == -1 ? 0 : a % b; }
LM long lm_mod(long a, long b) {
  long r = lm_fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
LM long lm_pow(long base, long exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? ((exponent & 1) ? -1 : 1) : 0;
  long result = 1;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}
LM long lm_shift_left(long a, long by) { return by < 0 || by > 63 ? 0 : a << by; }
LM long lm_shift_right(long a, long by) { return a >> (by < 0 || by > 63 ? 63 : by); }

LM float lm_lowest(float) { return -lm_inf(); }
LM double lm_lowest(double) { return -(double)lm_inf(); }
LM long lm_lowest(long) { return -0x7fffffffffffffffL - 1; }
LM float lm_highest(float) { return lm_inf(); }
LM double lm_highest(double) { return (double)lm_inf(); }
LM long lm_highest(long) { return 0x7fffffffffffffffL; }

// Associative combinations.
struct LmSum {
  template <class X> LM X combine(X a, X b) { return a + b; }
  template <class X> LM X identity() { return (X)0; }
};
struct LmProd {
  template <class X> LM X combine(X a, X b) { return a * b; }
  template <class X> LM X identity() { return (X)1; }
};
struct LmMax {
  template <class X> LM X combine(X a, X b) { return lm_max(a, b); }
  template <class X> LM X identity() { return lm_lowest((X)0); }
};
struct LmMin {
  template <class X> LM X combine(X a, X b) { return lm_min(a, b); }
  template <class X> LM X identity() { return lm_highest((X)0); }
};

// Over the lanes of a warp, by shuffles: all lanes hold the result.
template <class F, class X> LM X lm_fold_warp(X x) {
  for (int step = 16; step > 0; step /= 2) x = F::combine(x, lm_shuffle_xor(x, step));
  return x;
}
// Over all threads of the block, by way of `partial` (one number per warp): all threads hold it.
template <class F, int WARPS, class X> LM X lm_fold_block(X x, X* partial) {
  x = lm_fold_warp<F>(x);
  LM_SYNC();
  if (lm_thread() % 32 == 0) partial[lm_thread() / 32] = x;
  LM_SYNC();
  X total = partial[0];
  for (int w = 1; w < WARPS; ++w) total = F::combine(total, partial[w]);
  return total;
}

// One step of a copy into a tile in shared memory: BYTES at once, asynchronously, of which `valid`
// elements exist and the others become 0. BYTES 0: one element, at once.
template <int BYTES> struct LmCopy {
  template <class T> LM void run(T* to, const T* from, long valid) {
    const int all = BYTES / (int)sizeof(T);
    const int count = valid < 0 ? 0 : valid < all ? (int)valid : all;
    lm_copy_async<BYTES>(to, from, count * (int)sizeof(T));
  }
};
template <> struct LmCopy<0> {
  template <class T> LM void run(T* to, const T* from, long valid) {
    if (valid > 0) *to = *from;
    else *to = T{};
  }
};
)lm";

}  // namespace lamina::cuda
