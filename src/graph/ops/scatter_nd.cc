// scatter_nd: a copy of a tensor into which updates are written at the coordinates that the last
// axis of the indices holds.
#include "graph/gradient_rules.h"
#include "graph/indexing.h"

namespace lamina::ops {
namespace {

std::vector<Sample> samples() {
  return {{.inputs = {f32({4, 3, 2}), {DType::kI64, {1, 2}, {}}, f32({1, 2})},
           .integer_ranges = {{0, 0}, {0, 2}, {0, 0}}},
          {.inputs = {f32({2, 3}), {DType::kI64, {2, 5, 1}, {}}, f32({2, 5})},
           .attrs = {{"batch_dims", 1}, {"combine", std::string("add")}},
           .integer_ranges = {{0, 0}, {0, 2}, {0, 0}}}};
}

}  // namespace

OpDef scatter_nd() {
  return scatter_op<index_points>("scatter_nd", {"batch_dims", AttrKind::kInteger, std::int64_t{0}},
                                  samples);
}

}  // namespace lamina::ops
