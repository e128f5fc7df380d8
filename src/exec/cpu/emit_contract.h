// What the kernels of contractions share: the roles that the loops play.
#pragma once

#include <optional>
#include <vector>

#include "exec/cpu/emit_common.h"

namespace lamina::cpu {

// A contraction of two operands as a batch of matrix products out[m, n] = a[m, k] * b[k, n].
// The columns n are the innermost output loops that only b is indexed by, so that rows of the
// output are contiguous; m are the loops that only a is indexed by; the other output loops are the
// batch; k are the reduced loops. All lists are in loop order, without loops of extent 1.
struct ProductLoops {
  int a = 0;
  int b = 1;
  std::vector<int> batch;
  std::vector<int> m;
  std::vector<int> n;
  std::vector<int> k;
};
std::optional<ProductLoops> product_loops(const LoopForm& form);

// True when an access depends on the loop.
bool uses(const Access& access, int loop);
// The extents of the listed loops.
Dims extents_of(const LoopForm& form, const std::vector<int>& loops);
// Declares the variables of the loops of extent 1.
std::string single_loops(const LoopForm& form);
// Strides of the output's loops: it is dense over them.
LinearAccess output_access(const LoopForm& form);

// emit_product.cc: register tiles over packed panels; floats up to 32 bits.
Kernel emit_product(const EmitContext& context, const LoopForm& form, const ProductLoops& loops);
// emit_loops.cc: the plain loop nest, for any number of operands, integers and doubles.
Kernel emit_loops(const EmitContext& context, const LoopForm& form);

}  // namespace lamina::cpu
