// Kernels of operators outside blocks: one thread (reductions: one warp) for each element of the
// output. Simple on purpose: what must be fast is fused into blocks.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_contract.h"
#include "exec/cuda/block_tiles.h"
#include "exec/cuda/kernel.h"
#include "exec/cuda/scalar_text.h"
#include "graph/kinds.h"

namespace lamina::cuda {
namespace {

using cpu::Arithmetic;

constexpr int kThreads = 256;
constexpr int kWarp = 32;

class PlainEmitter {
 public:
  explicit PlainEmitter(const EmitContext& context)
      : context_(context),
        node_(context.node),
        words_{context.node, context.outputs, {}, cpu::Target{}},
        threads_(std::min(kThreads, context.machine.threads_per_block)) {}

  std::vector<Kernel> emit() {
    const OpDef& op = node_.op;
    if (op.scalar.code != nullptr) return {elementwise()};
    if (op.loop_form != nullptr) return {loops(op.loop_form(node_))};
    if (op.move_form == nullptr) fail(ErrorCode::kUnsupported, "{} on a GPU", op.name);
    std::vector<Kernel> kernels;
    for (const Copy& copy : op.move_form(node_).copies) kernels.push_back(move(copy));
    return kernels;
  }

 private:
  std::string text(const Dim& dim) { return cpu::dim_text(dim, words_kernel_.sizes); }

  // Statements for `points` points, `each` threads a point; the point is called at.
  Kernel finish(const Dim& points, int each, const std::string& body) {
    Kernel kernel;
    kernel.name = std::string(node_.op.name);
    kernel.parameters = parameters_of(context_);
    kernel.threads = threads_;
    const int per_block = threads_ / each;
    kernel.blocks = ceil_div(points, per_block);
    const std::string total = text(points);
    kernel.text = fmt::format(
        "LM_KERNEL({}) NAME{} {{\nconst long* sizes = lm_sizes.v;\n(void)sizes;\n"
        "const int lane = lm_thread() % 32;\n(void)lane;\n"
        "const long at = lm_block() * {} + lm_thread() / {};\nif (at >= {}) return;\n{}}}\n",
        threads_, parameter_text(kernel.parameters), per_block, each, total, body);
    kernel.sizes = std::exchange(words_kernel_.sizes, {});
    return kernel;
  }

  // Indices of the loops [first, last) from the position called `from`.
  std::string split(const Dims& extents, std::size_t first, std::size_t last,
                    const std::string& from) {
    std::string out;
    std::string rest = from;
    for (std::size_t l = last; l-- > first;) {
      const std::string extent = text(extents[l]);
      out += fmt::format("const long i{0} = {1} % {2}, above{0} = {1} / {2};\n", l, rest, extent);
      rest = fmt::format("above{}", l);
    }
    return out;
  }

  Arithmetic arithmetic(bool whole) const {
    return cpu::choose_arithmetic(node_, context_.outputs[0], whole);
  }

  Kernel elementwise() {
    const ScalarMeaning& meaning = node_.op.scalar;
    const Arithmetic kind = arithmetic(meaning.whole != nullptr);
    if (kind != Arithmetic::kWhole && meaning.real == nullptr) {
      fail(ErrorCode::kUnsupported, "{} of numbers that are not whole, on a GPU", node_.op.name);
    }
    const std::string x(cpu::lanes(kind).element);
    const Dims& shape = context_.outputs[0].shape;
    std::string body = split(shape, 0, shape.size(), "at");
    std::vector<std::string> names;
    for (std::size_t k = 0; k < node_.inputs.size(); ++k) {
      const Dims& from = node_.inputs[k].shape;
      const auto access = cpu::linear_access(broadcast_access(from, shape), from, shape);
      check(access.has_value(), "{}: operand {} is not read in place", node_.op.name, k);
      names.push_back(fmt::format("x{}", k));
      body += fmt::format("const {0} x{1} = lm_load<{0}>(in{1} + {2});\n", x, k,
                          cpu::linear_text(*access, -1, words_kernel_.sizes));
    }
    const Node node{.op = &node_.op, .attrs = node_.attrs, .types = context_.outputs};
    const std::string result = scalar_text(node, names, "t", body);
    body += fmt::format("lm_store(out0 + at, ({})({}));\n", x, result);
    return finish(cpu::product(shape), 1, body);
  }

