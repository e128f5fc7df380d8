// Prelude text: vector types, storage types, loads and stores.
#include "exec/cpu/prelude_text.h"

namespace lamina::cpu {

const std::string_view kPreludeTypes = R"lm(
#define LM static inline __attribute__((always_inline))
typedef float vf __attribute__((vector_size(LM_BYTES)));
typedef int vi __attribute__((vector_size(LM_BYTES)));
typedef unsigned vu __attribute__((vector_size(LM_BYTES)));
typedef double vd __attribute__((vector_size(LM_BYTES)));
typedef long vl __attribute__((vector_size(LM_BYTES)));
struct lm_bf16 { unsigned short bits; };
struct lm_f16 { unsigned short bits; };
struct lm_bool { unsigned char bits; };

template <class X> struct LmLanes { enum { count = 1 }; typedef X element; };
template <> struct LmLanes<vf> { enum { count = LM_F }; typedef float element; };
template <> struct LmLanes<vd> { enum { count = LM_D }; typedef double element; };
template <> struct LmLanes<vl> { enum { count = LM_D }; typedef long element; };

// N unaligned elements as they are stored.
template <class T> struct LmBits { typedef T type; };
template <> struct LmBits<lm_bf16> { typedef unsigned short type; };
template <> struct LmBits<lm_f16> { typedef unsigned short type; };
template <> struct LmBits<lm_bool> { typedef unsigned char type; };
template <class T, int N> struct LmRow {
  typedef typename LmBits<T>::type element;
  typedef element type __attribute__((vector_size(sizeof(element) * N)));
  typedef element unaligned __attribute__((vector_size(sizeof(element) * N), aligned(1)));
};

template <class X> LM X lm_splat(double c) {
  if constexpr (LmLanes<X>::count == 1) return (X)c;
  else return (typename LmLanes<X>::element)c - X{};
}

// Rounding to bf16 and f16, and back, on words that hold floats.
template <int N> struct LmHalf {
  typedef typename LmRow<unsigned, N>::type words;
  typedef typename LmRow<int, N>::type ints;
  typedef typename LmRow<float, N>::type floats;
  typedef typename LmRow<unsigned short, N>::type halves;

  LM floats from_bf16(halves h) { return (floats)(__builtin_convertvector(h, words) << 16); }
  LM halves to_bf16(floats x) {
    words u = (words)x;
    words nan = (words)((ints)(u & 0x7fffffffu) > 0x7f800000);
    words near = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return __builtin_convertvector((nan & ((u >> 16) | 0x40u)) | (~nan & near), halves);
  }
  LM floats from_f16(halves h) {
    words u = __builtin_convertvector(h, words);
    words big = (words)((ints)(u & 0x7fffu) >= 0x7c00) & 0x7f800000u;
    words size = (words)((floats)((u & 0x7fffu) << 13) * 0x1p112f);
    return (floats)(size | big | (u & 0x8000u) << 16);
  }
  LM halves to_f16(floats x) {
    words u = (words)x & 0x7fffffffu;
    words sign = ((words)x >> 16) & 0x8000u;
    words normal = (u - (112u << 23) + 0xfffu + ((u >> 13) & 1u)) >> 13;
    words tiny = (words)((floats)u + 0.5f) - 0x3f000000u;
    words is_tiny = (words)((ints)u < 0x38800000);
    words is_big = (words)((ints)u >= 0x477ff000);
    words nan = (words)((ints)u > 0x7f800000) & 0x200u;
    words size = (is_tiny & tiny) | (~is_tiny & normal);
    return __builtin_convertvector((is_big & (0x7c00u | nan)) | (~is_big & size) | sign, halves);
  }
};

// A float from which a second rounding to fewer bits gives what one rounding of x gives.
LM float lm_round_to_odd(double x) {
  float near = (float)x;
  unsigned u;
  __builtin_memcpy(&u, &near, 4);
  if ((double)near == x || near != near || (u & 1u)) return near;
  u += __builtin_fabs((double)near) > __builtin_fabs(x) ? -1u : 1u;
  __builtin_memcpy(&near, &u, 4);
  return near;
}
LM float lm_half_input(float x) { return x; }
LM float lm_half_input(double x) { return lm_round_to_odd(x); }
LM float lm_half_input(long x) { return lm_round_to_odd((double)x); }

LM float lm_value(lm_bf16 x) {
  unsigned u = (unsigned)x.bits << 16;
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}
LM float lm_value(lm_f16 x) {
  LmRow<unsigned short, 4>::type row = {x.bits};
  return LmHalf<4>::from_f16(row)[0];
}
LM long lm_value(lm_bool x) { return x.bits != 0; }
template <class T> LM T lm_value(T x) { return x; }

// Truncation toward zero; saturates, and NaN gives 0.
LM long lm_whole(double x) {
  if (__builtin_fabs(x) < 0x1p63) return (long)x;
  return x != x ? 0 : x > 0 ? 0x7fffffffffffffffl : -0x7fffffffffffffffl - 1;
}
LM long lm_whole(float x) { return lm_whole((double)x); }
LM long lm_whole(long x) { return x; }

template <class T, class X> LM void lm_put(T* p, X x) { *p = (T)x; }
template <class X> LM void lm_put(lm_bf16* p, X x) {
  LmRow<float, 4>::type row = {lm_half_input(x)};
  p->bits = LmHalf<4>::to_bf16(row)[0];
}
template <class X> LM void lm_put(lm_f16* p, X x) {
  LmRow<float, 4>::type row = {lm_half_input(x)};
  p->bits = LmHalf<4>::to_f16(row)[0];
}
template <class X> LM void lm_put(lm_bool* p, X x) { p->bits = x != 0; }
template <class X> LM void lm_put(long* p, X x) { *p = lm_whole(x); }
template <class X> LM void lm_put(int* p, X x) { *p = (int)lm_whole(x); }
template <class X> LM void lm_put(signed char* p, X x) { *p = (signed char)lm_whole(x); }
template <class X> LM void lm_put(unsigned char* p, X x) { *p = (unsigned char)lm_whole(x); }

// Stored lanes to X and back; T selects the meaning of the bits.
template <class X, class T> struct LmConvert {
  typedef LmRow<T, LmLanes<X>::count> Row;
  LM X widen(typename Row::type row) { return __builtin_convertvector(row, X); }
};
template <class X> struct LmConvert<X, lm_bf16> {
  typedef LmRow<lm_bf16, LmLanes<X>::count> Row;
  LM X widen(typename Row::type row) {
    return __builtin_convertvector(LmHalf<LmLanes<X>::count>::from_bf16(row), X);
  }
};
template <class X> struct LmConvert<X, lm_f16> {
  typedef LmRow<lm_f16, LmLanes<X>::count> Row;
  LM X widen(typename Row::type row) {
    return __builtin_convertvector(LmHalf<LmLanes<X>::count>::from_f16(row), X);
  }
};

template <class X, class T> LM X lm_load(const T* p) {
  if constexpr (LmLanes<X>::count == 1) {
    return (X)lm_value(*p);
  } else {
    typedef LmConvert<X, T> Convert;
    return Convert::widen(*(const typename Convert::Row::unaligned*)p);
  }
}

template <class X, class T> LM X lm_load(const T* p, long n) {
  if constexpr (LmLanes<X>::count == 1) {
    return n > 0 ? (X)lm_value(*p) : X{};
  } else {
    if (n >= LmLanes<X>::count) return lm_load<X>(p);
    typename LmConvert<X, T>::Row::type row = {};
    for (long i = 0; i < n; ++i) row[i] = ((const typename LmBits<T>::type*)p)[i];
    return LmConvert<X, T>::widen(row);
  }
}

// Lanes as they are stored, where the processor has an instruction for it.
template <class T, class X> struct LmNarrow { enum { direct = 0 }; };
template <> struct LmNarrow<float, vf> {
  enum { direct = 1 };
  LM vf row(vf x) { return x; }
};
template <> struct LmNarrow<double, vd> {
  enum { direct = 1 };
  LM vd row(vd x) { return x; }
};
template <> struct LmNarrow<long, vl> {
  enum { direct = 1 };
  LM vl row(vl x) { return x; }
};
template <> struct LmNarrow<int, vl> {
  enum { direct = 1 };
  LM LmRow<int, LM_D>::type row(vl x) {
    return __builtin_convertvector(x, LmRow<int, LM_D>::type);
  }
};
template <> struct LmNarrow<lm_bf16, vf> {
  enum { direct = 1 };
  LM LmRow<lm_bf16, LM_F>::type row(vf x) { return LmHalf<LM_F>::to_bf16(x); }
};
template <> struct LmNarrow<lm_f16, vf> {
  enum { direct = 1 };
  LM LmRow<lm_f16, LM_F>::type row(vf x) { return LmHalf<LM_F>::to_f16(x); }
};
template <> struct LmNarrow<lm_bool, vf> {
  enum { direct = 1 };
  LM LmRow<lm_bool, LM_F>::type row(vf x) {
    return __builtin_convertvector((x != 0.0f) & 1, LmRow<lm_bool, LM_F>::type);
  }
};

template <class T, class X> LM void lm_store(T* p, X x) {
  if constexpr (LmLanes<X>::count == 1) {
    lm_put(p, x);
  } else if constexpr (LmNarrow<T, X>::direct) {
    *(typename LmRow<T, LmLanes<X>::count>::unaligned*)p = LmNarrow<T, X>::row(x);
  } else {
    for (long i = 0; i < LmLanes<X>::count; ++i) lm_put(p + i, x[i]);
  }
}

template <class T, class X> LM void lm_store(T* p, X x, long n) {
  if constexpr (LmLanes<X>::count == 1) {
    if (n > 0) lm_put(p, x);
  } else if (n >= LmLanes<X>::count) {
    lm_store(p, x);
  } else if constexpr (LmNarrow<T, X>::direct) {
    auto row = LmNarrow<T, X>::row(x);
    for (long i = 0; i < n; ++i) ((typename LmBits<T>::type*)p)[i] = row[i];
  } else {
    for (long i = 0; i < n; ++i) lm_put(p + i, x[i]);
  }
}
)lm";

}  // namespace lamina::cpu
