// Kernels of reductions: a fold of one operand over the inner loops of its LoopForm.
//
// Three shapes of loops. *Rows*: the innermost reduced loop is contiguous in the operand; vectors
// run along it, four accumulators per output. *Columns*: the innermost kept loop is contiguous;
// vectors run along it, each lane one output. Everything else (windows with bounds, strides): one
// scalar per output. The order of the fold depends on the sizes alone, never on tasks or threads.
//
// Accuracy: floats are folded in blocks of kBlock terms per lane. Rows add the blocks in double;
// columns in float, so that their errors grow with kBlock + K / kBlock instead of K.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {
namespace {

constexpr int kGrain = 16384;  // elements read per task
constexpr int kBlock = 128;
constexpr int kColumnVectors = 4;  // vectors of outputs that a task of the columns folds at once

struct Loop {
  Dim extent;
  Dim stride;  // in the operand
};

class ReduceEmitter {
 public:
  ReduceEmitter(const EmitContext& context, const LoopForm& form)
      : context_(context), form_(form), type_(context.node.inputs[0]) {
    if (form.operands.size() != 1) {
      fail(ErrorCode::kUnsupported, "{}: a reduction of {} operands", context.node.op.name,
           form.operands.size());
    }
    arithmetic_ = choose_arithmetic(context.node, context.outputs[0], true);
    kernel_.name = std::string(context.node.op.name);
    kernel_.text = kernel_head(kernel_, context);
  }

  Kernel emit() {
    const auto access = linear_access(form_.operands[0], type_.shape, form_.extents);
    if (access && access->within) {
      kept_ = merged(*access, 0, rank());
      folded_ = merged(*access, rank(), form_.extents.size());
      base_ = access->base;
      if (folded_.empty()) folded_.push_back({1, 1});
      if (kept_.empty()) kept_.push_back({1, 0});
      if (folded_.back().stride == Dim(1)) {
        kernel_.text += rows();
      } else if (kept_.back().stride == Dim(1)) {
        kernel_.text += columns();
      } else {
        kernel_.text += scalars();
      }
    } else {
      kernel_.text += scalars();
    }
    kernel_.text += "}\n";
    return std::move(kernel_);
  }

 private:
  std::size_t rank() const { return static_cast<std::size_t>(form_.output_rank); }
  std::string text_of(const Dim& dim) { return dim_text(dim, kernel_.sizes); }

  // Loops [first, last) without those of one iteration, neighbours joined where the operand allows.
  std::vector<Loop> merged(const LinearAccess& access, std::size_t first, std::size_t last) const {
    std::vector<Loop> loops;
    for (std::size_t l = first; l < last; ++l) {
      const Loop loop{form_.extents[l], access.strides[l]};
      if (loop.extent == Dim(1)) continue;
      if (!loops.empty() && loops.back().stride == loop.stride * loop.extent) {
        loops.back() = {loops.back().extent * loop.extent, loop.stride};
      } else {
        loops.push_back(loop);
      }
    }
    return loops;
  }

  std::string combined(const std::string& a, const std::string& b) const {
    switch (context_.node.op.monoid) {
      case Monoid::kSum:
        return a + " + " + b;
      case Monoid::kProd:
        return a + " * " + b;
      case Monoid::kMax:
        return "lm_max(" + a + ", " + b + ")";
      case Monoid::kMin:
        return "lm_min(" + a + ", " + b + ")";
    }
    return a;
  }

  std::string identity(std::string_view x) const {
    const bool whole = arithmetic_ == Arithmetic::kWhole;
    const std::string number(x);
    switch (context_.node.op.monoid) {
      case Monoid::kSum:
        return number + "{}";
      case Monoid::kProd:
        return "lm_splat<" + number + ">(1)";
      case Monoid::kMax:
        return whole ? "(-0x7fffffffffffffffl - 1) + " + number + "{}"
                     : "lm_splat<" + number + ">(-__builtin_inf())";
      case Monoid::kMin:
        return whole ? "0x7fffffffffffffffl + " + number + "{}"
                     : "lm_splat<" + number + ">(__builtin_inf())";
    }
    return number + "{}";
  }

  std::string lanes_folded(const std::string& x) const {
    switch (context_.node.op.monoid) {
      case Monoid::kSum:
        return "lm_sum(" + x + ")";
      case Monoid::kProd:
        return "lm_prod(" + x + ")";
      case Monoid::kMax:
        return "lm_max(" + x + ")";
      case Monoid::kMin:
        return "lm_min(" + x + ")";
    }
    return x;
  }

