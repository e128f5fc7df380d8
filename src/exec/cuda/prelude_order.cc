// Prelude text: which of two elements of a line comes first.
#include "exec/cuda/prelude.h"

namespace lamina::cuda {

const std::string_view kPreludeOrder = R"lm(
// An element and its position in a line; none: position -1.
template <class X> struct LmBest {
  X value;
  long at;
};

// A total order: NaN is the largest, and of equal elements the earlier (or the later) one is first.
template <bool DESCENDING, bool LAST> struct LmOrder {
  template <class X> LM bool less(X a, X b) { return a < b || (a == a && b != b); }
  template <class X> LM bool before(const LmBest<X>& a, const LmBest<X>& b) {
    const bool up = less(a.value, b.value), down = less(b.value, a.value);
    if (up || down) return DESCENDING ? down : up;
    return LAST ? a.at > b.at : a.at < b.at;
  }
  // The same where positions from `line` on come last.
  template <class X> LM bool before_in_line(const LmBest<X>& a, const LmBest<X>& b, long line) {
    if (a.at >= line || b.at >= line) return a.at < b.at;
    return before(a, b);
  }
  template <class X> LM LmBest<X> first(const LmBest<X>& a, const LmBest<X>& b) {
    return a.at < 0 || (b.at >= 0 && before(b, a)) ? b : a;
  }
};

// The first of all threads' elements, by way of one per warp: all threads get it.
template <class O, int WARPS, class X>
LM LmBest<X> lm_best_of_block(LmBest<X> best, X* values, long* positions) {
  for (int step = 16; step > 0; step /= 2) {
    const LmBest<X> other{lm_shuffle_xor(best.value, step), lm_shuffle_xor(best.at, step)};
    best = O::first(best, other);
  }
  LM_SYNC();
  if (lm_thread() % 32 == 0) {
    values[lm_thread() / 32] = best.value;
    positions[lm_thread() / 32] = best.at;
  }
  LM_SYNC();
  LmBest<X> first{values[0], positions[0]};
  for (int w = 1; w < WARPS; ++w) first = O::first(first, LmBest<X>{values[w], positions[w]});
  return first;
}
)lm";

}  // namespace lamina::cuda
