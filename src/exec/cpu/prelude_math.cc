// Prelude text: elementary functions. Polynomials are Chebyshev fits of our own; each comment gives
// the range and what is fitted. Float results are within 2 units in the last place or so
// (prelude_test.cc asserts the bounds).
#include "exec/cpu/prelude_text.h"

namespace lamina::cpu {
namespace {

// exp(x) = 2^n exp(r), |r| <= ln(2)/2; (exp(r) - 1 - r) / r^2 is fitted, and evaluated in two
// chains. Where no lane is far from 0, n is added to the exponent. Else the scale 2^n goes in two
// steps, so that results below the normal range round once.
constexpr PreludePiece kExp = {"lm_exp", R"lm(
struct LmExp {
  vf p;        // exp(r)
  vf shifted;  // n in its low bits
  LM LmExp of(vf t) {
    vf shifted = t * 0x1.715476p+0f + 0x1.8p23f;
    vf n = shifted - 0x1.8p23f;
    vf r = (t - n * 0x1.62e4p-1f) - n * 1.42860682e-6f;
    vf square = r * r;
    vf high = (r * 0.0013926376f + 0.008363333082f) * r + 0.04166655346f;
    vf low = r * 0.1666657606f + 0.5f;
    return {(high * square + low) * square + r + 1.0f, shifted};
  }
};
LM vf lm_exp_far(vf x) {
  vf t = x > 89.0f ? lm_splat<vf>(89.0) : x;
  t = t < -104.5f ? lm_splat<vf>(-104.5) : t;
  LmExp e = LmExp::of(t);
  vi power = (vi)e.shifted - 0x4b400000;
  vi first = power >> 1;
  vf scale1 = (vf)((first + 127) << 23);
  vf scale2 = (vf)((power - first + 127) << 23);
  return e.p * scale1 * scale2;
}
LM vf lm_exp(vf x) {
  constexpr int k87 = 0x42ae0000;  // bits of 87.0f; those of NaN are larger
  if (__builtin_expect(lm_any(((vi)x & 0x7fffffff) > k87), 0)) return lm_exp_far(x);
  LmExp e = LmExp::of(x);
  return (vf)((vi)e.p + ((vi)e.shifted << 23));
}
LM_VIA_VECTOR(lm_exp)
LM_VIA_LIBM(lm_exp, __builtin_exp)
)lm"};

// log(x) = e ln(2) + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)];
// (log(1 + f) - f + f^2/2) / f^3 is fitted.
constexpr PreludePiece kLog = {"lm_log", R"lm(
LM vf lm_log(vf x) {
  vi small = x < 0x1p-126f;
  vf t = small ? x * 0x1p23f : x;
  vi bits = (vi)t - 0x3f3504f3;
  vi power = (bits >> 23) - (small & 23);
  vf f = (vf)((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
  vf p = lm_splat<vf>(0.06971611471);
  p = p * f - 0.1147973385f;
  p = p * f + 0.1168541992f;
  p = p * f - 0.1242568733f;
  p = p * f + 0.1424905765f;
  p = p * f - 0.1666780232f;
  p = p * f + 0.2000071575f;
  p = p * f - 0.2499999696f;
  p = p * f + 0.3333333118f;
  vf e = __builtin_convertvector(power, vf);
  vf square = f * f;
  vf low = e * 1.42860682e-6f + p * f * square - 0.5f * square;
  vf y = e * 0x1.62e4p-1f + (f + low);
  y = x == 0.0f ? lm_splat<vf>(-__builtin_inf()) : y;
  y = x < 0.0f ? lm_splat<vf>(__builtin_nan("")) : y;
  return ((x == __builtin_inff()) | (x != x)) ? x : y;
}
LM_VIA_VECTOR(lm_log)
LM_VIA_LIBM(lm_log, __builtin_log)
)lm"};

// Through exp(-|x|), which cannot overflow.
constexpr PreludePiece kSigmoid = {"lm_sigmoid", R"lm(
LM vf lm_sigmoid(vf x) {
  vf e = lm_exp(-lm_abs(x));
  return (x < 0.0f ? e : lm_splat<vf>(1)) / (1.0f + e);
}
LM_VIA_VECTOR(lm_sigmoid)
LM double lm_sigmoid(double x) { return 1.0 / (1.0 + __builtin_exp(-x)); }
LM vd lm_sigmoid(vd x) { return 1.0 / (1.0 + lm_exp(-x)); }
)lm"};

// log(1 + e) = log(u) + (e - (u - 1)) / u with u = 1 + e rounded.
constexpr PreludePiece kSoftplus = {"lm_softplus", R"lm(
LM vf lm_softplus(vf x) {
  vf e = lm_exp(-lm_abs(x));
  vf u = 1.0f + e;
  vf tail = lm_log(u) + (e - (u - 1.0f)) / u;
  return (x > 0.0f ? x : lm_splat<vf>(0)) + tail;
}
LM_VIA_VECTOR(lm_softplus)
LM double lm_softplus(double x) {
  return __builtin_fmax(x, 0.0) + __builtin_log1p(__builtin_exp(-__builtin_fabs(x)));
}
LM vd lm_softplus(vd x) {
  for (int i = 0; i < LM_D; ++i) x[i] = lm_softplus((double)x[i]);
  return x;
}
)lm"};

// |x| < 0.625: (tanh(x)/x - 1) / x^2 is fitted in x^2; beyond: 1 - 2 / (exp(2|x|) + 1).
constexpr PreludePiece kTanh = {"lm_tanh", R"lm(
LM vf lm_tanh(vf x) {
  vf a = lm_abs(x), z = x * x;
  vf p = lm_splat<vf>(-0.006096299523);
  p = p * z + 0.02099689404f;
  p = p * z - 0.05385084952f;
  p = p * z + 0.1333276934f;
  p = p * z - 0.3333332894f;
  vf near = p * z * a + a;
  vf far = 1.0f - 2.0f / (lm_exp(a + a) + 1.0f);
  return lm_copysign(a < 0.625f ? near : far, x);
}
LM_VIA_VECTOR(lm_tanh)
LM_VIA_LIBM(lm_tanh, __builtin_tanh)
)lm"};

// |x| < 0.92: erf(x)/x is fitted in x^2; beyond: 1 - 2^-q(|x|), q = -log2(erfc) fitted to 4. There
// 2^-q is far from both ends of the exponents: one scale, no limits.
constexpr PreludePiece kErf = {"lm_erf", R"lm(
LM vf lm_erf(vf x) {
  vf a = lm_abs(x), z = x * x;
  vf p = lm_splat<vf>(8.351897081e-5);
  p = p * z - 0.0008138792386f;
  p = p * z + 0.005200729667f;
  p = p * z - 0.02685929726f;
  p = p * z + 0.1128369415f;
  p = p * z - 0.3761263369f;
  p = p * z + 0.128379167f;
  vf near = p * a + a;
  vf t = a > 4.0f ? lm_splat<vf>(4) : a;
  vf q = lm_splat<vf>(6.933277484e-8);
  q = q * t - 3.859926506e-6f;
  q = q * t + 8.043082274e-5f;
  q = q * t - 0.0009348265495f;
  q = q * t + 0.007108839795f;
  q = q * t - 0.0386282629f;
  q = q * t + 0.1595016251f;
  q = q * t + 0.9109587682f;
  q = q * t + 1.63084787f;
  q = q * t - 0.00051393833f;
  vf shifted = 0x1.8p23f - q;
  vf r = (0x1.8p23f - shifted) - q;
  vf e = lm_splat<vf>(0.0001546144746);
  e = e * r + 0.001339086735f;
  e = e * r + 0.00961805667f;
  e = e * r + 0.05550357104f;
  e = e * r + 0.2402265092f;
  e = e * r + 0.693147188f;
  e = e * r + 1.0f;
  vf scale = (vf)(((vi)shifted + 127) << 23);
  return lm_copysign(a < 0.92f ? near : 1.0f - e * scale, x);
}
LM_VIA_VECTOR(lm_erf)
LM_VIA_LIBM(lm_erf, __builtin_erf)
)lm"};

// x = n pi/2 + r, reduced in double with pi/2 in two parts; beyond |x| = 10^5 lane by lane.
// (sin(r)/r - 1) / r^2 and (cos(r) - 1 + r^2/2) / r^4 are fitted in r^2.
constexpr PreludePiece kSinCos = {"lm_sin_quarter", R"lm(
typedef double lm_wide __attribute__((vector_size(LM_F * 8)));
// sin(x + quarters pi/2)
LM vf lm_sin_quarter(vf x, int quarters) {
  lm_wide wide = __builtin_convertvector(x, lm_wide);
  lm_wide shifted = wide * 0x1.45f306dc9c883p-1 + 0x1.8p52;
  lm_wide n = shifted - 0x1.8p52;
  vf r = __builtin_convertvector((wide - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34, vf);
  vi quadrant = __builtin_convertvector(n, vi) + quarters;
  vf z = r * r;
  vf s = lm_splat<vf>(2.724935598e-6);
  s = s * z - 0.0001984008234f;
  s = s * z + 0.008333331867f;
  s = s * z - 0.1666666666f;
  s = s * z * r + r;
  vf c = lm_splat<vf>(2.454747181e-5);
  c = c * z - 0.001388830086f;
  c = c * z + 0.04166666465f;
  c = c * z * z - 0.5f * z + 1.0f;
  vf y = (quadrant & 1) != 0 ? c : s;
  return (vf)((vi)y ^ ((quadrant & 2) << 30));
}
LM bool lm_far(float x) { return !(__builtin_fabsf(x) <= 1e5f); }
LM bool lm_any_far(vf x) {
  vi far = !(lm_abs(x) <= 1e5f);
  int any = 0;
  for (int i = 0; i < LM_F; ++i) any |= far[i];
  return any != 0;
}
)lm"};

constexpr PreludePiece kSin = {"lm_sin", R"lm(
LM_VIA_LIBM(lm_sin, __builtin_sin)
LM vf lm_sin(vf x) {
  vf y = x == 0.0f ? x : lm_sin_quarter(x, 0);
  if (lm_any_far(x))
    for (int i = 0; i < LM_F; ++i) y[i] = lm_far(x[i]) ? (float)__builtin_sin((double)x[i]) : y[i];
  return y;
}
LM_VIA_VECTOR(lm_sin)
)lm"};

constexpr PreludePiece kCos = {"lm_cos", R"lm(
LM_VIA_LIBM(lm_cos, __builtin_cos)
LM vf lm_cos(vf x) {
  vf y = lm_sin_quarter(x, 1);
  if (lm_any_far(x))
    for (int i = 0; i < LM_F; ++i) y[i] = lm_far(x[i]) ? (float)__builtin_cos((double)x[i]) : y[i];
  return y;
}
LM_VIA_VECTOR(lm_cos)
)lm"};

constexpr PreludePiece kPow = {"lm_pow", R"lm(
LM double lm_pow(double x, double y) { return __builtin_pow(x, y); }
LM float lm_pow(float x, float y) { return (float)__builtin_pow((double)x, (double)y); }
LM long lm_pow(long base, long exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? ((exponent & 1) ? -1 : 1) : 0;
  long result = 1;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}
LM vf lm_pow(vf x, vf y) {
  vi other = y != 2.0f;
  int any = 0;
  for (int i = 0; i < LM_F; ++i) any |= other[i];
  if (any == 0) return x * x;
  for (int i = 0; i < LM_F; ++i) x[i] = lm_pow((float)x[i], (float)y[i]);
  return x;
}
LM vd lm_pow(vd x, vd y) {
  for (int i = 0; i < LM_D; ++i) x[i] = lm_pow((double)x[i], (double)y[i]);
  return x;
}
LM vl lm_pow(vl x, vl y) {
  for (int i = 0; i < LM_D; ++i) x[i] = lm_pow((long)x[i], (long)y[i]);
  return x;
}
)lm"};

constexpr PreludePiece kFmod = {"lm_fmod", R"lm(
LM double lm_fmod(double a, double b) { return __builtin_fmod(a, b); }
LM float lm_fmod(float a, float b) { return (float)__builtin_fmod((double)a, (double)b); }
LM long lm_fmod(long a, long b) { return b == 0 || b == -1 ? 0 : a % b; }
LM vf lm_fmod(vf a, vf b) {
  for (int i = 0; i < LM_F; ++i) a[i] = lm_fmod((float)a[i], (float)b[i]);
  return a;
}
LM vd lm_fmod(vd a, vd b) {
  for (int i = 0; i < LM_D; ++i) a[i] = lm_fmod((double)a[i], (double)b[i]);
  return a;
}
LM vl lm_fmod(vl a, vl b) {
  for (int i = 0; i < LM_D; ++i) a[i] = lm_fmod((long)a[i], (long)b[i]);
  return a;
}
)lm"};

constexpr PreludePiece kMod = {"lm_mod", R"lm(
LM double lm_mod(double a, double b) {
  double r = __builtin_fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
LM float lm_mod(float a, float b) { return (float)lm_mod((double)a, (double)b); }
LM long lm_mod(long a, long b) {
  long r = b == 0 || b == -1 ? 0 : a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
LM vf lm_mod(vf a, vf b) {
  for (int i = 0; i < LM_F; ++i) a[i] = lm_mod((float)a[i], (float)b[i]);
  return a;
}
LM vd lm_mod(vd a, vd b) {
  for (int i = 0; i < LM_D; ++i) a[i] = lm_mod((double)a[i], (double)b[i]);
  return a;
}
LM vl lm_mod(vl a, vl b) {
  for (int i = 0; i < LM_D; ++i) a[i] = lm_mod((long)a[i], (long)b[i]);
  return a;
}
)lm"};

constexpr PreludePiece kPieces[] = {
    kExp,
    kLog,
    kSigmoid,
    kSoftplus,
    kTanh,
    kErf,
    kSinCos,
    kSin,
    kCos,
    kPow,
    kFmod,
    kMod,
    {"lm_tan", "LM_RARE(lm_tan, __builtin_tan)\n"},
    {"lm_asin", "LM_RARE(lm_asin, __builtin_asin)\n"},
    {"lm_acos", "LM_RARE(lm_acos, __builtin_acos)\n"},
    {"lm_atan", "LM_RARE(lm_atan, __builtin_atan)\n"},
    {"lm_sinh", "LM_RARE(lm_sinh, __builtin_sinh)\n"},
    {"lm_cosh", "LM_RARE(lm_cosh, __builtin_cosh)\n"},
    {"lm_asinh", "LM_RARE(lm_asinh, __builtin_asinh)\n"},
    {"lm_acosh", "LM_RARE(lm_acosh, __builtin_acosh)\n"},
    {"lm_atanh", "LM_RARE(lm_atanh, __builtin_atanh)\n"},
};

}  // namespace

std::span<const PreludePiece> prelude_pieces() { return kPieces; }

}  // namespace lamina::cpu
