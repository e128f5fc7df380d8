// One kernel of products of residues for each kind of CPU. This header is all that the kernels
// include: they are compiled for CPUs that may not be there, and no shared inline function may be.
#pragma once

#include <cstdint>

namespace lamina {

constexpr int kKernelLanes = 4;

// One element of a panel.
struct alignas(32) LaneWords {
  std::uint64_t lane[kKernelLanes];
};

// high * 2^LaneKernel::scale + low, for each lane.
struct LaneSum {
  std::int64_t high[kKernelLanes];
  std::int64_t low[kKernelLanes];
};

struct LaneKernel {
  static constexpr std::int64_t kMostTerms = 2048;
  static constexpr std::int64_t kNarrow = std::int64_t{1} << 31;  // moduli up to this are narrow

  const char* name;
  // Of a block of the product. Panels of a block have [depth][rows or columns].
  int rows;
  int columns;
  int scale;         // for moduli below 2^50
  int narrow_scale;  // for moduli below 2^31
  // The word of a panel that stands for a residue below `modulus`.
  std::uint64_t (*word)(std::uint64_t residue, std::uint64_t modulus);
  // All sums of a block, row by row, of at most kMostTerms terms each.
  void (*block)(const LaneWords* a, const LaneWords* b, std::int64_t depth, LaneSum* sums);
  void (*narrow_block)(const LaneWords* a, const LaneWords* b, std::int64_t depth, LaneSum* sums);
};

extern const LaneKernel kPortableKernel;
#if defined(__x86_64__)
extern const LaneKernel kFmaKernel;   // AVX2 and FMA
extern const LaneKernel kIfmaKernel;  // AVX-512 F, VL, DQ and IFMA
#endif

}  // namespace lamina
