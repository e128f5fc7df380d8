// gather: the slices of a tensor along `axis` that integer indices name (NumPy's take). Negative
// indices count from the end; outside the axis the result is 0.
#include "graph/gradient_rules.h"
#include "graph/indexing.h"

namespace lamina::ops {
namespace {

std::vector<Sample> samples() {
  return {{.inputs = {f32({5, 3}), {DType::kI64, {2, 4}, {}}}, .integer_ranges = {{0, 0}, {-5, 4}}},
          {.inputs = {f32({2, 5, 3}), {DType::kI64, {4}, {}}},
           .attrs = {{"axis", 1}},
           .integer_ranges = {{0, 0}, {0, 4}}},
          {.inputs = {f32({4}), {DType::kI64, {}, {}}}, .integer_ranges = {{0, 0}, {0, 3}}}};
}

}  // namespace

OpDef gather() {
  return gather_op<index_slices>("gather", {"axis", AttrKind::kInteger, std::int64_t{0}}, samples);
}

}  // namespace lamina::ops
