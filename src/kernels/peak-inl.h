// Loops that show what one core can do, compiled per instruction set: LAMINA_ISA names the
// namespace, LAMINA_VECTOR_BYTES the vector width.
#include <cstdint>

namespace lamina::kernels::LAMINA_ISA {

typedef float Vector __attribute__((vector_size(LAMINA_VECTOR_BYTES)));

// `iterations` rounds of 12 independent chains of multiply-adds; returns something that depends on
// all of them. Twelve chains hide the latency of four cycles at two operations a cycle.
float multiply_add_chains(std::int64_t iterations) {
  constexpr int kChains = 12;
  Vector chain[kChains];
  for (int c = 0; c < kChains; ++c) chain[c] = Vector{} + static_cast<float>(c);
  const Vector scale = Vector{} + 0.5f;
  for (std::int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chain[c] = chain[c] * scale + scale;
  }
  Vector total{};
  for (int c = 0; c < kChains; ++c) total += chain[c];
  return total[0];
}

}  // namespace lamina::kernels::LAMINA_ISA
