// Prelude text: arithmetic, comparison, selection and folds, for every X.
#include "exec/cpu/prelude_text.h"

namespace lamina::cpu {

const std::string_view kPreludeAlgebra = R"lm(
template <class X> LM X lm_like(X, double c) { return lm_splat<X>(c); }

#define LM_REAL(X) \
  LM X lm_div(X a, X b) { return a / b; } \
  LM X lm_select(X c, X a, X b) { return c != lm_splat<X>(0) ? a : b; } \
  LM X lm_less(X a, X b) { return a < b ? lm_splat<X>(1) : lm_splat<X>(0); } \
  LM X lm_equal(X a, X b) { return a == b ? lm_splat<X>(1) : lm_splat<X>(0); } \
  LM X lm_is_nan(X a) { return a != a ? lm_splat<X>(1) : lm_splat<X>(0); } \
  LM X lm_max(X a, X b) { return ((a > b) | (a != a)) ? a : b; } \
  LM X lm_min(X a, X b) { return ((a < b) | (a != a)) ? a : b; }
LM_REAL(float)
LM_REAL(double)
LM_REAL(vf)
LM_REAL(vd)
#undef LM_REAL

LM float lm_abs(float x) { return __builtin_fabsf(x); }
LM double lm_abs(double x) { return __builtin_fabs(x); }
LM vf lm_abs(vf x) { return (vf)((vi)x & 0x7fffffff); }
LM vd lm_abs(vd x) { return (vd)((vl)x & 0x7fffffffffffffffl); }
// Whether a lane of a comparison holds.
template <class X> LM bool lm_any(X mask) {
#if defined(__AVX__)
  typedef typename LmRow<float, sizeof(X) / 4>::type Row;
  if constexpr (sizeof(X) == 32) return __builtin_ia32_movmskps256((Row)mask) != 0;
#endif
  long bits = 0;
  for (int i = 0; i < LM_D; ++i) bits |= ((vl)mask)[i];
  return bits != 0;
}
// The size of a with the sign of b.
LM vf lm_copysign(vf a, vf b) { return (vf)(((vi)a & 0x7fffffff) | ((vu)b & 0x80000000u)); }

template <class X> LM X lm_is_inf(X x) { return lm_equal(lm_abs(x), lm_like(x, __builtin_inf())); }
template <class X> LM X lm_sign(X x) {
  X zero = lm_like(x, 0);
  return lm_select(lm_is_nan(x), x, lm_less(zero, x) - lm_less(x, zero));
}

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

LM long lm_shift_left(long a, long by) { return by < 0 || by > 63 ? 0 : a << by; }
LM long lm_shift_right(long a, long by) { return a >> (by < 0 || by > 63 ? 63 : by); }
LM vl lm_shift_left(vl a, vl by) { return (by < 0) | (by > 63) ? vl{} : a << (by & 63); }
LM vl lm_shift_right(vl a, vl by) { return a >> ((by < 0) | (by > 63) ? vl{} + 63 : by); }

LM vl lm_div(vl a, vl b) {
  vl r = {};
  for (int i = 0; i < LM_D; ++i) r[i] = lm_div((long)a[i], (long)b[i]);
  return r;
}
LM vl lm_select(vl c, vl a, vl b) { return c != 0 ? a : b; }
LM vl lm_less(vl a, vl b) { return (a < b) & 1; }
LM vl lm_equal(vl a, vl b) { return (a == b) & 1; }
LM vl lm_is_nan(vl) { return vl{}; }
LM vl lm_is_inf(vl) { return vl{}; }
LM vl lm_max(vl a, vl b) { return a > b ? a : b; }
LM vl lm_min(vl a, vl b) { return a < b ? a : b; }
LM vl lm_abs(vl x) { return x < 0 ? -x : x; }
LM vl lm_sign(vl x) { return (x < 0) - (x > 0); }

// Rounding to whole numbers: unrolled lane by lane, the compiler finds the vector instruction.
#define LM_WHOLE(NAME, FLOAT, DOUBLE) \
  LM float NAME(float x) { return FLOAT(x); } \
  LM double NAME(double x) { return DOUBLE(x); } \
  LM long NAME(long x) { return x; } \
  LM vl NAME(vl x) { return x; } \
  LM vf NAME(vf x) { vf r = {}; for (int i = 0; i < LM_F; ++i) r[i] = FLOAT(x[i]); return r; } \
  LM vd NAME(vd x) { vd r = {}; for (int i = 0; i < LM_D; ++i) r[i] = DOUBLE(x[i]); return r; }
LM_WHOLE(lm_floor, __builtin_floorf, __builtin_floor)
LM_WHOLE(lm_ceil, __builtin_ceilf, __builtin_ceil)
LM_WHOLE(lm_round, __builtin_nearbyintf, __builtin_nearbyint)
LM_WHOLE(lm_trunc, __builtin_truncf, __builtin_trunc)
#undef LM_WHOLE

LM float lm_sqrt(float x) { return __builtin_sqrtf(x); }
LM double lm_sqrt(double x) { return __builtin_sqrt(x); }
LM vf lm_sqrt(vf x) {
  vf r = {};
  for (int i = 0; i < LM_F; ++i) r[i] = __builtin_sqrtf(x[i]);
  return r;
}
LM vd lm_sqrt(vd x) {
  vd r = {};
  for (int i = 0; i < LM_D; ++i) r[i] = __builtin_sqrt(x[i]);
  return r;
}

// Folds over the lanes: halves onto halves.
#define LM_FOLD(NAME, COMBINE) \
  LM float NAME(float x) { return x; } \
  LM double NAME(double x) { return x; } \
  LM long NAME(long x) { return x; } \
  template <class X> LM typename LmLanes<X>::element lm_fold_##NAME(X x) { \
    typedef typename LmLanes<X>::element E; \
    E t[LmLanes<X>::count]; \
    for (int i = 0; i < LmLanes<X>::count; ++i) t[i] = x[i]; \
    for (int half = LmLanes<X>::count / 2; half > 0; half /= 2) \
      for (int i = 0; i < half; ++i) { E a = t[i], b = t[i + half]; t[i] = COMBINE; } \
    return t[0]; \
  } \
  LM float NAME(vf x) { return lm_fold_##NAME(x); } \
  LM double NAME(vd x) { return lm_fold_##NAME(x); } \
  LM long NAME(vl x) { return lm_fold_##NAME(x); }
LM_FOLD(lm_sum, a + b)
LM_FOLD(lm_prod, a * b)
LM_FOLD(lm_max, lm_max(a, b))
LM_FOLD(lm_min, lm_min(a, b))
#undef LM_FOLD

// NAME of float: lane 0 of a vector, so that tails and scalars agree with vectors to the bit.
#define LM_VIA_VECTOR(NAME) \
  LM float NAME(float x) { return NAME(lm_splat<vf>(x))[0]; }
// Functions that go lane by lane through the C library; vf computes in double.
#define LM_VIA_LIBM(NAME, CALL) \
  LM double NAME(double x) { return CALL(x); } \
  LM vd NAME(vd x) { for (int i = 0; i < LM_D; ++i) x[i] = CALL(x[i]); return x; }
#define LM_RARE(NAME, CALL) \
  LM_VIA_LIBM(NAME, CALL) \
  LM float NAME(float x) { return (float)CALL((double)x); } \
  LM vf NAME(vf x) { for (int i = 0; i < LM_F; ++i) x[i] = (float)CALL((double)x[i]); return x; }
)lm";

}  // namespace lamina::cpu
