// What this processor offers.
#pragma once

#include <string>

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// The vector width, dot products and cache sizes of the processor that we run on.
Target detect_target();

// Of the cache that cores share; 0: none is known.
std::int64_t shared_cache_bytes();

// "AMD EPYC 9654" or the like.
std::string processor_name();

// All that decides which machine code a compiler makes for "this processor".
std::string processor_identity();

// "AVX-512", "AVX2", "SSE2" or "NEON".
std::string instruction_set(const Target& target);

}  // namespace lamina::cpu
