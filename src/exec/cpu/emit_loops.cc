// Kernels of contractions as plain loop nests: any number of operands, any arithmetic.
//
// Vectors run along the innermost output loop when every operand is contiguous or constant along
// it, else along the innermost reduced loop, else there are none.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_contract.h"

namespace lamina::cpu {
namespace {

constexpr std::int64_t kVectors = 4;         // sums in flight
constexpr std::int64_t kTaskPoints = 32768;  // points of the nest that repay handing out a task

constexpr std::string_view kWindow = R"(
// Lanes whose index along an axis is in bounds, and of the first n; the others are 0.
template <class X, class T> LM X NAME_window(const T* p, long index, long extent, long n) {
  enum { W = LmLanes<X>::count };
  if (index >= 0 && index + W <= extent && n >= W) return lm_load<X>(p);
  X x = {};
  for (long i = 0; i < W && i < n; ++i)
    if ((unsigned long)(index + i) < (unsigned long)extent)
      x[i] = lm_load<typename LmLanes<X>::element>(p + i);
  return x;
}
)";

class LoopsEmitter {
 public:
  LoopsEmitter(const EmitContext& context, const LoopForm& form) : context_(context), form_(form) {
    lanes_ = lanes(choose_arithmetic(context.node, context.outputs[0], true));
    for (int l = 0; l < static_cast<int>(form.extents.size()); ++l) {
      if (extent(l) == Dim(1)) continue;
      (l < form.output_rank ? outer_ : inner_).push_back(l);
    }
  }

  Kernel emit() {
    kernel_.name = std::string(context_.node.op.name);
    kernel_.text = std::string(kWindow) + kernel_head(kernel_, context_) + single_loops(form_);
    if (!outer_.empty() && along_columns(outer_.back())) {
      column_ = outer_.back();
      outer_.pop_back();
    } else if (!inner_.empty() && along_sum(inner_.back())) {
      run_ = inner_.back();
      inner_.pop_back();
    }
    kernel_.text += units_text();
    kernel_.text += column_ >= 0 ? columns_text() : run_ >= 0 ? run_text() : scalar_text();
    kernel_.text += close_braces(2);
    return std::move(kernel_);
  }

 private:
  const Dim& extent(int loop) const { return form_.extents[static_cast<std::size_t>(loop)]; }
  const Dims& shape(std::size_t k) const { return context_.node.inputs[k].shape; }
  std::string text(const Dim& dim) { return dim_text(dim, kernel_.sizes); }
  std::optional<LinearAccess> linear(std::size_t k) const {
    return linear_access(form_.operands[k], shape(k), form_.extents);
  }
  Dim stride(std::size_t k, int loop) const {
    return linear(k)->strides[static_cast<std::size_t>(loop)];
  }

  // The axes of operand k that may leave their bounds.
  std::vector<std::size_t> checked_axes(std::size_t k) const {
    std::vector<std::size_t> axes;
    const Access& access = form_.operands[k];
    for (std::size_t a = 0; a < access.axes.size(); ++a) {
      if (!linear_access({{access.axes[a]}, false}, {axis_extent(k, a)}, form_.extents)->within) {
        axes.push_back(a);
      }
    }
    return axes;
  }
  Dim axis_extent(std::size_t k, std::size_t axis) const {
    return form_.operands[k].flat ? product(shape(k)) : shape(k)[axis];
  }

  // Strides 0 or 1, and at most one checked axis moves with the loop.
  bool along_columns(int loop) const {
    for (std::size_t k = 0; k < form_.operands.size(); ++k) {
      if (!linear(k) || (stride(k, loop) != Dim(0) && stride(k, loop) != Dim(1))) return false;
      std::size_t moving = 0;
      for (const std::size_t a : checked_axes(k)) moving += uses({{axis(k, a)}, false}, loop);
      if (moving > 1 || (moving == 1 && stride(k, loop) == Dim(0))) return false;
    }
    return true;
  }
  bool along_sum(int loop) const {
    for (std::size_t k = 0; k < form_.operands.size(); ++k) {
      if (!linear(k) || !linear(k)->within) return false;
      if (stride(k, loop) != Dim(0) && stride(k, loop) != Dim(1)) return false;
    }
    return true;
  }
  const AxisIndex& axis(std::size_t k, std::size_t a) const { return form_.operands[k].axes[a]; }