  // What single elements are folded in: floats in double.
  std::string_view scalar() const { return arithmetic_ == Arithmetic::kWhole ? "long" : "double"; }

  // The offset of the fold's first element, from the variables k0, k1, ... of the kept loops
  // before `last`, which are declared from the index `from`.
  std::string kept_offset(const std::string& from, std::size_t last) {
    std::vector<int> loops;
    Dims extents;
    LinearAccess access{base_, {}, true};
    for (std::size_t l = 0; l < last; ++l) {
      loops.push_back(static_cast<int>(l));
      extents.push_back(kept_[l].extent);
      access.strides.push_back(kept_[l].stride);
    }
    return split_index(loops, extents, from, kernel_) +
           fmt::format("const auto* x = in0 + {};\n", linear_text(access, -1, kernel_.sizes));
  }

  // Loops over all folded loops but the last `without`, moving a pointer p from x.
  std::string open_folded(std::size_t without) {
    std::string text;
    std::string pointer = "x";
    for (std::size_t l = 0; l + without < folded_.size(); ++l) {
      text += fmt::format("for (long f{0} = 0; f{0} < {1}; ++f{0}) {{\n", l,
                          text_of(folded_[l].extent));
      pointer += fmt::format(" + f{} * {}", l, text_of(folded_[l].stride));
    }
    return text + fmt::format("const auto* p = {};\n", pointer);
  }

  Dim fold_size() const {
    Dim size = 1;
    for (const Loop& loop : folded_) size = size * loop.extent;
    return size;
  }

  Dim kept_size() const {
    Dim size = 1;
    for (const Loop& loop : kept_) size = size * loop.extent;
    return size;
  }

  // Sets the tasks: ranges of outputs that read about kGrain elements. Opens the loop over them.
  std::string open_outputs() {
    const std::int64_t fold =
        std::max<std::int64_t>(1, fold_size().constant().value_or(kGrain / 8));
    const std::int64_t per_task = std::max<std::int64_t>(1, kGrain / fold);
    kernel_.tasks = ceil_div(kept_size(), per_task);
    return fmt::format(
        "const long outputs = {0};\n"
        "const long stop = end * {1} < outputs ? end * {1} : outputs;\n"
        "for (long o = begin * {1}; o < stop; ++o) {{\n",
        text_of(kept_size()), per_task);
  }

  std::string rows() {
    const Lanes x = lanes(arithmetic_);
    std::string text = open_outputs() + kept_offset("o", kept_.size());
    text += fmt::format("{0} total = {1};\n", scalar(), identity(scalar()));
    text += open_folded(1);
    text += fmt::format(
        "const long width = {0};\n"
        "long j = 0;\n"
        "while (j + {1} <= width) {{\n"
        "const long left = (width - j) / {1};\n"
        "const long turns = left < {2} ? left : {2};\n"
        "{3} a0 = {4}, a1 = a0, a2 = a0, a3 = a0;\n"
        "long t = 0;\n"
        "for (; t + 4 <= turns; t += 4, j += 4 * {1}) {{\n"
        "a0 = {5};\na1 = {6};\na2 = {7};\na3 = {8};\n}}\n"
        "for (; t < turns; ++t, j += {1}) a0 = {5};\n",
        text_of(folded_.back().extent), x.count, 4 * kBlock, x.vector, identity(x.vector),
        combined("a0", load(x, "p + j")),
        combined("a1", load(x, fmt::format("p + j + {}", x.count))),
        combined("a2", load(x, fmt::format("p + j + 2 * {}", x.count))),
        combined("a3", load(x, fmt::format("p + j + 3 * {}", x.count))));
    text += fmt::format("a0 = {};\na2 = {};\n", combined("a0", "a1"), combined("a2", "a3"));
    text += fmt::format("a0 = {};\n", combined("a0", "a2"));
    text += fmt::format("total = {};\n}}\n",
                        combined("total", fmt::format("({}){}", scalar(), lanes_folded("a0"))));
    text += fmt::format("for (; j < width; ++j) total = {};\n",
                        combined("total", fmt::format("lm_load<{}>(p + j)", scalar())));
    text += close_braces(folded_.size() - 1);
    return text + "lm_store(out0 + o, total);\n}\n";
  }

