// The prelude: C++ text, without includes, that every generated translation unit begins with.
//
// It declares LmCall (kernel.h), and for a target of V bytes per vector:
//   vf, vd, vl     V bytes of float, double and 64-bit integers; LM_F lanes of float, LM_D of the
//                  others; vi, vu: 32-bit integers and words, as many as floats
//   lm_bf16, lm_f16, lm_bool   storage types of the element types without a C++ name
//   lm_load<X>(p), lm_load<X>(p, n)      X one of float, double, long, vf, vd, vl; p points to any
//                  storage type (float, double, lm_bf16, lm_f16, long, int, signed char,
//                  unsigned char, lm_bool), unaligned; n: only the first n lanes, others are 0
//   lm_store(p, x), lm_store(p, x, n)    the same back: rounds to nearest even, integers wrap,
//                  reals truncate toward zero into integers (saturating at 64 bits, NaN gives 0),
//                  lm_bool takes x != 0
//   lm_splat<X>(c)    every lane the scalar c
//   lm_sum(x), lm_prod(x), lm_max(x), lm_min(x)    over the lanes, in a fixed order
// and the functions that num/code.h writes, over all of these X with the meaning of
// num/algebra.h. A float function gives the same bits as a lane of vf. Truth values are 0 and 1 of
// the type compared.
//
// Compile with kPreludeFlags: integers wrap, and the text relies on multiply-add contraction for
// speed only.
#pragma once

#include <string>
#include <string_view>

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

inline constexpr std::string_view kPreludeFlags =
    "-std=gnu++17 -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -fwrapv "
    "-fno-strict-aliasing "
    "-Wno-psabi";

// The whole prelude.
std::string prelude(const Target& target);
// Without the functions that `kernels` does not call: compiles faster.
std::string prelude(const Target& target, std::string_view kernels);

}  // namespace lamina::cpu