  // Opens the loop over tasks and units; a unit is one output point, or a chunk of columns.
  std::string units_text() {
    const Dim points = product(extents_of(form_, outer_));
    const std::string width = fmt::format("{} * {}", kVectors, lanes_.count);
    const Dim sum = product(extents_of(form_, inner_)) * (run_ >= 0 ? extent(run_) : Dim(1));
    const std::int64_t lane_count =
        context_.target.lanes(lanes_.count == "LM_F" ? 4 : 8) * kVectors;
    const Dim chunks = column_ >= 0 ? ceil_div(extent(column_), Dim(lane_count)) : Dim(1);
    const std::int64_t unit_points =
        (sum.is_constant() ? std::max<std::int64_t>(1, sum.constant_part()) : 64) *
        (column_ >= 0 ? lane_count : 1);
    const std::int64_t grain = std::max<std::int64_t>(1, kTaskPoints / unit_points);
    kernel_.tasks = ceil_div(points * chunks, Dim(grain));
    std::string out = fmt::format(
        "const long units = {0}, chunks = {1}, last = end * {2} < units ? end * {2} : units;\n"
        "enum {{ WIDTH = {3} }};\n"
        "for (long unit = begin * {2}; unit < last; ++unit) {{\n",
        text(points * chunks), text(chunks), grain, width);
    return out + split_index(outer_, form_.extents, "unit / chunks", kernel_);
  }

  std::string out_pointer() {
    LinearAccess access = output_access(form_);
    if (column_ >= 0) access.strides[static_cast<std::size_t>(column_)] = 0;
    return fmt::format("auto* out = out0 + {};\n", linear_text(access, -1, kernel_.sizes));
  }

  std::string columns_text() {
    return out_pointer() +
           fmt::format(
               "const long column = unit % chunks * WIDTH, X = {};\n"
               "{} sums[{}] = {{}};\n",
               text(extent(column_)), lanes_.vector, kVectors) +
           "if (column + WIDTH <= X) {\n" + columns_body(true) + "} else {\n" +
           columns_body(false) + "}\n" +
           fmt::format(
               "for (int u = 0; u < {0}; ++u)\n"
               "lm_store(out + column + u * {1}, sums[u], X - column - u * {1});\n",
               kVectors, lanes_.count);
  }

  std::string columns_body(bool full) {
    std::string out = open_loops(inner_, form_.extents, kernel_);
    out += "for (int once = 0; once < 1; ++once) {\n";
    std::string term;
    for (std::size_t k = 0; k < form_.operands.size(); ++k) {
      out += operand_place(k);
      const std::string value = operand_value(k, full);
      term += (k == 0 ? "" : " * ") + value;
    }
    out += fmt::format("for (int u = 0; u < {}; ++u) {{\nconst long j = column + u * {};\n",
                       kVectors, lanes_.count);
    out += fmt::format("sums[u] += {};\n", term);
    return out + close_braces(2 + inner_.size());
  }

  // Declares p<k>, operand k's address at column 0, and s<k> when it is constant along the columns;
  // goes on to the next point when that address is out of bounds.
  std::string operand_place(std::size_t k) {
    std::string out;
    for (const std::size_t a : checked_axes(k)) {
      const bool moving = uses({{axis(k, a)}, false}, column_);
      const LinearAccess index =
          *linear_access({{axis(k, a)}, false}, {axis_extent(k, a)}, form_.extents);
      const std::string value = linear_text(index, column_, kernel_.sizes);
      out += moving ? fmt::format("const long x{} = {};\n", k, value)
                    : fmt::format("if ((unsigned long)({}) >= (unsigned long){}) continue;\n",
                                  value, text(axis_extent(k, a)));
    }
    out += fmt::format("const auto* p{0} = in{0} + {1};\n", k,
                       linear_text(*linear(k), column_, kernel_.sizes));
    if (stride(k, column_) == Dim(0)) {
      out += fmt::format("const {0} s{1} = lm_load<{2}>(p{1}) - {0}{{}};\n", lanes_.vector, k,
                         lanes_.element);
    }
    return out;
  }

