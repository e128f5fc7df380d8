// Encoding and decoding of the block-quantised and codebook element types, and the float to
// integer conversion. Byte layouts: docs/formats.md, "Packed element types".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lamina/tensor.h"

namespace lamina {

// `count` elements stored at `bytes` (count / block_elements blocks), as doubles.
std::vector<double> decode_packed(DType dtype, const std::byte* bytes, std::int64_t count);

// Encodes by round-to-nearest within each block; a codebook is fitted by Lloyd's algorithm from
// the block's quantiles.
void encode_packed(DType dtype, std::span<const double> values, std::byte* bytes);

// Toward zero; saturates at the ends of the range; NaN gives 0.
std::int64_t truncate_to_int64(double value);

}  // namespace lamina
