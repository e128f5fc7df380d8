// The text of the register tiles of matrix products: sums[rows, N] (+)= a[rows, K] * b[K, N] with
// b packed in panels as PackRequest says (kernel.h), sums in f32.
#pragma once

#include <string>

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// Shape of the tiles for a target. A panel is `vectors` vectors of floats wide.
struct TileShape {
  int lanes = 8;
  int vectors = 2;
  int max_rows = 5;       // sums, weights and one factor fill the registers
  int accumulators = 12;  // sums that are in flight: short tiles take several panels side by side

  explicit TileShape(const Target& target);
  int panel() const { return lanes * vectors; }
  int panels_in_flight(int rows) const;
};

struct TileSpec {
  std::string prefix = "mm";   // of the names in the text
  DType packed = DType::kF32;  // kF32 or kBF16: elements of the panels
  std::int64_t rows = 0;       // 0: any number; else no more than these row counts occur
  bool ragged = false;         // `rows` is the most; any smaller number may occur too
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

}  // namespace lamina::cpu
