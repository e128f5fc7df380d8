// What the meanings of all kinds share: the Domain contract and small conversions.
//
// A Domain supplies the number type and what is special about it:
//   using Number = ...;
//   Number constant(double), Number integer(int64);
//   optional<int64> to_whole(Number): the integer it certainly is (truncated toward zero)
//   Number round_to(Number, DType): rounding of a cast to a float or integer type
//   void dots(Strided a, Strided b, n, totals): totals[j] += sum over k < n of a(k, j) * b(k, j)
//   bool products(Panel a, Panel b, totals): optional; totals(i, j) = sum of a(i, k) b(j, k)
//     over k, or false where dots is to do it
//   Number greatest(span<const Number>): optional; the maximum of all, in one step
//   bool before(Number, Number): total order for sorting; throws kUnsupported where there is none
//   static auto scalar(const ScalarMeaning&): the entry for Number
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/access_plan.h"
#include "graph/array.h"
#include "graph/op_def.h"
#include "num/algebra.h"

namespace lamina {

// The integer `value` as it is stored in `dtype`: wrapped to its width; bool is != 0.
inline std::int64_t wrap_to(DType dtype, std::int64_t value) {
  switch (dtype) {
    case DType::kI32:
      return static_cast<std::int32_t>(value);
    case DType::kI8:
      return static_cast<std::int8_t>(value);
    case DType::kU8:
      return static_cast<std::uint8_t>(value);
    case DType::kBool:
      return value != 0 ? 1 : 0;
    default:
      return value;
  }
}

// 1 where `x` is not 0, else 0.
template <class Number>
Number truth(const Number& x) {
  using num::equal;
  using num::like;
  return num::sub(like(x, 1.0), equal(x, like(x, 0.0)));
}

// Element `offset` of an array as a number; integers enter exactly.
template <class Domain>
typename Domain::Number real_at(const Domain& domain, const Array<typename Domain::Number>& a,
                                std::int64_t offset) {
  const auto i = static_cast<std::size_t>(offset);
  return a.is_whole ? domain.integer(a.whole[i]) : a.real[i];
}

}  // namespace lamina
