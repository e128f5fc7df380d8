// argmin: the position of the smallest element along `axis` (NaN counts as the largest).
#include "graph/ordering.h"

namespace lamina::ops {

OpDef argmin() { return extremum_position<false>("argmin"); }

}  // namespace lamina::ops
