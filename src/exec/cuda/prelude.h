// The text in front of generated CUDA kernels.
//
// It comes in two parts. The intrinsics are what only a GPU has: tensor cores, asynchronous copies,
// shuffles, conversions, as inline PTX behind lm_* functions. The rest is plain C++ that calls
// them. The tests put an emulation in place of the first part (emulation_test.h) and run the rest,
// and the kernels, on the CPU.
#pragma once

#include <string_view>

namespace lamina::cuda {

extern const std::string_view kIntrinsics;
extern const std::string_view kPrelude;         // scalars, tiles, folds
extern const std::string_view kPreludeProduct;  // products of tiles
extern const std::string_view kPreludeOrder;    // orders of the elements of a line

}  // namespace lamina::cuda
