// Kernels of orderings: the first positions of the stable order of each line along an axis.
//
// One position (argmax, argmin): a scan. More: a bottom-up merge sort of positions in the thread's
// scratch memory. NaN counts as the largest element, as in the reference.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {
namespace {

constexpr int kGrain = 8192;  // elements read per task

class OrderEmitter {
 public:
  OrderEmitter(const EmitContext& context, const OrderForm& form)
      : context_(context), form_(form), shape_(context.node.inputs[0].shape) {
    element_ = lanes(choose_arithmetic(context.node, context.node.inputs[0], true)).element;
    kernel_.name = std::string(context.node.op.name);
  }

  Kernel emit() {
    const auto axis = static_cast<std::size_t>(form_.axis);
    const Dim line = shape_[axis];
    const Dim step = product({shape_.begin() + form_.axis + 1, shape_.end()});
    const Dim before = product({shape_.begin(), shape_.begin() + form_.axis});
    const std::int64_t known = std::max<std::int64_t>(1, line.constant().value_or(256));
    const std::int64_t per_task = std::max<std::int64_t>(1, kGrain / known);
    const Dim lines = before * step;
    kernel_.tasks = ceil_div(lines, per_task);
    kernel_.text = kernel_head(kernel_, context_);
    kernel_.text += fmt::format(
        "const long line = {0}, step = {1}, keep = {2}, lines = {3};\n"
        "const long stop = end * {4} < lines ? end * {4} : lines;\n"
        "for (long l = begin * {4}; l < stop; ++l) {{\n"
        "const auto* x = in0 + l / step * step * line + l % step;\n"
        "const long to = l / step * step * keep + l % step;\n",
        text_of(line), text_of(step), text_of(form_.count), text_of(lines), per_task);
    const bool one = form_.count == Dim(1);
    if (!one) kernel_.scratch_bytes = line * Dim(16);
    kernel_.text += before_function() + (one ? scan() : sort()) + "}\n}\n";
    return std::move(kernel_);
  }

 private:
  std::string text_of(const Dim& dim) { return dim_text(dim, kernel_.sizes); }

  // before(i, j): position i certainly comes before position j.
  std::string before_function() const {
    const char* first = form_.descending ? "j" : "i";
    const char* second = form_.descending ? "i" : "j";
    return fmt::format(
        "const auto before = [&](long i, long j) {{\n"
        "const {0} a = lm_load<{0}>(x + {1} * step), b = lm_load<{0}>(x + {2} * step);\n"
        "return a < b || (a == a && b != b);\n}};\n",
        element_, first, second);
  }

  std::string write(const std::string& rank, const std::string& position) const {
    std::string text;
    if (form_.values) {
      text += fmt::format("lm_store(out0 + to + {} * step, lm_load<{}>(x + {} * step));\n", rank,
                          element_, position);
    }
    if (form_.positions) {
      text += fmt::format("lm_store(out{} + to + {} * step, {});\n", context_.outputs.size() - 1,
                          rank, position);
    }
    return text;
  }

  std::string scan() const {
    const std::string better = form_.prefer_last ? "!before(best, i)" : "before(i, best)";
    return fmt::format("long best = 0;\nfor (long i = 1; i < line; ++i) if ({}) best = i;\n",
                       better) +
           write("0", "best");
  }

  std::string sort() const {
    return fmt::format(
               "long* from = (long*)call->scratch;\n"
               "long* into = from + line;\n"
               "for (long i = 0; i < line; ++i) from[i] = {};\n"
               "for (long width = 1; width < line; width *= 2) {{\n"
               "for (long low = 0; low < line; low += 2 * width) {{\n"
               "const long middle = low + width < line ? low + width : line;\n"
               "const long high = middle + width < line ? middle + width : line;\n"
               "for (long a = low, b = middle, k = low; k < high; ++k) {{\n"
               "const bool right = a == middle || (b < high && before(from[b], from[a]));\n"
               "into[k] = right ? from[b++] : from[a++];\n"
               "}}\n}}\n"
               "long* swap = from;\nfrom = into;\ninto = swap;\n"
               "}}\n"
               "for (long r = 0; r < keep; ++r) {{\n",
               form_.prefer_last ? "line - 1 - i" : "i") +
           write("r", "from[r]") + "}\n";
  }

  const EmitContext& context_;
  const OrderForm& form_;
  const Dims& shape_;
  std::string element_;
  Kernel kernel_;
};

}  // namespace

std::vector<Kernel> emit_order(const EmitContext& context) {
  const OrderForm form = context.node.op.order_form(context.node);
  return {OrderEmitter(context, form).emit()};
}

}  // namespace lamina::cpu
