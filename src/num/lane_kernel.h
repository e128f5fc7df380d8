// One kernel of products of residues for each kind of CPU. This header is all that the kernels
// include: they are compiled for CPUs that may not be there, and no shared inline function may be.
#pragma once

#include <cstdint>

namespace lamina {

constexpr int kKernelLanes = 4;

// One element.
struct alignas(32) LaneWords {
  std::uint64_t lane[kKernelLanes];
};

// The moduli of all lanes, all below 2^50, or all below 2^31 and then `narrow`.
struct LaneModuli {
  LaneWords value;
  bool narrow;
  LaneWords power_26, power_30, power_50, power_76;  // residues of powers of two
};

struct LaneKernel {
  static constexpr std::int64_t kMostTerms = 512;

  const char* name;
  // Of a block of the product. Panels of a block are [depth][rows or columns].
  int rows;
  int columns;
  // Writes what stands for `count` residues to every `stride`-th element of a panel.
  void (*pack)(const LaneWords* from, std::int64_t count, const LaneModuli& moduli, LaneWords* to,
               std::int64_t stride);
  // The residues of all sums of a block, row by row, of at most kMostTerms terms each.
  void (*block)(const LaneWords* a, const LaneWords* b, std::int64_t depth,
                const LaneModuli& moduli, LaneWords* sums);
};

extern const LaneKernel kPortableKernel;
#if defined(__x86_64__)
extern const LaneKernel kFmaKernel;   // AVX2 and FMA
extern const LaneKernel kIfmaKernel;  // AVX-512 F, VL, DQ and IFMA
#endif

}  // namespace lamina