  static std::string load(const Lanes& x, const std::string& from) {
    return fmt::format("lm_load<{}>({})", x.vector, from);
  }

  // A task folds kColumnVectors vectors of neighbouring outputs: all at once where they are whole,
  // else one by one.
  std::string columns() {
    const Lanes x = lanes(arithmetic_);
    const std::int64_t count = context_.target.lanes(arithmetic_ == Arithmetic::kSingle ? 4 : 8);
    const std::int64_t step = kColumnVectors * count;
    const Dim blocks = ceil_div(kept_.back().extent, step);
    Dim rows = 1;
    for (std::size_t l = 0; l + 1 < kept_.size(); ++l) rows = rows * kept_[l].extent;
    kernel_.tasks = rows * blocks;
    std::string text = fmt::format(
        "const long width = {0};\n"
        "for (long task = begin; task < end; ++task) {{\n"
        "const long column = task % {1} * {2};\n"
        "const long row = task / {1};\n",
        text_of(kept_.back().extent), text_of(blocks), step);
    text += kept_offset("row", kept_.size() - 1);
    text += fmt::format("if (column + {} <= width) {{\n{}}} else {{\n", step,
                        column_block(kColumnVectors, "column", ""));
    text += fmt::format("for (long c = column; c < width; c += {}) {{\n{}}}\n", x.count,
                        column_block(1, "c", ", width - c"));
    return text + "}\n}\n";
  }

  // Folds `vectors` vectors from column `c` on; `rest` is the argument that limits the lanes.
  std::string column_block(int vectors, const std::string& c, const std::string& rest) {
    const Lanes x = lanes(arithmetic_);
    const std::string extent = text_of(folded_.back().extent);
    const std::string stride = text_of(folded_.back().stride);
    std::string totals, starts, turn, ends, stores;
    for (int v = 0; v < vectors; ++v) {
      const std::string at = fmt::format("{} + {} * {}", c, v, x.count);
      const std::string a = fmt::format("a{}", v), total = fmt::format("total{}", v);
      totals += fmt::format("{} {} = {};\n", x.vector, total, identity(x.vector));
      starts += fmt::format("{} {} = {};\n", x.vector, a, identity(x.vector));
      turn += fmt::format(
          "{} = {};\n", a,
          combined(a, fmt::format("lm_load<{}>(p + g * {} + {}{})", x.vector, stride, at, rest)));
      ends += fmt::format("{} = {};\n", total, combined(total, a));
      stores += fmt::format("lm_store(out0 + row * width + {}, {}{});\n", at, total, rest);
    }
    return totals + open_folded(1) +
           fmt::format(
               "for (long f = 0; f < {0}; f += {1}) {{\n"
               "const long last = f + {1} < {0} ? f + {1} : {0};\n"
               "{2}for (long g = f; g < last; ++g) {{\n{3}}}\n{4}}}\n",
               extent, kBlock, starts, turn, ends) +
           close_braces(folded_.size() - 1) + stores;
  }

  // One output at a time; floats are folded in double.
  std::string scalars() {
    const std::string_view x = scalar();
    folded_.clear();
    kept_.clear();
    std::vector<int> kept;
    std::vector<int> folded;
    for (std::size_t l = 0; l < form_.extents.size(); ++l) {
      (l < rank() ? kept : folded).push_back(static_cast<int>(l));
      (l < rank() ? kept_ : folded_).push_back({form_.extents[l], 0});
    }
    std::string text = open_outputs() + split_index(kept, form_.extents, "o", kernel_);
    text += fmt::format("{} total = {};\n", x, identity(x));
    text += open_loops(folded, form_.extents, kernel_);
    text +=
        offset_statements(form_.operands[0], type_.shape, form_.extents, "at", context_, kernel_);
    text += fmt::format("if (at_ok) total = {};\n",
                        combined("total", fmt::format("lm_load<{}>(in0 + at)", x)));
    text += close_braces(folded.size());
    return text + "lm_store(out0 + o, total);\n}\n";
  }

  const EmitContext& context_;
  const LoopForm& form_;
  const Type& type_;
  Arithmetic arithmetic_;
  std::vector<Loop> kept_;
  std::vector<Loop> folded_;
  Dim base_;
  Kernel kernel_;
};

}  // namespace

std::vector<Kernel> emit_reduce(const EmitContext& context) {
  const LoopForm form = context.node.op.loop_form(context.node);
  return {ReduceEmitter(context, form).emit()};
}

}  // namespace lamina::cpu
