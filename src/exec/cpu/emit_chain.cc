// Kernels of chains: element-wise operators of one shape, and sums of what they compute, in one
// nest of loops. Values stay in registers; what is read outside is stored as it is computed.
//
// Neighbouring axes along which every operand is read or repeated alike, and which are summed
// alike, become one. Without sums a task is a range of elements. Sums whose last axis stays have
// vectors of sums and go over the summed axes; sums over the last axis have one lane-wise sum a
// row. Sums are taken in blocks, so that errors grow with the block and the number of blocks, in an
// order that the sizes alone decide.
#include "exec/cpu/emit_chain.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_common.h"
#include "exec/lower/fuse.h"

namespace lamina::cpu {
namespace {

constexpr int kGrain = 8192;   // elements of a task
constexpr int kBlock = 128;    // terms of a lane that are added up before they join the others
constexpr int kVectors = 2;    // of sums in registers, side by side
constexpr int kColumns = 128;  // whose sums a task keeps in memory: rows are read in long pieces

struct Axis {
  Dim extent;
  bool reduced = false;
  std::vector<bool> repeated;  // operands that have the same element along it
};

class ChainEmitter {
 public:
  ChainEmitter(const EmitContext& context, const lower::Chain& chain)
      : context_(context), inner_(context.node.graphs[0]), axes_(merge_axes(context, chain)) {
    for (std::size_t a = 0; a < axes_.size(); ++a) {
      (axes_[a].reduced ? summed_ : kept_).push_back(static_cast<int>(a));
      extents_.push_back(axes_[a].extent);
    }
    write_statements();
  }

  Kernel emit() {
    kernel_.name = "chain";
    kernel_.text = kernel_head(kernel_, context_);
    if (summed_.empty()) {
      kernel_.text += elements_text();
    } else if (axes_.back().reduced) {
      kernel_.text += rows_text();
    } else {
      kernel_.text += columns_text();
    }
    return std::move(kernel_);
  }

 private:
  struct Result {
    std::size_t output;
    std::string name;  // of the vector, in the statements
  };

  static std::vector<Axis> merge_axes(const EmitContext& context, const lower::Chain& chain) {
    std::vector<Axis> merged;
    for (std::size_t a = 0; a < chain.shape.size(); ++a) {
      if (chain.shape[a] == Dim(1)) continue;
      Axis axis{chain.shape[a], chain.reduced[a], {}};
      for (const Type& input : context.node.inputs) {
        const std::size_t skip = chain.shape.size() - input.shape.size();
        axis.repeated.push_back(a < skip || input.shape[a - skip] == Dim(1));
      }
      const bool joins = !merged.empty() && merged.back().reduced == axis.reduced &&
                         merged.back().repeated == axis.repeated;
      if (joins) {
        merged.back().extent = merged.back().extent * axis.extent;
      } else {
        merged.push_back(std::move(axis));
      }
    }
    if (merged.empty()) merged.push_back({1, false, std::vector<bool>(context.node.inputs.size())});
    return merged;
  }

  // The statements of one vector: operand k is x<k>.
  void write_statements() {
    CodeSink sink("t");
    std::vector<Code> codes(inner_.nodes.size());
    std::size_t given = 0;
    for (const Input& input : inner_.inputs) {
      codes[static_cast<std::size_t>(input.node)] = {&sink, "x" + std::to_string(given++)};
    }
    const Code any{&sink, "x0"};
    for (std::size_t n = 0; n < inner_.nodes.size(); ++n) {
      const Node& node = inner_.nodes[n];
      if (node.op->name == "input") continue;
      if (node.op->name == "constant") {
        codes[n] = like(any, node.attrs.real("value"));
        continue;
      }
      std::vector<Code> operands;
      for (const Value& v : node.inputs)
        operands.push_back(codes[static_cast<std::size_t>(v.node)]);
      codes[n] = node.op->name == "sum" ? operands[0] : node.op->scalar.code(operands, node.attrs);
    }
    for (const std::string& line : sink.lines()) statements_ += line + "\n";
    for (std::size_t k = 0; k < inner_.outputs.size(); ++k) {
      const auto n = static_cast<std::size_t>(inner_.outputs[k].value.node);
      const bool sum = inner_.nodes[n].op->name == "sum";
      // Over axes of one element a sum is its element.
      (sum && !summed_.empty() ? sums_ : stored_).push_back({k, codes[n].name});
    }
  }

