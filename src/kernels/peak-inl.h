// Loops that show what one core can do, compiled per instruction set: LAMINA_ISA names the
// namespace, LAMINA_VECTOR_BYTES the vector width.
#include <cstddef>
#include <cstdint>
#include <cstring>

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

// The exclusive or of words[0, count), in whole vectors as far as they go.
std::uint64_t read_words(const std::uint64_t* words, std::size_t count) {
  typedef std::uint64_t Words __attribute__((vector_size(LAMINA_VECTOR_BYTES)));
  constexpr std::size_t kLanes = LAMINA_VECTOR_BYTES / sizeof(std::uint64_t);
  constexpr std::size_t kVectors = 8;
  Words partial[kVectors] = {};
  std::size_t i = 0;
  for (; i + kVectors * kLanes <= count; i += kVectors * kLanes) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) {
      Words read;
      std::memcpy(&read, words + i + v * kLanes, sizeof(read));
      partial[v] ^= read;
    }
  }
  std::uint64_t total = 0;
  for (; i < count; ++i) total ^= words[i];
  for (const Words& vector : partial) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) total ^= vector[lane];
  }
  return total;
}

}  // namespace lamina::kernels::LAMINA_ISA
