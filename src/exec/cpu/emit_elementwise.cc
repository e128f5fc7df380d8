// Kernels of element-wise operators: the operator's scalar template, written as text over vectors.
//
// Neighbouring axes along which every operand is either read or repeated alike become one, so that
// most kernels are one or two loops. A task is a range of kGrain elements in row-major order,
// whatever the shape; rows that it cuts are finished by the next task.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {
namespace {

constexpr int kGrain = 16384;      // elements per task of a cheap operator: a few microseconds
constexpr int kHeavyGrain = 4096;  // of one that takes many operations
constexpr std::size_t kHeavyLines = 6;

// One merged axis; repeated[k]: operand k has the same element along it.
struct MergedAxis {
  Dim extent;
  std::vector<bool> repeated;
};

std::vector<MergedAxis> merge_axes(const EmitContext& context) {
  const Dims& shape = context.outputs[0].shape;
  std::vector<MergedAxis> merged;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == Dim(1)) continue;
    std::vector<bool> repeated;
    for (const Type& input : context.node.inputs) {
      const std::size_t skip = shape.size() - input.shape.size();
      repeated.push_back(axis < skip || input.shape[axis - skip] == Dim(1));
    }
    if (!merged.empty() && merged.back().repeated == repeated) {
      merged.back().extent = merged.back().extent * shape[axis];
    } else {
      merged.push_back({shape[axis], std::move(repeated)});
    }
  }
  if (merged.empty()) merged.push_back({1, std::vector<bool>(context.node.inputs.size(), true)});
  return merged;
}

// Strides of operand k over the merged axes.
LinearAccess operand_access(const std::vector<MergedAxis>& axes, std::size_t k) {
  LinearAccess access{0, Dims(axes.size(), Dim(0)), true};
  Dim step = 1;
  for (std::size_t a = axes.size(); a-- > 0;) {
    if (axes[a].repeated[k]) continue;
    access.strides[a] = step;
    step = step * axes[a].extent;
  }
  return access;
}

// True if the text calls more than arithmetic, comparison or selection.
bool calls_a_function(const std::string& text) {
  static constexpr std::array<std::string_view, 10> kFunctions = {
      "lm_exp", "lm_log", "lm_pow",     "lm_erf",      "lm_sin",
      "lm_cos", "lm_tan", "lm_sigmoid", "lm_softplus", "lm_asin"};
  return std::any_of(kFunctions.begin(), kFunctions.end(), [&](std::string_view function) {
    return text.find(function) != std::string::npos;
  });
}

class ElementwiseEmitter {
 public:
  explicit ElementwiseEmitter(const EmitContext& context)
      : context_(context), axes_(merge_axes(context)) {
    const ScalarMeaning& meaning = context.node.op.scalar;
    arithmetic_ = choose_arithmetic(context.node, context.outputs[0], meaning.whole != nullptr);
    if (meaning.code == nullptr || (arithmetic_ != Arithmetic::kWhole && meaning.real == nullptr)) {
      fail(ErrorCode::kUnsupported, "{}: no code for operands of type {}", context.node.op.name,
           context.node.inputs.empty() ? "" : traits(context.node.inputs[0].dtype).name);
    }
  }

  Kernel emit() {
    const std::string statements = scalar_statements();
    Dims extents;
    for (const MergedAxis& axis : axes_) extents.push_back(axis.extent);
    Kernel kernel;
    kernel.name = std::string(context_.node.op.name);
    kernel.text = kernel_head(kernel, context_);
    kernel.text += open_ranges(kernel, extents, grain_);
    kernel.text += pointers(kernel) + splats() + chunk(statements);
    kernel.text += close_braces(4);
    return kernel;
  }

 private:
  std::string x() const { return std::string(lanes(arithmetic_).vector); }

  // The statements of one vector; operand k is called x<k>, the result y.
  std::string scalar_statements() {
    CodeSink sink("t");
    std::vector<Code> operands;
    for (std::size_t k = 0; k < context_.node.inputs.size(); ++k) {
      operands.push_back({&sink, "x" + std::to_string(k)});
    }
    const Code result = context_.node.op.scalar.code(operands, context_.node.attrs);
    std::string text;
    for (const std::string& line : sink.lines()) text += line + "\n";
    if (sink.lines().size() > kHeavyLines || calls_a_function(text)) grain_ = kHeavyGrain;
    return text + fmt::format("const {} y = {};\n", x(), result.name);
  }

  // `out` and the operands' p<k>, at the range's first element.
  std::string pointers(Kernel& kernel) const {
    std::string text = "auto* out = out0 + at;\n";
    const auto last = static_cast<int>(axes_.size()) - 1;
    for (std::size_t k = 0; k < context_.node.inputs.size(); ++k) {
      text += fmt::format("const auto* p{0} = in{0} + {1}{2};\n", k,
                          linear_text(operand_access(axes_, k), last, kernel.sizes),
                          is_single(k) ? "" : " + column");
    }
    return text;
  }

  bool is_single(std::size_t k) const { return axes_.back().repeated[k]; }

  // Operands that are the same along the row, loaded once.
  std::string splats() const {
    std::string text;
    for (std::size_t k = 0; k < context_.node.inputs.size(); ++k) {
      if (!is_single(k)) continue;
      text += fmt::format("const {0} x{1} = lm_load<{2}>(p{1}) - {0}{{}};\n", x(), k,
                          lanes(arithmetic_).element);
    }
    return text;
  }

  // Whole vectors, then the rest of the row.
  std::string chunk(const std::string& statements) const {
    std::string loads;
    std::string partial_loads;
    for (std::size_t k = 0; k < context_.node.inputs.size(); ++k) {
      if (is_single(k)) continue;
      loads += fmt::format("const {0} x{1} = lm_load<{0}>(p{1} + j);\n", x(), k);
      partial_loads += fmt::format("const {0} x{1} = lm_load<{0}>(p{1} + j, n);\n", x(), k);
    }
    return fmt::format(
        "long j = 0;\n"
        "for (; j + {0} <= count; j += {0}) {{\n{1}{2}lm_store(out + j, y);\n}}\n"
        "if (const long n = count - j) {{\n{3}{2}lm_store(out + j, y, n);\n}}\n",
        lanes(arithmetic_).count, loads, statements, partial_loads);
  }

  const EmitContext& context_;
  std::vector<MergedAxis> axes_;
  Arithmetic arithmetic_;
  int grain_ = kGrain;
};

}  // namespace

std::vector<Kernel> emit_elementwise(const EmitContext& context) {
  return {ElementwiseEmitter(context).emit()};
}

}  // namespace lamina::cpu
