// scatter: a copy of a tensor into whose slices along `axis`, named by integer indices, the updates
// are written. Of equal indices the last wins (set) or all count (add, mul, max, min).
#include "graph/gradient_rules.h"
#include "graph/indexing.h"

namespace lamina::ops {
namespace {

std::vector<Sample> samples() {
  return {{.inputs = {f32({5, 3}), {DType::kI64, {1}, {}}, f32({1, 3})},
           .integer_ranges = {{0, 0}, {-5, 4}, {0, 0}}},
          {.inputs = {f32({2, 5}), {DType::kI64, {4, 2}, {}}, f32({2, 4, 2})},
           .attrs = {{"axis", 1}, {"combine", std::string("add")}},
           .integer_ranges = {{0, 0}, {0, 4}, {0, 0}}},
          {.inputs = {f32({5}), {DType::kI64, {7}, {}}, f32({7})},
           .attrs = {{"combine", std::string("max")}},
           .integer_ranges = {{0, 0}, {0, 4}, {0, 0}}}};
}

}  // namespace

OpDef scatter() {
  return scatter_op<index_slices>("scatter", {"axis", AttrKind::kInteger, std::int64_t{0}},
                                  samples);
}

}  // namespace lamina::ops
