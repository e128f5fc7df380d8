// The frame of a kernel and its indices.
#include "exec/cuda/point_text.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace lamina::cuda {
namespace {

constexpr int kThreads = 256;

}  // namespace

PointText::PointText(const EmitContext& context)
    : context_(context),
      words_{context.node, context.outputs, {}, cpu::Target{}},
      threads_(std::min(kThreads, context.machine.threads_per_block)) {}

std::string PointText::offset(const Access& access, const Dims& shape, const Dims& extents,
                              const std::string& name) {
  return cpu::offset_statements(access, shape, extents, name, words_, words_kernel_);
}

std::string PointText::split(const Dims& extents, std::size_t first, std::size_t last,
                             const std::string& from, std::string_view prefix) {
  std::string out;
  std::string rest = from;
  for (std::size_t l = last; l-- > first;) {
    out += fmt::format("const long {0}{1} = {2} % {3}, above_{0}{1} = {2} / {3};\n", prefix, l,
                       rest, text(extents[l]));
    rest = fmt::format("above_{}{}", prefix, l);
  }
  return out;
}

Kernel PointText::finish(const Dim& points, int each, const std::string& body) {
  const int per_block = threads_ / each;
  return kernel(ceil_div(points, per_block), threads_,
                fmt::format("const long at = lm_block() * {} + lm_thread() / {};\n"
                            "if (at >= {}) return;\n{}",
                            per_block, each, text(points), body));
}

Kernel PointText::finish_blocks(const Dim& points, int threads, const std::string& body) {
  return kernel(points, threads, "const long at = lm_block();\n" + body);
}

Kernel PointText::kernel(const Dim& blocks, int threads, const std::string& body) {
  Kernel kernel;
  kernel.name = std::string(node().op.name);
  kernel.parameters = parameters_of(context_);
  kernel.threads = threads;
  kernel.blocks = blocks;
  kernel.text = fmt::format(
      "LM_KERNEL({}) NAME{} {{\nconst long* sizes = lm_sizes.v;\n"
      "const int thread = lm_thread(), lane = thread % 32;\n"
      "(void)sizes, (void)thread, (void)lane;\n{}}}\n",
      threads, parameter_text(kernel.parameters), body);
  kernel.sizes = std::exchange(words_kernel_.sizes, {});
  return kernel;
}

std::string_view combining_type(DType dtype) {
  return dtype == DType::kF64 ? "double" : traits(dtype).is_float ? "float" : "long";
}

}  // namespace lamina::cuda