  std::size_t operands() const { return context_.node.inputs.size(); }
  bool is_single(std::size_t k) const { return axes_.back().repeated[k]; }
  int last() const { return static_cast<int>(axes_.size()) - 1; }
  std::string text(const Dim& dim) { return dim_text(dim, kernel_.sizes); }

  // Strides of operand k, or of what has all elements, over the merged axes.
  LinearAccess access(std::optional<std::size_t> k) const {
    LinearAccess access{0, Dims(axes_.size(), Dim(0)), true};
    Dim step = 1;
    for (std::size_t a = axes_.size(); a-- > 0;) {
      if (k && axes_[a].repeated[*k]) continue;
      access.strides[a] = step;
      step = step * axes_[a].extent;
    }
    return access;
  }

  // p<k>: operand k, and q<k>: output k, at the row's element 0 where `column` is not given.
  std::string pointers(const std::string& column) {
    std::string out;
    for (std::size_t k = 0; k < operands(); ++k) {
      out += fmt::format("const auto* p{0} = in{0} + {1}{2};\n", k,
                         linear_text(access(k), last(), kernel_.sizes), is_single(k) ? "" : column);
    }
    for (const Result& result : stored_) {
      out += fmt::format("auto* q{0} = out{0} + {1}{2};\n", result.output,
                         linear_text(access({}), last(), kernel_.sizes), column);
    }
    return out;
  }

  // Operands that are the same along the row, loaded once.
  std::string splats() const {
    std::string out;
    for (std::size_t k = 0; k < operands(); ++k) {
      if (is_single(k)) {
        out += fmt::format("const vf x{0} = lm_load<float>(p{0}) - vf{{}};\n", k);
      }
    }
    return out;
  }

  // One vector, at element `at` of the row: loads, statements, stores. `count` lanes, or all.
  std::string vector_text(const std::string& at, const std::string& count) const {
    const std::string lanes = count.empty() ? "" : ", " + count;
    std::string out;
    for (std::size_t k = 0; k < operands(); ++k) {
      if (is_single(k)) continue;
      out += fmt::format("const vf x{0} = lm_load<vf>(p{0} + {1}{2});\n", k, at, lanes);
    }
    out += statements_;
    for (const Result& result : stored_) {
      out += fmt::format("lm_store(q{0} + {1}, vf{{}} + {2}{3});\n", result.output, at, result.name,
                         lanes);
    }
    return out;
  }

  std::string elements_text() {
    std::string out = open_ranges(kernel_, extents_, kGrain);
    out += pointers(" + column") + splats();
    out += "long j = 0;\nfor (; j + LM_F <= count; j += LM_F) {\n" + vector_text("j", "") + "}\n";
    out += "if (const long n = count - j) {\n" + vector_text("j", "n") + "}\n";
    return out + close_braces(4);
  }

  Dim kept_count(bool without_last) const {
    Dim count = 1;
    for (const int a : kept_) {
      if (!without_last || a != last()) count = count * extents_[static_cast<std::size_t>(a)];
    }
    return count;
  }

  // The variables of the kept axes (but the last one of all) from `from`.
  std::string kept_index(const std::string& from) {
    std::vector<int> outer;
    for (const int a : kept_) {
      if (a != last()) outer.push_back(a);
    }
    return outer.empty() ? "" : split_index(outer, extents_, from, kernel_);
  }

  // ---- Sums over the last axis

