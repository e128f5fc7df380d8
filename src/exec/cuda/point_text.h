// Kernels outside blocks: some threads for each point of a nest of loops.
#pragma once

#include <string>

#include "exec/cpu/emit_common.h"
#include "exec/cuda/kernel.h"

namespace lamina::cuda {

// Collects the named sizes of the kernel in hand; finish() gives them away with it.
class PointText {
 public:
  explicit PointText(const EmitContext& context);

  const NodeView& node() const { return context_.node; }
  const Type& output(int index) const { return context_.outputs[static_cast<std::size_t>(index)]; }

  std::string text(const Dim& dim) { return cpu::dim_text(dim, words_kernel_.sizes); }
  std::string linear(const cpu::LinearAccess& access) {
    return cpu::linear_text(access, -1, words_kernel_.sizes);
  }
  // Declares `long <name>` and `bool <name>_ok` in terms of i0, i1, ...; see offset_statements().
  std::string offset(const Access& access, const Dims& shape, const Dims& extents,
                     const std::string& name);
  // Declares the indices <prefix>0, <prefix>1, ... of the loops [first, last) at the position
  // called `from` among them.
  std::string split(const Dims& extents, std::size_t first, std::size_t last,
                    const std::string& from, std::string_view prefix = "i");

  // `body` for `points` points, `each` threads (1 or a warp) a point, which is called `at`.
  Kernel finish(const Dim& points, int each, const std::string& body);
  // `body` for `points` points, a thread block of `threads` each, all of which run it.
  Kernel finish_blocks(const Dim& points, int threads, const std::string& body);
  int threads() const { return threads_; }

 private:
  Kernel kernel(const Dim& blocks, int threads, const std::string& body);

  const EmitContext& context_;
  cpu::EmitContext words_;    // what the text of accesses is made from
  cpu::Kernel words_kernel_;  // collects the named sizes
  int threads_;
};

// Kernels of one copy that combines, or whose places are read from an operand (emit_scatter.cc),
// and of orderings (emit_order.cc).
Kernel emit_scatter(const EmitContext& context, const Copy& copy);
std::vector<Kernel> emit_order(const EmitContext& context);

// The numbers in which an element of this type is combined: float, double, long.
std::string_view combining_type(DType dtype);

}  // namespace lamina::cuda
