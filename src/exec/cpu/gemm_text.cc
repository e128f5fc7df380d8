// Register tiles: outer products unrolled over rows, panels and a few steps of K.
#include "exec/cpu/gemm_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace lamina::cpu {
namespace {

constexpr int kDepth = 256;  // deepest block of K that is summed on its own
constexpr int kUnroll = 4;   // steps of K per turn of a tile's loop

using Holes = std::initializer_list<std::pair<std::string_view, std::string>>;

// `text` with every $HOLE filled.
std::string fill(std::string text, Holes holes) {
  for (const auto& [hole, value] : holes) {
    for (std::size_t at = text.find(hole); at != text.npos; at = text.find(hole, at)) {
      text.replace(at, hole.size(), value);
      at += value.size();
    }
  }
  return text;
}

struct Tile {
  const TileShape& shape;
  DType packed;
  int rows;
  int panels;
  bool scattered = false;
  bool in_place = false;  // b is not packed: its rows are b_step apart, panels side by side

  bool rows_longer() const { return rows >= panels * shape.vectors; }
  int vectors() const { return panels * shape.vectors; }
};

std::string sum(int row, int vector) { return fmt::format("c{}_{}", row, vector); }

// Vector `index` of a step's weights. Two bf16 columns share a word, so a vector of words holds the
// even columns in its upper and the odd ones in its lower halves; sums are put back in order when
// they are loaded and stored.
std::string weights(const Tile& tile, int step, int index) {
  const int panel = index / tile.shape.vectors;
  const int v = index % tile.shape.vectors;
  const int row = step * tile.shape.panel();
  if (tile.in_place) {
    return fmt::format("lm_load<vf>(p0 + {} * b_step + {})", step, index * tile.shape.lanes);
  }
  if (tile.packed == DType::kF32) {
    return fmt::format("*(const vf*)(p{} + {})", panel, row + v * tile.shape.lanes);
  }
  const std::string words =
      fmt::format("*(const vu*)(p{} + {})", panel, row + v / 2 * 2 * tile.shape.lanes);
  return v % 2 == 0 ? fmt::format("(vf)({} << 16)", words)
                    : fmt::format("(vf)({} & 0xffff0000u)", words);
}

// An operand that several sums use. Left alone, GCC folds a load into each of those uses, and the
// loads then take longer than the multiply-adds; the empty asm keeps it in a register.
std::string pinned(const std::string& name, const std::string& value) {
  return fmt::format("vf {} = {}; LM_PIN({});", name, value, name);
}

std::string factor(const Tile&, int step, int row) {
  return fmt::format("a{}[s + {}] - vf{{}}", row, step);
}

// One step of K: an outer product. The shorter side's operands stay in registers while the longer
// side's pass through a single one, which leaves the most registers for sums.
std::string step_text(const Tile& tile, int step) {
  std::string out = "    {\n";
  if (tile.rows_longer()) {
    for (int v = 0; v < tile.vectors(); ++v) {
      out += "      " + pinned(fmt::format("b{}", v), weights(tile, step, v)) + "\n";
      if (!tile.in_place || tile.panels > 1) continue;
      out += fmt::format("      if constexpr (KEEP) *(vf*)(keep + {}) = b{};\n",
                         step * tile.shape.panel() + v * tile.shape.lanes, v);
    }
    for (int r = 0; r < tile.rows; ++r) {
      out += fmt::format("      {{ vf x = {};", factor(tile, step, r));
      for (int v = 0; v < tile.vectors(); ++v) out += fmt::format(" {} += x * b{};", sum(r, v), v);
      out += " }\n";
    }
    return out + "    }\n";
  }
  for (int r = 0; r < tile.rows; ++r) {
    out += fmt::format("      vf x{} = {};\n", r, factor(tile, step, r));
  }
  for (int v = 0; v < tile.vectors(); ++v) {
    const std::string value = weights(tile, step, v);
    out += "      { " + (tile.rows > 1 ? pinned("y", value) : "vf y = " + value + ";");
    for (int r = 0; r < tile.rows; ++r) out += fmt::format(" {} += x{} * y;", sum(r, v), r);
    out += " }\n";
  }
  return out + "    }\n";
}

// Lines of the weights that one turn of a tile fetches: half of those it reads.
int lines_per_turn(const Tile& tile) {
  const int element = tile.packed == DType::kF32 ? 4 : 2;
  return std::max(1, kUnroll * tile.shape.panel() * element / 64 / 2);
}

// Tiles of several panels are alone and stream by themselves.
std::string prefetch_text(const Tile& tile) {
  if (tile.panels > 1 || tile.scattered || tile.in_place) return "";
  std::string out = "    if (fetch) {\n";
  for (int line = 0; line < lines_per_turn(tile); ++line) {
    out += fmt::format("      __builtin_prefetch(fetch + {}, 0, 2);\n", 64 * line);
  }
  return out + fmt::format("      fetch += {};\n    }}\n", 64 * lines_per_turn(tile));
}

// Adds the sums in memory to those of a tile, or stores the tile's; bf16 panels keep them in the
// order even, odd.
std::string sums_text(const Tile& tile, bool add) {
  std::string out;
  for (int r = 0; r < tile.rows; ++r) {
    for (int v = 0; v < tile.vectors(); ++v) {
      const std::string at =
          fmt::format("sums + {} * sums_step + {} * row_step + {}", v / tile.shape.vectors, r,
                      v % tile.shape.vectors * tile.shape.lanes);
      const std::string place = fmt::format("*(LmRow<float, LM_F>::unaligned*)({})", at);
      if (tile.packed == DType::kF32) {
        out += add ? fmt::format("    {} += {};\n", sum(r, v), place)
                   : fmt::format("  {} = {};\n", place, sum(r, v));
      } else if (v % 2 == 0 && add) {
        out += fmt::format("    lm_split({0}, even, odd);\n    {1} += even;\n    {2} += odd;\n", at,
                           sum(r, v), sum(r, v + 1));
      } else if (v % 2 == 0) {
        out += fmt::format("    lm_join({}, {}, {});\n", at, sum(r, v), sum(r, v + 1));
      }
    }
  }
  return out;
}

std::string each(int count, std::string_view pattern) {
  std::string out;
  for (int i = 0; i < count; ++i) out += fmt::format(fmt::runtime(pattern), i);
  return out;
}

std::string zero_text(const Tile& tile) {
  std::string out;
  for (int r = 0; r < tile.rows; ++r) {
    for (int v = 0; v < tile.vectors(); ++v) out += fmt::format("  vf {} = {{}};\n", sum(r, v));
  }
  return out;
}

std::string tile_text(const Tile& tile, const std::string& prefix) {
  std::string body;
  for (int s = 0; s < kUnroll; ++s) body += step_text(tile, s);
  std::string panels = each(tile.panels, "  const $WORD* p{0} = b + {0} * panel_step;\n");
  std::string advance = each(tile.panels, "    p{0} += $STEP;\n");
  if (tile.in_place) {
    panels = "  const T* p0 = b;\n";
    advance = "    p0 += $UNROLL * b_step;\n    keep += KEEP ? $STEP : 0;\n";
  }
  return fill(
      R"(
$TEMPLATE static __attribute__((noinline)) void $NAME_$ROWS_$PANELS(
    $OPERAND, const $WORD* b, long $B_STEP, long k, float* sums, long row_step,
    long sums_step, bool first$EXTRA) {
$STARTS$ZERO$PIECES$FACTORS  long s = 0;
  for (; s + $UNROLL <= k; s += $UNROLL) {
$PREFETCH$BODY$ADVANCE  }
  for (; s < k; ++s) {
$LAST$NEXT  }
$CLOSE
  // A block of K is summed on its own, then added: one long chain of additions would round against
  // the whole sum at every step.
  if (!first) {
$BOTH$ADD  }
$STORE}
)",
      {{"$NAME", prefix},
       {"$ROWS", std::to_string(tile.rows)},
       {"$PANELS", std::to_string(tile.panels)},
       {"$OPERAND", tile.scattered ? "const float* const* a, long lda, long pieces, long skip"
                                   : "const float* a, long lda"},
       {"$TEMPLATE", tile.in_place ? "template <bool KEEP, class T>" : ""},
       {"$B_STEP", tile.in_place ? "b_step" : "panel_step"},
       {"$EXTRA", tile.in_place    ? ", float* keep"
                  : tile.scattered ? ""
                                   : ", const char* fetch"},
       {"$PIECES", tile.scattered ? "  for (long t = 0; t < pieces; ++t) {\n" : ""},
       {"$CLOSE", tile.scattered ? "  }" : ""},
       {"$FACTORS",
        each(tile.rows, tile.scattered ? "  const float* a{0} = a[{0} * lda + t] + skip;\n"
                                       : "  const float* a{0} = a + {0} * lda;\n")},
       {"$PREFETCH", prefetch_text(tile)},
       {"$STARTS", panels},
       {"$ZERO", zero_text(tile)},
       {"$BOTH", tile.packed == DType::kF32 ? "" : "    vf even, odd;\n"},
       {"$ADD", sums_text(tile, true)},
       {"$STORE", sums_text(tile, false)},
       {"$BODY", body},
       {"$LAST", step_text(tile, 0)},
       {"$ADVANCE", advance},
       {"$NEXT", tile.in_place ? "    p0 += b_step; keep += KEEP ? $WIDTH : 0;\n"
                               : each(tile.panels, "    p{0} += $WIDTH;\n")},
       {"$UNROLL", std::to_string(kUnroll)},
       {"$STEP", std::to_string(kUnroll * tile.shape.panel())},
       {"$WIDTH", std::to_string(tile.shape.panel())},
       {"$WORD", tile.in_place ? "T" : packed_type(tile.packed)}});
}

