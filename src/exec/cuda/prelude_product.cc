// Prelude text: products of tiles by tensor cores, or by fused multiply-adds in single precision.
#include "exec/cuda/prelude.h"

namespace lamina::cuda {

// A block of ROWS x COLUMNS warps computes c[m, n] += a[m, k] * b[k, n] in pieces of 16 x 8: warp
// (r, s) holds the pieces (r + ROWS i, s + COLUMNS j). All kinds of arithmetic hold a piece as
// mma.sync does: lane 4g + t has rows g and g + 8, columns 2t and 2t + 1. Elements beyond m, n and
// k are neither read nor written.
const std::string_view kPreludeProduct = R"lm(
LM int lm_least(int a, int b) { return a < b ? a : b; }
// Rows or columns of an operand: element (i, k) is at p[i * across + k * along].
template <class T, class S> struct LmOperand {
  const T* p;
  S across, along;
  int count;  // of rows or columns
};
template <class T, class S>
LM LmOperand<T, S> lm_operand(const T* p, S across, S along, int count) {
  return LmOperand<T, S>{p, across, along, count};
}
template <class O> LM float lm_at(const O& o, int i, int k, int depth) {
  return i < o.count && k < depth ? lm_load<float>(o.p + i * o.across + k * o.along) : 0.0f;
}

// The same in shared memory, of 16-bit elements that the tensor cores take as they are: rows begin
// at multiples of 16 bytes, `stride` elements apart, an odd number of 16 bytes, so that any eight
// of them lie in different banks. ALONG_K: the rows in memory run along k.
template <bool ALONG_K, class T> struct LmMatrix {
  const T* p;
  int stride, across, along, count;
};
template <bool ALONG_K, class T> LM LmMatrix<ALONG_K, T> lm_matrix(const T* p, int stride,
                                                                   int count) {
  return LmMatrix<ALONG_K, T>{p, stride, ALONG_K ? stride : 1, ALONG_K ? 1 : stride, count};
}
// Where line j of the eight rows (or columns) from i on, at depth k, lies. Beyond `count` any that
// exists will do: what comes of it is not stored.
template <class T> LM const T* lm_line(const LmMatrix<true, T>& o, int i, int k, int j) {
  return o.p + lm_least(i + j, o.count - 1) * o.stride + k;
}
template <class T> LM const T* lm_line(const LmMatrix<false, T>& o, int i, int k, int j) {
  return o.p + (k + j) * o.stride + (i < o.count ? i : 0);
}

struct LmBf16 {
  enum { depth = 16 };
  LM unsigned bits(float x) { return lm_to_bf16(x).bits; }
  LM unsigned bits(const lm_bf16* p) { return p->bits; }
  template <class T> LM unsigned bits(const T* p) { return bits(lm_load<float>(p)); }
  LM void multiply(float* c, const unsigned* a, const unsigned* b) { lm_mma_bf16(c, a, b); }
};
struct LmF16 {
  enum { depth = 16 };
  LM unsigned bits(float x) { return lm_float_f16(x); }
  LM unsigned bits(const lm_f16* p) { return p->bits; }
  template <class T> LM unsigned bits(const T* p) { return bits(lm_load<float>(p)); }
  LM void multiply(float* c, const unsigned* a, const unsigned* b) { lm_mma_f16(c, a, b); }
};
struct LmTf32 { enum { depth = 8 }; };
struct LmFma { enum { depth = 1 }; };

// One column of registers: rows or columns i of the operand at depth k.
template <class M, class O> LM unsigned lm_pair(const O& o, int i, int k, int depth) {
  if (i >= o.count || k >= depth) return 0;
  const auto* p = o.p + i * o.across + k * o.along;
  const unsigned low = M::bits(p);
  return k + 1 < depth ? low | M::bits(p + o.along) << 16 : low;
}

template <class M> struct LmPiece {
  template <class O> LM void load_a(unsigned* r, const O& a, int row, int k, int depth) {
    const int g = lm_thread() % 32 / 4, t = lm_thread() % 4;
    r[0] = lm_pair<M>(a, row + g, k + 2 * t, depth);
    r[1] = lm_pair<M>(a, row + g + 8, k + 2 * t, depth);
    r[2] = lm_pair<M>(a, row + g, k + 2 * t + 8, depth);
    r[3] = lm_pair<M>(a, row + g + 8, k + 2 * t + 8, depth);
  }
  template <class O> LM void load_b(unsigned* r, const O& b, int column, int k, int depth) {
    const int g = lm_thread() % 32 / 4, t = lm_thread() % 4;
    r[0] = lm_pair<M>(b, column + g, k + 2 * t, depth);
    r[1] = lm_pair<M>(b, column + g, k + 2 * t + 8, depth);
  }
  // Whole pieces of k by ldmatrix; what lies beyond `depth` in memory may be anything.
  template <bool ALONG_K, class T>
  LM void load_a(unsigned* r, const LmMatrix<ALONG_K, T>& a, int row, int k, int depth) {
    if (k + 16 > depth) return load_a<LmMatrix<ALONG_K, T>>(r, a, row, k, depth);
    const int matrix = lm_thread() % 32 / 8, line = lm_thread() % 8;
    lm_ldmatrix<4, !ALONG_K>(r, lm_line(a, row + matrix % 2 * 8, k + matrix / 2 * 8, line));
  }
  template <bool ALONG_K, class T>
  LM void load_b(unsigned* r, const LmMatrix<ALONG_K, T>& b, int column, int k, int depth) {
    if (k + 16 > depth) return load_b<LmMatrix<ALONG_K, T>>(r, b, column, k, depth);
    const int matrix = lm_thread() % 16 / 8, line = lm_thread() % 8;
    lm_ldmatrix<2, !ALONG_K>(r, lm_line(b, column, k + matrix * 8, line));
  }
  LM void multiply(float* c, const unsigned* a, const unsigned* b) { M::multiply(c, a, b); }
};
template <> struct LmPiece<LmTf32> {
  template <class O> LM void load_a(unsigned* r, const O& a, int row, int k, int depth) {
    const int g = lm_thread() % 32 / 4, t = lm_thread() % 4;
    for (int i = 0; i < 4; ++i)
      r[i] = lm_to_tf32(lm_at(a, row + g + 8 * (i % 2), k + t + 4 * (i / 2), depth));
  }
  template <class O> LM void load_b(unsigned* r, const O& b, int column, int k, int depth) {
    const int g = lm_thread() % 32 / 4, t = lm_thread() % 4;
    for (int i = 0; i < 2; ++i) r[i] = lm_to_tf32(lm_at(b, column + g, k + t + 4 * i, depth));
  }
  LM void multiply(float* c, const unsigned* a, const unsigned* b) { lm_mma_tf32(c, a, b); }
};
template <> struct LmPiece<LmFma> {
  template <class O> LM void load_a(unsigned* r, const O& a, int row, int k, int depth) {
    const int g = lm_thread() % 32 / 4;
    for (int i = 0; i < 2; ++i) r[i] = lm_float_bits(lm_at(a, row + g + 8 * i, k, depth));
  }
  template <class O> LM void load_b(unsigned* r, const O& b, int column, int k, int depth) {
    const int t = lm_thread() % 4;
    for (int i = 0; i < 2; ++i) r[i] = lm_float_bits(lm_at(b, column + 2 * t + i, k, depth));
  }
  LM void multiply(float* c, const unsigned* a, const unsigned* b) {
    for (int i = 0; i < 4; ++i) c[i] += lm_bits_float(a[i / 2]) * lm_bits_float(b[i % 2]);
  }
};

template <class M, int ROWS, int COLUMNS, int I, int J> struct LmProduct {
  float c[I][J][4];

  LM int row(int i) { return (lm_thread() / 32 % ROWS + ROWS * i) * 16; }
  LM int column(int j) { return (lm_thread() / 32 / ROWS + COLUMNS * j) * 8; }

  __device__ __forceinline__ void fill(float x) {
#pragma unroll
    for (int i = 0; i < I; ++i)
#pragma unroll
      for (int j = 0; j < J; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) c[i][j][e] = x;
  }
  template <class A, class B> __device__ __forceinline__ void add(const A& a, const B& b,
                                                                  int depth) {
    for (int k = 0; k < depth; k += M::depth) {
      unsigned ra[I][4], rb[J][2];
#pragma unroll
      for (int i = 0; i < I; ++i) LmPiece<M>::load_a(ra[i], a, row(i), k, depth);
#pragma unroll
      for (int j = 0; j < J; ++j) LmPiece<M>::load_b(rb[j], b, column(j), k, depth);
#pragma unroll
      for (int i = 0; i < I; ++i)
#pragma unroll
        for (int j = 0; j < J; ++j) LmPiece<M>::multiply(c[i][j], ra[i], rb[j]);
    }
  }
  // f(element of c, its row, its column) for what this lane holds of m rows and n columns.
  template <class F> __device__ __forceinline__ void each(int m, int n, F f) {
    const int g = lm_thread() % 32 / 4, t = lm_thread() % 4;
#pragma unroll
    for (int i = 0; i < I; ++i)
#pragma unroll
      for (int j = 0; j < J; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int r = row(i) + g + 8 * (e / 2), s = column(j) + 2 * t + e % 2;
          if (r < m && s < n) f(c[i][j][e], r, s);
        }
  }
  template <class S> __device__ __forceinline__ void load(const float* p, S down, S right, int m,
                                                          int n) {
    each(m, n, [&](float& x, int r, int s) { x = p[r * down + s * right]; });
  }
  template <class S> __device__ __forceinline__ void store(float* p, S down, S right, int m,
                                                           int n) {
    each(m, n, [&](float& x, int r, int s) { p[r * down + s * right] = x; });
  }
};
)lm";

}  // namespace lamina::cuda
