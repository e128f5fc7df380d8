// Making a witness readable: zeros and small integers where the difference persists.
#pragma once

#include "verify/point_check.h"

namespace lamina {

// Replaces elements of the point while both graphs stay half as far apart as they were (1% is
// enough); `result` follows. Greedy and deterministic; the number of trials is limited by the work
// of both graphs. Reals become numbers of the input's own type where that is possible.
void shrink_witness(const GraphPair& pair, RealPoint& point, PointResult& result);

}  // namespace lamina
