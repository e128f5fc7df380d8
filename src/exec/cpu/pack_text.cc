// Packing while running: squares of vectors are transposed in registers where the columns of the
// matrix lie along its rows in memory.
#include <fmt/core.h>

#include <vector>

#include "exec/cpu/emit_common.h"
#include "exec/cpu/gemm_text.h"

namespace lamina::cpu {
namespace {

std::string shuffle(int to, int a, int b, const std::vector<int>& lanes) {
  std::string text = fmt::format("  vf t{} = __builtin_shufflevector(r[{}], r[{}]", to, a, b);
  for (const int lane : lanes) text += fmt::format(", {}", lane);
  return text + ");\n";
}

// Rows a and b exchange parts: lane i of the new a is that of the old a where (i & width) == 0,
// else lane i - width of b; the new b has the rest.
struct Exchange {
  std::vector<int> a;
  std::vector<int> b;
};

Exchange exchange(int lanes, int width) {
  Exchange result;
  for (int i = 0; i < lanes; ++i) {
    const bool stays = (i & width) == 0;
    result.a.push_back(stays ? i : lanes + i - width);
    result.b.push_back(stays ? i + width : lanes + i);
  }
  return result;
}

// The first and the second half of every four lanes of a and b in turn: a0 b0 a1 b1.
Exchange interleave(int lanes) {
  Exchange result;
  for (int i = 0; i < lanes; ++i) {
    const int from = i / 4 * 4 + i % 4 / 2 + i % 2 * lanes;
    result.a.push_back(from);
    result.b.push_back(from + 2);
  }
  return result;
}

// One step: rows i and i + distance are combined, for all i without that bit.
std::string step(int lanes, int distance, const Exchange& how) {
  std::string text = "  {\n";
  for (int i = 0; i < lanes; ++i) {
    if ((i & distance) != 0) continue;
    text += shuffle(i, i, i + distance, how.a) + shuffle(i + distance, i, i + distance, how.b);
  }
  for (int i = 0; i < lanes; ++i) text += fmt::format("  r[{0}] = t{0};\n", i);
  return text + "  }\n";
}

// r[i][j] becomes r[j][i]: squares of four within each quarter of a register, for which processors
// have single instructions, then whole quarters.
std::string transpose_text(int lanes) {
  std::string text = "static inline __attribute__((always_inline)) void NAME_transpose(vf* r) {\n";
  text += step(lanes, 1, interleave(lanes)) + step(lanes, 2, exchange(lanes, 2));
  for (int width = 4; width < lanes; width *= 2) text += step(lanes, width, exchange(lanes, width));
  for (int i = 0; i < lanes; i += 4) {
    text += fmt::format("  {{ vf x = r[{0}]; r[{0}] = r[{1}]; r[{1}] = x; }}\n", i + 1, i + 2);
  }
  return text + "}\n";
}

constexpr std::string_view kPack = R"(
template <long NR, class T>
static inline void NAME_pack(float* to, const T* from, long k_step, long n_step, long k, long n) {
  // Rows that lie far apart: a few panels at once use all that a fetch brings.
  long p = 0;
  for (; n_step == 1 && p + 4 * NR <= n; p += 4 * NR, to += 4 * k * NR)
    for (long s = 0; s < k; ++s) {
      const T* row = from + s * k_step + p;
      for (long j = 0; j < 4 * NR; j += 64 / sizeof(T))
        __builtin_prefetch(row + 8 * k_step + j);
      for (long q = 0; q < 4; ++q)
        for (long j = 0; j < NR; j += LM_F)
          lm_store(to + (q * k + s) * NR + j, lm_load<vf>(row + q * NR + j));
    }
  for (; p < n; p += NR, to += k * NR) {
    const long count = n - p < NR ? n - p : NR;
    const T* panel = from + p * n_step;
    if (n_step == 1) {
      for (long s = 0; s < k; ++s)
        for (long j = 0; j < NR; j += LM_F)
          lm_store(to + s * NR + j, lm_load<vf>(panel + s * k_step + j, count - j));
      continue;
    }
    long done = 0;
    for (; k_step == 1 && done + LM_F <= k; done += LM_F)
      for (long j = 0; j < NR; j += LM_F) {
        vf r[LM_F];
        for (long i = 0; i < LM_F; ++i)
          r[i] = j + i < count ? lm_load<vf>(panel + (j + i) * n_step + done) : vf{};
        NAME_transpose(r);
        for (long i = 0; i < LM_F; ++i) lm_store(to + (done + i) * NR + j, r[i]);
      }
    for (long s = done; s < k; ++s)
      for (long j = 0; j < NR; ++j)
        to[s * NR + j] = j < count ? lm_load<float>(panel + s * k_step + j * n_step) : 0.0f;
  }
}
)";

}  // namespace

std::string pack_text(const Target& target) {
  return transpose_text(target.lanes(4)) + std::string(kPack);
}

}  // namespace lamina::cpu
