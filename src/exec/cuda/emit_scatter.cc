// Copies that combine, or write where an operand says: scatters, and windows that are added up.
//
// Each thread owns one element of the output and looks for what is written there. A loop that alone
// walks an axis is solved for: i = (place - offset) / coefficient; the others are run through in
// their order, and an index read from an operand is compared. So sums need no atomics, come in the
// same order in every run, and of equal targets the last wins, for the price of reading all indices
// for each element.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "exec/cuda/point_text.h"
#include "exec/cuda/scalar_text.h"

namespace lamina::cuda {
namespace {

std::string combined(Combine combine, const std::string& x) {
  switch (combine) {
    case Combine::kSet:
      return x;
    case Combine::kAdd:
      return fmt::format("a + {}", x);
    case Combine::kMul:
      return fmt::format("a * {}", x);
    case Combine::kMax:
      return fmt::format("lm_max(a, {})", x);
    case Combine::kMin:
      return fmt::format("lm_min(a, {})", x);
  }
  return "";
}

class ScatterEmitter {
 public:
  ScatterEmitter(const EmitContext& context, const Copy& copy)
      : copy_(copy), text_(context), type_(text_.output(copy.output)) {
    if (copy.operand < 0 || copy.to.flat) refuse();
    choose_loops();
  }

  Kernel emit() {
    const std::string x(combining_type(type_.dtype));
    std::string body = text_.split(type_.shape, 0, type_.shape.size(), "at", "o");
    body += fmt::format("{0} a = lm_load<{0}>(out{1} + at);\n", x, copy_.output);
    std::size_t open = 0;
    for (std::size_t l = 0; l < copy_.extents.size(); ++l) {
      if (solved_.count(static_cast<int>(l)) > 0) continue;
      body += fmt::format("for (long i{0} = 0; i{0} < {1}; ++i{0}) {{\n", l,
                          text_.text(copy_.extents[l]));
      ++open;
    }
    body += "do {\n";  // what continue leaves where every loop is solved for
    for (const auto& [loop, axis] : solved_) body += solve(loop, axis);
    for (std::size_t axis = 0; axis < copy_.to.axes.size(); ++axis) body += compare(axis);
    const auto operand = static_cast<std::size_t>(copy_.operand);
    body += text_.offset(copy_.from, text_.node().inputs[operand].shape, copy_.extents, "from");
    const std::string value = fmt::format("lm_load<{}>(in{} + from)", x, operand);
    body += fmt::format("if (from_ok) a = {};\n}} while (false);\n{}lm_store(out{} + at, a);\n",
                        combined(copy_.combine, value), cpu::close_braces(open), copy_.output);
    return text_.finish(cpu::product(type_.shape), 1, body);
  }

 private:
  [[noreturn]] void refuse() const {
    fail(ErrorCode::kUnsupported, "{} on a GPU: a copy of this form", text_.node().op.name);
  }

  int uses(int loop) const {
    int count = 0;
    for (const AxisIndex& axis : copy_.to.axes) {
      for (const auto& term : axis.loops) count += term.loop == loop;
    }
    return count;
  }

  // Of each axis without an index, the longest of its loops that walk no other axis.
  void choose_loops() {
    for (std::size_t a = 0; a < copy_.to.axes.size(); ++a) {
      const AxisIndex& axis = copy_.to.axes[a];
      if (!axis.indirect.empty()) continue;
      std::int64_t longest = -1;
      int best = -1;
      for (const auto& term : axis.loops) {
        const auto coefficient = term.coefficient.constant();
        const std::int64_t length =
            copy_.extents[static_cast<std::size_t>(term.loop)].constant().value_or(1 << 20);
        if (!coefficient || *coefficient <= 0 || uses(term.loop) != 1 || length <= longest)
          continue;
        longest = length;
        best = term.loop;
      }
      if (best < 0) continue;
      // Then loops would not be met in their order, of which the last one writes.
      if (copy_.combine == Combine::kSet && axis.loops.size() > 1) refuse();
      solved_[best] = a;
    }
  }

  // The sum of the axis' offset and terms, but for one loop's.
  std::string place(const AxisIndex& axis, int skip) {
    std::string out = axis.offset == Dim(0) ? "0L" : text_.text(axis.offset);
    for (const auto& term : axis.loops) {
      if (term.loop == skip) continue;
      out += fmt::format(" + {} * i{}", text_.text(term.coefficient), term.loop);
    }
    return out;
  }

  std::string solve(int loop, std::size_t a) {
    const AxisIndex& axis = copy_.to.axes[a];
    const auto term = std::find_if(axis.loops.begin(), axis.loops.end(),
                                   [&](const auto& each) { return each.loop == loop; });
    return fmt::format(
        "const long d{0} = o{0} - ({1}), i{2} = d{0} / {3};\n"
        "if (d{0} < 0 || d{0} % {3} != 0 || i{2} >= {4}) continue;\n",
        a, place(axis, loop), loop, text_.text(term->coefficient),
        text_.text(copy_.extents[static_cast<std::size_t>(loop)]));
  }

  std::string compare(std::size_t a) {
    const AxisIndex& axis = copy_.to.axes[a];
    const bool is_solved = std::any_of(solved_.begin(), solved_.end(),
                                       [&](const auto& entry) { return entry.second == a; });
    if (is_solved) return "";
    if (axis.indirect.empty()) {
      return fmt::format("if (o{} != {}) continue;\n", a, place(axis, -1));
    }
    const AxisIndex::Indirect& from = axis.indirect[0];
    const Dims& shape = text_.node().inputs[static_cast<std::size_t>(from.operand)].shape;
    const std::string name = fmt::format("n{}", a);
    return text_.offset({from.axes, false}, shape, copy_.extents, name) +
           fmt::format(
               "if (!{0}_ok) continue;\nlong v{1} = lm_load<long>(in{2} + {0});\n"
               "if (v{1} < 0) v{1} += {3};\nif (o{1} != v{1} + {4}) continue;\n",
               name, a, from.operand, text_.text(type_.shape[a]), place(axis, -1));
  }

  const Copy& copy_;
  PointText text_;
  const Type& type_;
  std::map<int, std::size_t> solved_;  // loops, and the axes that they are solved for on
};

}  // namespace

Kernel emit_scatter(const EmitContext& context, const Copy& copy) {
  return ScatterEmitter(context, copy).emit();
}

}  // namespace lamina::cuda
