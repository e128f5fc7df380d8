// gather_elements: for every index the element whose coordinate along `axis` it is, the others
// being its own.
#include "graph/gradient_rules.h"
#include "graph/indexing.h"

namespace lamina::ops {
namespace {

std::vector<Sample> samples() {
  return {{.inputs = {f32({5, 3}), {DType::kI64, {2, 3}, {}}}, .integer_ranges = {{0, 0}, {-5, 4}}},
          {.inputs = {f32({2, 5}), {DType::kI64, {2, 6}, {}}},
           .attrs = {{"axis", -1}},
           .integer_ranges = {{0, 0}, {0, 4}}}};
}

}  // namespace

OpDef gather_elements() {
  return gather_op<index_elements>("gather_elements", {"axis", AttrKind::kInteger, std::int64_t{0}},
                                   samples);
}

}  // namespace lamina::ops
