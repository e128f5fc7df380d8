// Kernels of orderings: the first positions of the stable order of each line along an axis, in
// which NaN counts as the largest element.
//
// Few positions (argmax, argmin, top_k): a thread block for each line finds the best element, then
// the best of those behind it, and so on. A line that fits into shared memory: a thread block sorts
// it there by a bitonic network. Longer lines, or of named sizes: a thread for each element counts
// those before it.
#include <algorithm>

#include "base/check.h"
#include "exec/cuda/point_text.h"

namespace lamina::cuda {
namespace {

constexpr std::int64_t kFew = 32;  // rounds over a line, at most
constexpr int kWarp = 32;

std::int64_t power_of_two(std::int64_t n) {
  std::int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}

class OrderEmitter {
 public:
  explicit OrderEmitter(const EmitContext& context)
      : context_(context),
        form_(context.node.op.order_form(context.node)),
        shape_(context.node.inputs[0].shape),
        text_(context) {
    const cpu::Arithmetic kind = cpu::choose_arithmetic(context.node, context.node.inputs[0], true);
    element_ = cpu::lanes(kind).element;
    order_ = fmt::format("LmOrder<{}, {}>", form_.descending, form_.prefer_last);
    line_ = shape_[static_cast<std::size_t>(form_.axis)];
    step_ = cpu::product({shape_.begin() + form_.axis + 1, shape_.end()});
    lines_ = cpu::product({shape_.begin(), shape_.begin() + form_.axis}) * step_;
  }

  Kernel emit() {
    const auto count = form_.count.constant(), line = line_.constant();
    if (count && *count <= kFew) return select();
    const std::int64_t bytes = line ? sort_bytes(power_of_two(*line)) : 0;
    if (line && bytes <= context_.machine.shared_bytes_per_block) return sort(power_of_two(*line));
    return rank();
  }

 private:
  // Element i of line l is x[i * step], and of its results out[to + i * step].
  std::string line_text(const std::string& l) {
    return fmt::format(
        "const long line = {1}, step = {2}, keep = {3};\n"
        "const auto* x = in0 + {0} / step * step * line + {0} % step;\n"
        "const long to = {0} / step * step * keep + {0} % step;\n",
        l, text_.text(line_), text_.text(step_), text_.text(form_.count));
  }

  std::string write(const std::string& rank, const std::string& value,
                    const std::string& position) const {
    std::string out;
    if (form_.values) out += fmt::format("lm_store(out0 + to + {} * step, {});\n", rank, value);
    if (form_.positions) {
      out += fmt::format("lm_store(out{} + to + {} * step, (long){});\n",
                         context_.outputs.size() - 1, rank, position);
    }
    return out;
  }

  int threads_for(std::int64_t elements) const {
    const std::int64_t wanted = std::max<std::int64_t>(kWarp, power_of_two(elements));
    return static_cast<int>(std::min<std::int64_t>(wanted, text_.threads()));
  }

  Kernel select() {
    const int threads = threads_for(line_.constant().value_or(text_.threads()));
    const int warps = threads / kWarp;
    const std::string body =
        line_text("at") +
        fmt::format(
            "LM_SHARED(memory);\nlong* positions = (long*)memory;\n"
            "{0}* values = ({0}*)(memory + {1});\n"
            "LmBest<{0}> last{{0, -1}};\nfor (long r = 0; r < keep; ++r) {{\n"
            "LmBest<{0}> best{{0, -1}};\nfor (long i = thread; i < line; i += {2}) {{\n"
            "const LmBest<{0}> next{{lm_load<{0}>(x + i * step), i}};\n"
            "if (last.at < 0 || {3}::before(last, next)) best = {3}::first(best, next);\n}}\n"
            "best = lm_best_of_block<{3}, {4}>(best, values, positions);\n"
            "if (thread == 0) {{\n{5}}}\nlast = best;\n}}\n",
            element_, warps * sizeof(long), threads, order_, warps,
            write("r", "best.value", "best.at"));
    Kernel kernel = text_.finish_blocks(lines_, threads, body);
    kernel.shared_bytes = static_cast<std::int64_t>(sizeof(long) + sizeof(double)) * warps;
    return kernel;
  }

  std::int64_t element_bytes() const { return element_ == "float" ? 4 : 8; }
  std::int64_t sort_bytes(std::int64_t padded) const {
    return padded * (element_bytes() + static_cast<std::int64_t>(sizeof(int)));
  }

  // Places beyond the line hold positions beyond it, which come last.
  Kernel sort(std::int64_t padded) {
    const int threads = threads_for(std::max<std::int64_t>(1, padded / 2));
    const std::string body =
        line_text("at") +
        fmt::format(
            "LM_SHARED(memory);\n{0}* values = ({0}*)memory;\n"
            "int* positions = (int*)(memory + {1});\n"
            "for (int i = thread; i < {2}; i += {3}) {{\n"
            "values[i] = i < line ? lm_load<{0}>(x + i * step) : ({0})0;\npositions[i] = i;\n}}\n"
            "for (int size = 2; size <= {2}; size *= 2)\n"
            "for (int half = size / 2; half > 0; half /= 2) {{\nLM_SYNC();\n"
            "for (int p = thread; p < {4}; p += {3}) {{\n"
            "const int i = p / half * 2 * half + p % half, j = i + half;\n"
            "const LmBest<{0}> low{{values[i], positions[i]}}, high{{values[j], positions[j]}};\n"
            "if ({5}::before_in_line(high, low, line) != ((i & size) == 0)) continue;\n"
            "values[i] = high.value, values[j] = low.value;\n"
            "positions[i] = (int)high.at, positions[j] = (int)low.at;\n}}\n}}\nLM_SYNC();\n"
            "for (int r = thread; r < keep; r += {3}) {{\n{6}}}\n",
            element_, padded * element_bytes(), padded, threads, padded / 2, order_,
            write("r", "values[r]", "positions[r]"));
    Kernel kernel = text_.finish_blocks(lines_, threads, body);
    kernel.shared_bytes = sort_bytes(padded);
    return kernel;
  }

  Kernel rank() {
    const std::string body =
        fmt::format("const long l = at / {0}, mine = at % {0};\n", text_.text(line_)) +
        line_text("l") +
        fmt::format(
            "const LmBest<{0}> own{{lm_load<{0}>(x + mine * step), mine}};\nlong rank = 0;\n"
            "for (long i = 0; i < line; ++i) {{\n"
            "rank += {1}::before(LmBest<{0}>{{lm_load<{0}>(x + i * step), i}}, own);\n}}\n"
            "if (rank < keep) {{\n{2}}}\n",
            element_, order_, write("rank", "own.value", "mine"));
    return text_.finish(lines_ * line_, 1, body);
  }

  const EmitContext& context_;
  OrderForm form_;
  const Dims& shape_;
  PointText text_;
  std::string_view element_;
  std::string order_;
  Dim line_, step_, lines_;
};

}  // namespace

std::vector<Kernel> emit_order(const EmitContext& context) {
  return {OrderEmitter(context).emit()};
}

}  // namespace lamina::cuda
