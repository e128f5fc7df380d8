// scatter_elements: a copy of a tensor into which every update is written at its own coordinates,
// but for the one along `axis`, which is its index.
#include "graph/gradient_rules.h"
#include "graph/indexing.h"

namespace lamina::ops {
namespace {

std::vector<Sample> samples() {
  return {{.inputs = {f32({5, 3}), {DType::kI64, {1, 3}, {}}, f32({1, 3})},
           .integer_ranges = {{0, 0}, {-5, 4}, {0, 0}}},
          {.inputs = {f32({2, 5}), {DType::kI64, {2, 7}, {}}, f32({2, 7})},
           .attrs = {{"axis", 1}, {"combine", std::string("add")}},
           .integer_ranges = {{0, 0}, {0, 4}, {0, 0}}},
          {.inputs = {f32({2, 5}), {DType::kI64, {2, 7}, {}}, f32({2, 7})},
           .attrs = {{"axis", 1}, {"combine", std::string("mul")}},
           .low = 0.5,
           .integer_ranges = {{0, 0}, {0, 4}, {0, 0}}},
          {.inputs = {f32({2, 5}), {DType::kI64, {2, 7}, {}}, f32({2, 7})},
           .attrs = {{"axis", 1}, {"combine", std::string("min")}},
           .integer_ranges = {{0, 0}, {0, 4}, {0, 0}}}};
}

}  // namespace

OpDef scatter_elements() {
  return scatter_op<index_elements>("scatter_elements",
                                    {"axis", AttrKind::kInteger, std::int64_t{0}}, samples);
}

}  // namespace lamina::ops
