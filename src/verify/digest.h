// What a pass of the identity tester has computed, in 32 hexadecimal digits.
#pragma once

#include <span>
#include <string>

#include "graph/array.h"
#include "num/formal.h"

namespace lamina {

// Hashes of every array its shape, and of every element its tags (state, slot, constant, bit) and
// the residues that it has, P before Q, in all lanes.
std::string digest(std::span<const Array<Formal>> arrays);

}  // namespace lamina