  std::string rows_text() {
    const Dim rows = kept_count(false);
    Dim row = 1;
    for (const int a : summed_) row = row * extents_[static_cast<std::size_t>(a)];
    const std::int64_t together = std::max<std::int64_t>(
        1, kGrain / std::max<std::int64_t>(1, row.constant().value_or(kGrain)));
    kernel_.tasks = ceil_div(rows, Dim(together));
    std::string out = fmt::format(
        "const long rows = {0}, width = {1};\n"
        "for (long task = begin; task < end; ++task)\n"
        "for (long row = task * {2}; row < task * {2} + {2} && row < rows; ++row) {{\n",
        text(rows), text(extents_.back()), together);
    out += kept_index("row");
    for (const Result& sum : sums_) out += fmt::format("double total{} = 0;\n", sum.output);
    const std::vector<int> outer(summed_.begin(), summed_.end() - 1);
    out += open_loops(outer, extents_, kernel_) + pointers("") + splats();
    out += fmt::format(
        "for (long c = 0; c < width; c += {0} * LM_F) {{\n"
        "const long stop = width - c < {0} * LM_F ? width : c + {0} * LM_F;\nlong j = c;\n",
        kBlock);
    out += accumulators("");
    out += "for (; j + LM_F <= stop; j += LM_F) {\n" + vector_text("j", "") + added("") + "}\n";
    out += "if (const long n = stop - j) {\n" + vector_text("j", "n") + "float lanes[LM_F];\n";
    for (const Result& sum : sums_) {
      out += fmt::format(
          "lm_store(lanes, vf{{}} + {1});\n"
          "for (long i = 0; i < n; ++i) total{0} += lanes[i];\n",
          sum.output, sum.name);
    }
    out += "}\n";
    for (const Result& sum : sums_) {
      out += fmt::format("total{0} += lm_sum(sum{0}_);\n", sum.output);
    }
    out += "}\n" + close_braces(outer.size());
    for (const Result& sum : sums_) out += fmt::format("out{0}[row] = total{0};\n", sum.output);
    return out + "}\n}\n";
  }

  std::string accumulators(const std::string& suffix) const {
    std::string out;
    for (const Result& sum : sums_) out += fmt::format("vf sum{}_{}{{}};\n", sum.output, suffix);
    return out;
  }

  std::string added(const std::string& suffix) const {
    std::string out;
    for (const Result& sum : sums_) {
      out += fmt::format("sum{}_{} += {};\n", sum.output, suffix, sum.name);
    }
    return out;
  }

  // ---- Sums of columns

  std::string columns_text() {
    const std::int64_t lanes = context_.target.lanes(4);
    const std::optional<std::int64_t> width = extents_.back().constant();
    if (!width || *width >= 2 * kVectors * lanes) return wide_columns_text();
    const std::string wide = fmt::format("({} * LM_F)", kVectors);
    std::string out = open_columns(kVectors * lanes);
    out += fmt::format("if (columns == {}) {{\n{}}} else\n", wide, nest(kVectors, ""));
    out +=
        "for (const long after = column + columns; column < after; column += LM_F) {\n"
        "const long n = after - column;\n" +
        nest(1, "n") + "}\n";
    return out + "}\n}\n";
  }

  // Opens the loop over tasks of so many columns, from `column` on.
  std::string open_columns(std::int64_t together) {
    const Dim width = extents_.back();
    kernel_.tasks = kept_count(true) * ceil_div(width, Dim(together));
    return fmt::format(
               "const long width = {0}, chunks = (width + {1} - 1) / {1};\n"
               "for (long task = begin; task < end; ++task) {{\n"
               "const long kept = task / chunks;\nlong column = task % chunks * {1};\n"
               "const long columns = width - column < {1} ? width - column : {1};\n",
               text(width), together) +
           kept_index("kept");
  }

