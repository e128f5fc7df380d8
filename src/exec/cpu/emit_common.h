// What the emitters share: element types, dims, loops and access maps as C++ text.
//
// In the text, the variable of loop l is called i<l>.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// In which numbers a node computes.
enum class Arithmetic { kWhole, kSingle, kDouble };

// Exact integers when `whole` and all operands and the output are integers or bools; double when
// one of them needs its width; else float. Throws kUnsupported for the packed dtypes.
Arithmetic choose_arithmetic(const NodeView& node, const Type& output, bool whole);

// The prelude's names for the lanes of an arithmetic.
struct Lanes {
  std::string_view vector;   // vf, vd, vl
  std::string_view element;  // float, double, long
  std::string_view count;    // LM_F, LM_D
};
Lanes lanes(Arithmetic arithmetic);
std::string_view storage_type(DType dtype);

// The head of the function and typed pointers to its buffers: inputs in0, in1, ..., outputs out0,
// out1, .... Sets kernel.buffers.
std::string kernel_head(Kernel& kernel, const EmitContext& context);

Dim product(const Dims& dims);
Dims dim_strides(const Dims& shape);  // row-major
// True when certainly a >= 0, whatever the (never negative) sizes are.
bool never_negative(const Dim& a);

// An access that reads no indices from operands: base + sum of strides[l] * i<l>, linear in the
// operand's elements.
struct LinearAccess {
  Dim base;
  Dims strides;         // per loop
  bool within = false;  // certainly within bounds at all points
};
std::optional<LinearAccess> linear_access(const Access& access, const Dims& shape,
                                          const Dims& extents);

// base + sum of strides * loop variables; `skip` (or -1) is a loop to leave out.
std::string linear_text(const LinearAccess& access, int skip, std::vector<std::string>& sizes);

// Statements that declare `long <name>`, the offset of an access, and `bool <name>_ok`, whether the
// point is within bounds (the offset must not be used when it is not).
std::string offset_statements(const Access& access, const Dims& shape, const Dims& extents,
                              const std::string& name, const EmitContext& context, Kernel& kernel);

// "for (long i3 = 0; i3 < EXTENT; ++i3)" and a brace for each of `loops`.
std::string open_loops(const std::vector<int>& loops, const Dims& extents, Kernel& kernel);
std::string close_braces(std::size_t count);
// Statements that declare the variables of `loops` from the linear index `from` over them.
std::string split_index(const std::vector<int>& loops, const Dims& extents, const std::string& from,
                        Kernel& kernel);

// Opens the loops of a kernel whose tasks are ranges of `grain` points of a loop nest, in row-major
// order, whatever its extents; sets kernel.tasks. Inside, `column` and `count` say which part of
// the last loop to do, and the variables of the other loops are declared. Three braces to close.
std::string open_ranges(Kernel& kernel, const Dims& extents, int grain);

}  // namespace lamina::cpu
