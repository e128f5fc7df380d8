// The table of element types and the promotion rule.
#include <array>
#include <string>

#include "base/check.h"
#include "lamina/tensor.h"

namespace lamina {
namespace {

constexpr std::array kTraits = {
    DTypeTraits{DType::kF64, "f64", 1, 8, true, false},
    DTypeTraits{DType::kF32, "f32", 1, 4, true, false},
    DTypeTraits{DType::kBF16, "bf16", 1, 2, true, false},
    DTypeTraits{DType::kF16, "f16", 1, 2, true, false},
    DTypeTraits{DType::kI64, "i64", 1, 8, false, true},
    DTypeTraits{DType::kI32, "i32", 1, 4, false, true},
    DTypeTraits{DType::kI8, "i8", 1, 1, false, true},
    DTypeTraits{DType::kU8, "u8", 1, 1, false, true},
    DTypeTraits{DType::kBool, "bool", 1, 1, false, false},
    DTypeTraits{DType::kQ8_0, "q8_0", 32, 34, true, false},
    DTypeTraits{DType::kQ4_0, "q4_0", 32, 18, true, false},
    DTypeTraits{DType::kQ4_1, "q4_1", 32, 20, true, false},
    DTypeTraits{DType::kCB4, "cb4", 256, 192, true, false},
};

// Wider wins; equal width keeps the signed or common type.
DType promote_integers(DType a, DType b) {
  if (a == b) return a;
  if (a == DType::kI64 || b == DType::kI64) return DType::kI64;
  return DType::kI32;
}

DType promote_floats(DType a, DType b) {
  if (a == b) return a;
  if (a == DType::kF64 || b == DType::kF64) return DType::kF64;
  return DType::kF32;
}

}  // namespace

std::span<const DTypeTraits> all_dtypes() { return kTraits; }

const DTypeTraits& traits(DType dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  check(index < kTraits.size() && kTraits[index].dtype == dtype, "unknown dtype {}", index);
  return kTraits[index];
}

bool is_packed(DType dtype) { return traits(dtype).block_elements > 1; }

DType parse_dtype(std::string_view name) {
  std::string known;
  for (const DTypeTraits& row : kTraits) {
    if (row.name == name) return row.dtype;
    known += known.empty() ? "" : " ";
    known += row.name;
  }
  fail(ErrorCode::kInvalidArgument, "unknown dtype '{}'; expected one of: {}", name, known);
}

DType promote(DType a, DType b) {
  const DType x = is_packed(a) ? DType::kF32 : a;
  const DType y = is_packed(b) ? DType::kF32 : b;
  const bool x_float = traits(x).is_float;
  const bool y_float = traits(y).is_float;
  if (x_float && y_float) return promote_floats(x, y);
  if (x_float) return x;
  if (y_float) return y;
  if (x == DType::kBool) return y;
  if (y == DType::kBool) return x;
  return promote_integers(x, y);
}

}  // namespace lamina