  // Sums in memory: each row of a task is read in one piece.
  std::string wide_columns_text() {
    const std::vector<int> outer(summed_.begin(), summed_.end() - 1);
    const int inner = summed_.back();
    std::string out = open_columns(kColumns), zero, join, add, store;
    for (const Result& sum : sums_) {
      out += fmt::format("float total{0}[{1}] = {{}}, sum{0}[{1}];\n", sum.output, kColumns);
      zero += fmt::format("sum{}[c] = 0;\n", sum.output);
      join += fmt::format("total{0}[c] += sum{0}[c];\n", sum.output);
      add += fmt::format("lm_store(sum{0} + c, lm_load<vf>(sum{0} + c) + {1});\n", sum.output,
                         sum.name);
      store += fmt::format("out{0}[kept * width + column + c] = total{0}[c];\n", sum.output);
    }
    const auto columns = [](const std::string& body) {
      return "for (long c = 0; c < columns; ++c) {\n" + body + "}\n";
    };
    out += open_loops(outer, extents_, kernel_) + open_blocks(inner) + columns(zero);
    out += fmt::format("for (long i{0} = first; i{0} < stop; ++i{0}) {{\n", inner);
    out += pointers(" + column") + splats() + "long c = 0;\n";
    out += "for (; c + LM_F <= columns; c += LM_F) {\n" + vector_text("c", "") + add + "}\n";
    out += "if (const long n = columns - c) {\n" + vector_text("c", "n") + add + "}\n}\n";
    return out + columns(join) + "}\n" + close_braces(outer.size()) + columns(store) + "}\n}\n";
  }

  // Opens the loop over blocks of the innermost summed axis, from `first` to `stop`.
  std::string open_blocks(int inner) {
    return fmt::format(
        "for (long first = 0, all = {0}; first < all; first += {1}) {{\n"
        "const long stop = all - first < {1} ? all : first + {1};\n",
        text(extents_[static_cast<std::size_t>(inner)]), kBlock);
  }

  // Goes over the summed axes for so many vectors of columns.
  std::string nest(int vectors, const std::string& count) {
    const std::vector<int> outer(summed_.begin(), summed_.end() - 1);
    const int inner = summed_.back();
    std::string out, totals;
    for (int v = 0; v < vectors; ++v) {
      for (const Result& sum : sums_) out += fmt::format("vf total{}_{}{{}};\n", sum.output, v);
    }
    out += open_loops(outer, extents_, kernel_) + open_blocks(inner);
    for (int v = 0; v < vectors; ++v) out += accumulators(std::to_string(v));
    out += fmt::format("for (long i{0} = first; i{0} < stop; ++i{0}) {{\n", inner);
    out += pointers(" + column") + splats();
    for (int v = 0; v < vectors; ++v) {
      out += "{\n" + vector_text(fmt::format("{} * LM_F", v), count) + added(std::to_string(v)) +
             "}\n";
      for (const Result& sum : sums_) {
        totals += fmt::format("total{0}_{1} += sum{0}_{1};\n", sum.output, v);
      }
    }
    out += "}\n" + totals + "}\n" + close_braces(outer.size());
    for (int v = 0; v < vectors; ++v) {
      for (const Result& sum : sums_) {
        out +=
            fmt::format("lm_store(out{0} + kept * width + column + {1} * LM_F, total{0}_{1}{2});\n",
                        sum.output, v, count.empty() ? "" : ", " + count);
      }
    }
    return out;
  }

  const EmitContext& context_;
  const Graph& inner_;
  std::vector<Axis> axes_;
  std::vector<int> kept_;
  std::vector<int> summed_;
  Dims extents_;
  std::string statements_;
  std::vector<Result> stored_;
  std::vector<Result> sums_;
  Kernel kernel_;
};

}  // namespace

Kernel emit_chain(const EmitContext& context) {
  const std::optional<lower::Chain> chain = lower::chain_of(context.node);
  if (!chain || context.node.inputs.empty()) {
    fail(ErrorCode::kUnsupported, "thread: no chain of element-wise operators and sums");
  }
  return ChainEmitter(context, *chain).emit();
}

}  // namespace lamina::cpu