  // Reductions and contractions.
  Kernel loops(const LoopForm& form) {
    const bool reduces = node_.op.kind == Kind::kReduce;
    const Arithmetic kind = arithmetic(true);
    const Monoid monoid = reduces ? node_.op.monoid : Monoid::kSum;
    const bool ordered = monoid == Monoid::kMax || monoid == Monoid::kMin;
    if (kind == Arithmetic::kWhole && ordered) {
      fail(ErrorCode::kUnsupported, "{} of whole numbers on a GPU", node_.op.name);
    }
    const std::string x(cpu::lanes(kind).element), fold = monoid_name(monoid);
    const auto rank = static_cast<std::size_t>(form.output_rank);
    const Dims outer(form.extents.begin(), form.extents.begin() + form.output_rank);
    const Dims inner(form.extents.begin() + form.output_rank, form.extents.end());
    const bool by_warp = reduces && kind != Arithmetic::kWhole;
    std::string body = split(form.extents, 0, rank, "at");
    body +=
        fmt::format("{0} a = {1}::identity<{0}>();\nfor (long r = {2}; r < {3}; r += {4}) {{\n", x,
                    fold, by_warp ? "lane" : "0", text(cpu::product(inner)), by_warp ? kWarp : 1);
    body += split(form.extents, rank, form.extents.size(), "r");
    std::string term, ok;
    for (std::size_t k = 0; k < form.operands.size(); ++k) {
      const std::string name = fmt::format("p{}", k);
      body += cpu::offset_statements(form.operands[k], node_.inputs[k].shape, form.extents, name,
                                     words_, words_kernel_);
      term += fmt::format("{}lm_load<{}>(in{} + {})", k == 0 ? "" : " * ", x, k, name);
      ok += fmt::format("{}{}_ok", k == 0 ? "" : " && ", name);
    }
    body += fmt::format("if ({}) a = {}::combine(a, {});\n}}\n", ok, fold, term);
    if (by_warp) body += fmt::format("a = lm_fold_warp<{}>(a);\n", fold);
    body += fmt::format("{}lm_store(out0 + at, a);\n", by_warp ? "if (lane == 0) " : "");
    return finish(cpu::product(outer), by_warp ? kWarp : 1, body);
  }

  Kernel move(const Copy& copy) {
    const bool indirect = std::any_of(copy.to.axes.begin(), copy.to.axes.end(),
                                      [](const AxisIndex& axis) { return !axis.indirect.empty(); });
    if (copy.combine != Combine::kSet || indirect) {
      fail(ErrorCode::kUnsupported, "{} on a GPU", node_.op.name);
    }
    const auto output = static_cast<std::size_t>(copy.output);
    const DType dtype = context_.outputs[output].dtype;
    const std::string x = dtype == DType::kF64     ? "double"
                          : traits(dtype).is_float ? "float"
                                                   : "long";
    std::string body = split(copy.extents, 0, copy.extents.size(), "at");
    body += cpu::offset_statements(copy.to, context_.outputs[output].shape, copy.extents, "to",
                                   words_, words_kernel_);
    std::string value = literal_text(copy.fill);
    std::string ok = "to_ok";
    if (copy.operand >= 0) {
      const auto operand = static_cast<std::size_t>(copy.operand);
      body += cpu::offset_statements(copy.from, node_.inputs[operand].shape, copy.extents, "from",
                                     words_, words_kernel_);
      value = fmt::format("lm_load<{}>(in{} + from)", x, copy.operand);
      ok += " && from_ok";
    } else {
      if (copy.fill_size != Dim(0)) value += " + (double)" + text(copy.fill_size);
      if (copy.operand == Copy::kIndex) value += " + " + literal_text(copy.step) + " * (double)i0";
    }
    body += fmt::format("if ({}) lm_store(out{} + to, ({})({}));\n", ok, output, x, value);
    return finish(cpu::product(copy.extents), 1, body);
  }

  const EmitContext& context_;
  const NodeView& node_;
  cpu::EmitContext words_;    // what the text of accesses is made from
  cpu::Kernel words_kernel_;  // collects the named sizes of the kernel in hand
  int threads_;
};

}  // namespace

std::vector<Kernel> emit_plain(const EmitContext& context) { return PlainEmitter(context).emit(); }

}  // namespace lamina::cuda
