// Kernels of element-wise operators: the operator's scalar template, written as text over vectors.
//
// Neighbouring axes along which every operand is either read or repeated alike become one, so that
// most kernels are one or two loops. A task is a range of kGrain elements in row-major order,
// whatever the shape; rows that it cuts are finished by the next task.
#include <array>

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {
namespace {

constexpr int kGrain = 16384;        // elements per task of a cheap operator: a few microseconds
constexpr int kHeavyGrain = 4096;    // of one that takes many operations
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

class ElementwiseEmitter {
 public:
  explicit ElementwiseEmitter(const EmitContext& context)
      : context_(context), axes_(merge_axes(context)) {
    const ScalarMeaning& meaning = context.node.op.scalar;
    arithmetic_ = choose_arithmetic(context.node, context.outputs[0], meaning.whole != nullptr);
    if (meaning.code == nullptr ||
        (arithmetic_ != Arithmetic::kWhole && meaning.real == nullptr)) {
      fail(ErrorCode::kUnsupported, "{}: no code for operands of type {}", context.node.op.name,
           context.node.inputs.empty() ? "" : traits(context.node.inputs[0].dtype).name);
    }
  }

  Kernel emit() {
    const std::string statements = scalar_statements();
    Kernel kernel;
    kernel.name = std::string(context_.node.op.name);
    const Dim total = product(context_.outputs[0].shape);
    kernel.tasks = ceil_div(total, grain_);
    kernel.text = kernel_head(kernel, context_);
    kernel.text += fmt::format("const long total = {}, width = {};\n",
                               dim_text(total, kernel.sizes),
                               dim_text(axes_.back().extent, kernel.sizes));
    kernel.text += fmt::format(
        "for (long task = begin; task < end; ++task) {{\n"
        "const long first = task * {0};\n"
        "const long stop = first + {0} < total ? first + {0} : total;\n",
        grain_);
    kernel.text += axes_.size() == 1 ? one_row(kernel) : rows(kernel);
    kernel.text += chunk(statements);
    kernel.text += "}\n}\n}\n";
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
    grain_ = sink.lines().size() > kHeavyLines || text.find("lm_e") != std::string::npos
                 ? kHeavyGrain
                 : kGrain;
    return text + fmt::format("const {} y = {};\n", x(), result.name);
  }

  // Opens a block with `count` elements at `out` and the operands' pointers p<k>.
  std::string one_row(Kernel&) const {
    std::string text = "{\nconst long count = stop - first;\n";
    text += fmt::format("{}* out = out0 + first;\n", storage_type(context_.outputs[0].dtype));
    for (std::size_t k = 0; k < context_.node.inputs.size(); ++k) {
      text += fmt::format("const auto* p{0} = in{0}{1};\n", k, is_single(k) ? "" : " + first");
    }
    return text + splats();
  }

  std::string rows(Kernel& kernel) const {
    std::string text =
        "for (long at = first; at < stop;) {\n"
        "const long row = at / width, column = at % width;\n"
        "const long count = width - column < stop - at ? width - column : stop - at;\n";
    text += fmt::format("{}* out = out0 + at;\nat += count;\n",
                        storage_type(context_.outputs[0].dtype));
    const auto last = static_cast<int>(axes_.size()) - 1;
    std::vector<int> outer;
    Dims extents;
    for (const MergedAxis& axis : axes_) extents.push_back(axis.extent);
    for (int a = 0; a < last; ++a) outer.push_back(a);
    text += split_index(outer, extents, "row", kernel);
    for (std::size_t k = 0; k < context_.node.inputs.size(); ++k) {
      text += fmt::format("const auto* p{0} = in{0} + {1}{2};\n", k,
                          linear_text(operand_access(axes_, k), last, kernel.sizes),
                          is_single(k) ? "" : " + column");
    }
    return text + splats();
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
