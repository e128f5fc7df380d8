// The text of the register tiles of matrix products: sums[rows, N] (+)= a[rows, K] * b[K, N] with
// b packed in panels as PackRequest says (kernel.h), sums in f32; and of packing while running.
#pragma once

#include <string>
#include <vector>

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// Shape of the tiles for a target. A panel is `vectors` vectors of floats wide.
struct TileShape {
  int lanes = 8;
  int vectors = 2;
  int max_rows = 5;       // sums, weights and one factor fill the registers
  int accumulators = 12;  // sums that are in flight: short tiles take several panels side by side

  explicit TileShape(const Target& target, int vectors = 2);
  // Panels as wide as leaves fewest columns empty: one, two or three vectors.
  static TileShape of_columns(const Target& target, std::int64_t columns);
  int panel() const { return lanes * vectors; }
  int panels_in_flight(int rows) const;
};

struct TileSpec {
  std::string prefix = "mm";   // of the names in the text
  DType packed = DType::kF32;  // kF32 or kBF16: elements of the panels
  std::int64_t rows = 0;       // 0: any number; else no more than these row counts occur
  bool ragged = false;         // `rows` is the most; any smaller number may occur too
  int vectors = 2;             // of a panel; bf16 panels have two
};

// The C type of packed elements: float or unsigned short.
std::string packed_type(DType packed);

// Text that defines the tiles and
//   void PREFIX_panels(const float* a, long lda, long rows, const PACKED* b, long panel_step,
//                      long panels, long k, float* sums, long row_step, long sums_step, bool first)
// which computes `panels` panels: panel p of b begins at b + p * panel_step, its sums at
// sums + p * sums_step, rows row_step apart. `first` sets the sums, else they are added to. Each
// sum is one chain of multiply-adds over k in order, whatever the tile.
std::string tiles_text(const Target& target, const TileSpec& spec);

// Tiles alone, for rows that lie in pieces, as the windows of a convolution do:
//   void PREFIX_ROWS_PANELS(const float* const* a, long lda, long pieces, long skip, const float*
//   b,
//                           long panel_step, long k, float* sums, long row_step, long sums_step,
//                           bool first)
// Row r is the elements [skip, skip + k) of a[r * lda], a[r * lda + 1], ..., a[r * lda + pieces -
// 1], one after the other.
struct SeparateTiles {
  std::string text;
  std::vector<int> rows;  // of the tiles: each with one panel, and with panels_in_flight(rows)
};
// The tiles that dealing blocks of so many rows evenly needs; none given: blocks of any size.
SeparateTiles scattered_tiles_text(const TileShape& shape, const std::string& prefix,
                                   const std::vector<std::int64_t>& blocks);

// Tiles alone that read b where it lies, row s of it at b + s * b_step, in any storage type:
//   template <bool KEEP, class T>
//   void PREFIX_at_ROWS_PANELS(const float* a, long lda, const T* b, long b_step, long k,
//                              float* sums, long row_step, long sums_step, bool first, float* keep)
// With KEEP, tiles of one panel also leave it packed at `keep`.
SeparateTiles in_place_tiles_text(const Target& target, const TileSpec& spec);

// Text that defines, beside tiles_text and pack_text,
//   template <class T>
//   void PREFIX_strips(const float* a, long lda, long rows, const T* b, long k_step, long n_step,
//                      long k, long n, float* panel, float* sums, long row_step, bool first)
// for a b that is not packed: element (s, j) at b + s * k_step + j * n_step. `panel` holds one
// panel, kStripDepth deep.
constexpr int kStripDepth = 64;
std::string strips_text(const Target& target, const TileSpec& spec);

// Text that defines, NAME in front of the names of functions,
//   template <long NR, class T>
//   void NAME_pack(float* to, const T* from, long k_step, long n_step, long k, long n)
// which packs k rows of n columns, element (s, j) at from + s * k_step + j * n_step, into panels of
// NR columns, the missing ones zero. Where rows or columns are contiguous it moves vectors.
std::string pack_text(const Target& target);

}  // namespace lamina::cpu
