// Products whose second factor is read once. Packing all of it first would wait for memory, then
// multiply; here the first tile of rows reads a panel where it lies and leaves it packed, in the
// first-level cache, for the other tiles, and while tiles pass over a strip of four panels, lines
// of the next strip are fetched. A lone tile of rows packs nothing and takes several panels.
#include <fmt/core.h>

#include "exec/cpu/gemm_text.h"

namespace lamina::cpu {
namespace {

// Panels in a strip: columns that lie side by side fill whole lines, whatever their type.
constexpr int kStripPanels = 4;

constexpr std::string_view kStrips = R"(
template <class T>
static inline void $NAME_strips(
    const float* a, long lda, long rows, const T* b, long k_step, long n_step, long k, long n,
    float* panel, float* sums, long row_step, bool first) {
  enum : long { NR = $WIDTH, wide = $PANELS * NR };
  const long tiles = (rows + $MAX - 1) / $MAX;
  // Few rows wait for memory rather than for sums: strips that are fetched just before their use.
  const long deep = tiles > 1 && rows <= 32 ? $DEEP / 2 : $DEEP;
  // Rows of b so short that a panel stays in the first-level cache where it lies.
  const bool near = sizeof(T) == 4 && k_step * sizeof(T) <= 256;
  for (long p = 0; p < n; p += wide)
    for (long s = 0; s == 0 || s < k; s += deep) {
      const long columns = n - p < wide ? n - p : (long)wide;
      const long span = k - s < deep ? k - s : deep;
      const T* strip = b + s * k_step + p * n_step;
      const bool down = s + deep < k, set = first && s == 0;
      const T* next = down ? strip + deep * k_step : b + (p + wide) * n_step;
      if (!down && p + wide >= n) next = nullptr;
      long q = 0;
      if (n_step == 1 && tiles == 1) {
        for (long i = 0; next && i < span; ++i)
          for (long j = 0; j < wide; j += 64 / sizeof(T))
            __builtin_prefetch(next + i * k_step + j, 0, 2);
$ALONE      }
      for (; q < columns; q += NR) {
        float* to = sums + p + q;
        const long count = columns - q < NR ? columns - q : (long)NR;
        if (n_step != 1 || count < NR) {
          for (long j = 0; next && n_step != 1 && j < count; ++j)
            for (long i = 0; i < span; i += 64 / sizeof(T))
              __builtin_prefetch(next + (q + j) * n_step + i * k_step, 0, 2);
          NAME_pack<NR>(panel, strip + q * n_step, k_step, n_step, span, count);
          $NAME_panels(a + s, lda, rows, panel, 0, 1, span, to, row_step, 0, set);
          continue;
        }
        for (long t = 0, r = 0; t < tiles; ++t) {
          const long part = rows / tiles + (t < rows % tiles);
          for (long i = t * span / tiles; next && i < (t + 1) * span / tiles; ++i)
            __builtin_prefetch(next + i * k_step + q, 0, 2);
$TILES          r += part;
        }
      }
    }
}
)";

void replace(std::string& text, std::string_view hole, const std::string& value) {
  for (std::size_t at = text.find(hole); at != text.npos; at = text.find(hole, at)) {
    text.replace(at, hole.size(), value);
    at += value.size();
  }
}

}  // namespace

std::string strips_text(const Target& target, const TileSpec& spec) {
  const TileShape shape(target);
  const SeparateTiles in_place = in_place_tiles_text(target, spec);
  std::string alone, tiles;
  for (const int rows : in_place.rows) {
    for (const int group : {shape.panels_in_flight(rows), 1}) {
      alone += fmt::format(
          "        if (rows == {0}) for (; q + {1} * NR <= columns; q += {1} * NR)\n"
          "          $NAME_at_{0}_{1}<false>(a + s, lda, strip + q, k_step, span, sums + p + q,\n"
          "            row_step, NR, set, nullptr);\n",
          rows, group);
    }
    tiles += fmt::format(
        "          if (part == {0} && near)\n"
        "            $NAME_at_{0}_1<false>(a + r * lda + s, lda, strip + q, k_step, span,\n"
        "              to + r * row_step, row_step, 0, set, nullptr);\n"
        "          else if (part == {0} && t == 0)\n"
        "            $NAME_at_{0}_1<true>(a + s, lda, strip + q, k_step, span, to, row_step, 0,\n"
        "              set, panel);\n"
        "          else if (part == {0})\n"
        "            $NAME_{0}_1(a + r * lda + s, lda, panel, 0, span, to + r * row_step,\n"
        "              row_step, 0, set, nullptr);\n",
        rows);
  }
  std::string out = in_place.text + std::string(kStrips);
  replace(out, "$ALONE", alone);
  replace(out, "$TILES", tiles);
  replace(out, "$NAME", spec.prefix);
  replace(out, "$WIDTH", std::to_string(shape.panel()));
  replace(out, "$PANELS", std::to_string(kStripPanels));
  replace(out, "$DEEP", std::to_string(kStripDepth));
  replace(out, "$MAX", std::to_string(shape.max_rows));
  return out;
}

}  // namespace lamina::cpu
