// argmax: the position of the largest element along `axis` (NaN counts as the largest).
#include "graph/ordering.h"

namespace lamina::ops {

OpDef argmax() { return extremum_position<true>("argmax"); }

}  // namespace lamina::ops
