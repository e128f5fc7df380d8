// Values computed in the memory of an operand.
#pragma once

#include "exec/lower/lower.h"

namespace lamina::lower {

// Lets a step write over an operand that nobody reads afterwards: element-wise nodes (each element
// is read before it is written) and moves that begin with a copy of the whole operand (scatter,
// which then only writes what changes). So chains of element-wise nodes need one buffer, donated
// inputs are reused, and a state is updated in place when all its readers run before.
void share_in_place(Lowered& lowered);

}  // namespace lamina::lower