  std::string operand_value(std::size_t k, bool full) {
    if (stride(k, column_) == Dim(0)) return fmt::format("s{}", k);
    for (const std::size_t a : checked_axes(k)) {
      if (!uses({{axis(k, a)}, false}, column_)) continue;
      return fmt::format("NAME_window<{0}>(p{1} + j, x{1} + j, {2}, X - j)", lanes_.vector, k,
                         text(axis_extent(k, a)));
    }
    return fmt::format("lm_load<{}>(p{} + j{})", lanes_.vector, k, full ? "" : ", X - j");
  }

  std::string run_text() {
    std::string out = out_pointer();
    out += fmt::format("const long X = {};\n{} sums[{}] = {{}};\n{} rest_sum = 0;\n",
                       text(extent(run_)), lanes_.vector, kVectors, lanes_.element);
    out += open_loops(inner_, form_.extents, kernel_);
    std::string vector, single;
    for (std::size_t k = 0; k < form_.operands.size(); ++k) {
      const bool moving = stride(k, run_) == Dim(1);
      out += fmt::format("const auto* p{0} = in{0} + {1};\n", k,
                         linear_text(*linear(k), run_, kernel_.sizes));
      const std::string times = k == 0 ? "" : " * ";
      vector += times + (moving ? fmt::format("lm_load<{}>(p{} + j)", lanes_.vector, k)
                                : fmt::format("(lm_load<{}>(p{}) - {}{{}})", lanes_.element, k,
                                              lanes_.vector));
      single += times + fmt::format("lm_load<{}>(p{}{})", lanes_.element, k, moving ? " + j" : "");
    }
    out += fmt::format(
        "long j = 0;\n"
        "for (; j + WIDTH <= X;)\nfor (int u = 0; u < {0}; ++u, j += {1}) sums[u] += {2};\n"
        "for (; j + {1} <= X; j += {1}) sums[0] += {2};\n"
        "for (; j < X; ++j) rest_sum += {3};\n",
        kVectors, lanes_.count, vector, single);
    out += close_braces(inner_.size());
    static_assert(kVectors == 4);
    return out + "lm_store(out, lm_sum((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest_sum);\n";
  }

  std::string scalar_text() {
    std::string out = out_pointer() + fmt::format("{} sum = 0;\n", lanes_.element);
    out += open_loops(inner_, form_.extents, kernel_) + "{\n";
    std::string inside = "true";
    std::string term;
    for (std::size_t k = 0; k < form_.operands.size(); ++k) {
      const std::string at = fmt::format("at{}", k);
      out += offset_statements(form_.operands[k], shape(k), form_.extents, at, context_, kernel_);
      inside += " && " + at + "_ok";
      term += fmt::format("{}lm_load<{}>(in{} + {})", k == 0 ? "" : " * ", lanes_.element, k, at);
    }
    out += fmt::format("if ({}) sum += {};\n", inside, term);
    return out + close_braces(1 + inner_.size()) + "lm_store(out, sum);\n";
  }

  const EmitContext& context_;
  const LoopForm& form_;
  Lanes lanes_;
  std::vector<int> outer_;  // output loops, without the vector's
  std::vector<int> inner_;  // reduced loops, without the vector's
  int column_ = -1;         // the output loop that vectors run along
  int run_ = -1;            // the reduced loop that vectors run along
  Kernel kernel_;
};

}  // namespace

Kernel emit_loops(const EmitContext& context, const LoopForm& form) {
  return LoopsEmitter(context, form).emit();
}

}  // namespace lamina::cpu
