// The real cube root of a formal value: exact for products of known cubes, else a fresh value that
// is odd. A header of its own, since one operator needs it.
#pragma once

#include "num/formal.h"

namespace lamina {

Formal cbrt(const Formal& x);

}  // namespace lamina