// Adds the row counts that dealing `rows` rows evenly to tiles gives.
void deal(const TileShape& shape, std::int64_t rows, std::set<int>& counts) {
  const std::int64_t tiles = (rows + shape.max_rows - 1) / shape.max_rows;
  counts.insert(static_cast<int>(rows / tiles));
  if (rows % tiles != 0) counts.insert(static_cast<int>(rows / tiles + 1));
}

// Row counts that dealing `spec.rows` rows evenly to tiles can give.
std::set<int> row_counts(const TileShape& shape, const TileSpec& spec) {
  std::set<int> counts;
  if (spec.rows > 0 && !spec.ragged) {
    deal(shape, spec.rows, counts);
  } else {
    const std::int64_t most = spec.rows > 0 ? spec.rows : shape.max_rows;
    for (std::int64_t r = 1; r <= std::min<std::int64_t>(most, shape.max_rows); ++r)
      deal(shape, r, counts);
  }
  return counts;
}

std::string halves_text(const TileShape& shape) {
  std::string even, odd, low, high;
  for (int i = 0; i < shape.lanes; ++i) {
    even += fmt::format(", {}", 2 * i);
    odd += fmt::format(", {}", 2 * i + 1);
    low += fmt::format(", {}", i / 2 + (i % 2) * shape.lanes);
    high += fmt::format(", {}", (shape.lanes + i) / 2 + (i % 2) * shape.lanes);
  }
  return fill(R"(
#ifndef LM_SPLIT
#define LM_SPLIT
typedef LmRow<float, LM_F>::unaligned lm_vf_any;
LM void lm_split(const float* p, vf& even, vf& odd) {
  vf low = *(const lm_vf_any*)p, high = *(const lm_vf_any*)(p + LM_F);
  even = __builtin_shufflevector(low, high$EVEN);
  odd = __builtin_shufflevector(low, high$ODD);
}
LM void lm_join(float* p, vf even, vf odd) {
  *(lm_vf_any*)p = __builtin_shufflevector(even, odd$LOW);
  *(lm_vf_any*)(p + LM_F) = __builtin_shufflevector(even, odd$HIGH);
}
#endif
)",
              {{"$EVEN", even}, {"$ODD", odd}, {"$LOW", low}, {"$HIGH", high}});
}

