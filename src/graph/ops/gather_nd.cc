// gather_nd: the slices that coordinates name: indices [batch..., i..., r] read the axes after the
// first batch_dims at r coordinates.
#include "graph/gradient_rules.h"
#include "graph/indexing.h"

namespace lamina::ops {
namespace {

std::vector<Sample> samples() {
  return {
      {.inputs = {f32({4, 3, 2}), {DType::kI64, {5, 2}, {}}}, .integer_ranges = {{0, 0}, {0, 2}}},
      {.inputs = {f32({2, 3, 4}), {DType::kI64, {2, 5, 1}, {}}},
       .attrs = {{"batch_dims", 1}},
       .integer_ranges = {{0, 0}, {-3, 2}}}};
}

}  // namespace

OpDef gather_nd() {
  return gather_op<index_points>("gather_nd", {"batch_dims", AttrKind::kInteger, std::int64_t{0}},
                                 samples);
}

}  // namespace lamina::ops
