// Equality of small graphs by their exact normal forms.
#pragma once

#include <vector>

#include "lamina/verify.h"
#include "verify/inputs.h"

namespace lamina {

// Whether all output elements of both graphs have the same normal form, as functions of all real
// inputs. False also where this is not decided: graphs that are too large for it, branches,
// undefined values, integers that would be drawn. Such graphs may still be equal.
bool equal_normal_forms(const Graph& a, const Graph& b, const std::vector<InputPlan>& plans,
                        const Sizes& sizes);

}  // namespace lamina