constexpr std::string_view kPin = R"(
#ifndef LM_PIN
#if defined(__aarch64__)
#define LM_PIN(x) asm("" : "+w"(x))
#elif defined(__AVX512F__)
#define LM_PIN(x) asm("" : "+v"(x))
#else
#define LM_PIN(x) asm("" : "+x"(x))
#endif
#endif
)";

// Rows are dealt evenly: 4 + 4, not 5 + 3. One tile of rows takes several panels side by side.
std::string driver_text(const TileShape& shape, const TileSpec& spec, const std::set<int>& counts) {
  std::string wide, narrow;
  for (const int rows : counts) {
    const int group = shape.panels_in_flight(rows);
    if (group > 1) {
      wide += fmt::format(
          "  if (rows == {0}) for (; p + {1} <= panels; p += {1})\n"
          "    for (long s = 0; s == 0 || s < k; s += {3})\n"
          "      {2}_{0}_{1}(a + s, lda, b + p * panel_step + s * {4}, panel_step,\n"
          "        k - s < {3} ? k - s : {3}, sums + p * sums_step, row_step, sums_step,\n"
          "        first && s == 0, nullptr);\n",
          rows, group, spec.prefix, kDepth, shape.panel());
    }
    narrow += fmt::format(
        "        if (part == {0})\n"
        "          {1}_{0}_1(a + r * lda + s, lda, panel, panel_step, span,\n"
        "            sums + p * sums_step + r * row_step, row_step, sums_step, first && s == 0,\n"
        "            t < parts ? fetch + t * half : nullptr);\n",
        rows, spec.prefix);
  }
  return fill(R"(
static inline void $NAME_panels(
    const float* a, long lda, long rows, const $WORD* b, long panel_step, long panels, long k,
    float* sums, long row_step, long sums_step, bool first) {
  long p = 0;
$WIDE  const long count = (rows + $MAX - 1) / $MAX;
  // Tiles pass over a panel in blocks of K that stay in the first-level cache. Two of several tiles
  // fetch half each of the block that follows; a lone tile needs no help.
  const long blocks = (k + $DEPTH - 1) / $DEPTH, parts = count > 1 ? 2 : 0;
  const long depth = blocks > 1 ? ((k + blocks - 1) / blocks + 3) / 4 * 4 : k;
  const long half = depth / $UNROLL * $LINES * 64;
  for (; p < panels; ++p)
    for (long block = 0, s = 0; block < (blocks > 1 ? blocks : 1); ++block, s += depth) {
      const long span = k - s < depth ? k - s : depth;
      const $WORD* panel = b + p * panel_step + s * $WIDTH;
      const char* fetch = (const char*)(panel + span * $WIDTH);
      for (long t = 0, r = 0; t < count; ++t) {
        const long part = rows / count + (t < rows % count);
$NARROW        r += part;
      }
    }
}
)",
              {{"$NAME", spec.prefix},
               {"$WORD", packed_type(spec.packed)},
               {"$MAX", std::to_string(shape.max_rows)},
               {"$DEPTH", std::to_string(kDepth)},
               {"$WIDTH", std::to_string(shape.panel())},
               {"$UNROLL", std::to_string(kUnroll)},
               {"$LINES", std::to_string(lines_per_turn({shape, spec.packed, 1, 1}))},
               {"$WIDE", wide},
               {"$NARROW", narrow}});
}

}  // namespace

TileShape::TileShape(const Target& target, int vectors) : lanes(target.lanes(4)), vectors(vectors) {
  // 32 registers with 64-byte vectors, 16 with 32-byte ones: sums that leave GCC one to spare, as
  // it keeps more than one factor and would spill a sum else.
  const bool many = target.vector_bytes == 64;
  if (many) accumulators = 24;
  if (vectors == 1) max_rows = many ? 12 : 8;
  if (vectors == 2) max_rows = many ? 12 : 5;
  if (vectors == 3) max_rows = many ? 7 : 3;
}

TileShape TileShape::of_columns(const Target& target, std::int64_t columns) {
  const int lanes = target.lanes(4);
  const auto computed = [&](int vectors) {
    const std::int64_t panel = vectors * lanes;
    return (columns + panel - 1) / panel * panel;
  };
  // Panels of one vector load two operands for a sum: only where there is nothing else to sum.
  if (columns <= lanes) return TileShape(target, 1);
  return TileShape(target, 20 * computed(3) <= 19 * computed(2) ? 3 : 2);
}

int TileShape::panels_in_flight(int rows) const {
  int panels = 1;
  while (panels < 4 && panels * 2 * rows * vectors <= accumulators) panels *= 2;
  return panels;
}

std::string packed_type(DType packed) {
  check(packed == DType::kF32 || packed == DType::kBF16, "panels of {}", traits(packed).name);
  return packed == DType::kF32 ? "float" : "unsigned short";
}

std::string tiles_text(const Target& target, const TileSpec& spec) {
  const TileShape shape(target, spec.vectors);
  const std::set<int> counts = row_counts(shape, spec);
  std::string out(kPin);
  if (spec.packed == DType::kBF16) out += halves_text(shape);
  for (const int rows : counts) {
    const int group = shape.panels_in_flight(rows);
    out += tile_text({shape, spec.packed, rows, 1}, spec.prefix);
    if (group > 1) out += tile_text({shape, spec.packed, rows, group}, spec.prefix);
  }
  return out + driver_text(shape, spec, counts);
}

SeparateTiles in_place_tiles_text(const Target& target, const TileSpec& spec) {
  const TileShape shape(target);
  const std::set<int> counts = row_counts(shape, spec);
  SeparateTiles tiles{"", {counts.begin(), counts.end()}};
  for (const int rows : counts) {
    const int group = shape.panels_in_flight(rows);
    const std::string prefix = spec.prefix + "_at";
    tiles.text += tile_text({shape, DType::kF32, rows, 1, false, true}, prefix);
    if (group > 1) tiles.text += tile_text({shape, DType::kF32, rows, group, false, true}, prefix);
  }
  return tiles;
}

SeparateTiles scattered_tiles_text(const TileShape& shape, const std::string& prefix,
                                   const std::vector<std::int64_t>& blocks) {
  std::set<int> counts;
  for (const std::int64_t rows : blocks) deal(shape, rows, counts);
  if (blocks.empty()) counts = row_counts(shape, {});
  SeparateTiles tiles{std::string(kPin), {counts.begin(), counts.end()}};
  for (const int rows : counts) {
    const int group = shape.panels_in_flight(rows);
    tiles.text += tile_text({shape, DType::kF32, rows, 1, true}, prefix);
    if (group > 1) tiles.text += tile_text({shape, DType::kF32, rows, group, true}, prefix);
  }
  return tiles;
}

}  // namespace lamina::cpu
