// Kernels of operators outside blocks: one thread (reductions: one warp) for each element of the
// output. Simple on purpose: what must be fast is fused into blocks.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_contract.h"
#include "exec/cuda/block_tiles.h"
#include "exec/cuda/point_text.h"
#include "exec/cuda/scalar_text.h"
#include "graph/kinds.h"

namespace lamina::cuda {
namespace {

using cpu::Arithmetic;

constexpr int kWarp = 32;

class PlainEmitter {
 public:
  explicit PlainEmitter(const EmitContext& context)
      : context_(context), node_(context.node), text_(context) {}

  std::vector<Kernel> emit() {
    const OpDef& op = node_.op;
    if (op.scalar.code != nullptr) return {elementwise()};
    if (op.order_form != nullptr) return emit_order(context_);
    if (op.loop_form != nullptr) return {loops(op.loop_form(node_))};
    if (op.move_form == nullptr) fail(ErrorCode::kUnsupported, "{} on a GPU", op.name);
    std::vector<Kernel> kernels;
    for (const Copy& copy : op.move_form(node_).copies) kernels.push_back(move(copy));
    return kernels;
  }

 private:
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
    std::string body = text_.split(shape, 0, shape.size(), "at");
    std::vector<std::string> names;
    for (std::size_t k = 0; k < node_.inputs.size(); ++k) {
      const Dims& from = node_.inputs[k].shape;
      const auto access = cpu::linear_access(broadcast_access(from, shape), from, shape);
      check(access.has_value(), "{}: operand {} is not read in place", node_.op.name, k);
      names.push_back(fmt::format("x{}", k));
      body +=
          fmt::format("const {0} x{1} = lm_load<{0}>(in{1} + {2});\n", x, k, text_.linear(*access));
    }
    const Node node{.op = &node_.op, .attrs = node_.attrs, .types = context_.outputs};
    const std::string result = scalar_text(node, names, "t", body);
    body += fmt::format("lm_store(out0 + at, ({})({}));\n", x, result);
    return text_.finish(cpu::product(shape), 1, body);
  }

  // Reductions and contractions.
  Kernel loops(const LoopForm& form) {
    const bool reduces = node_.op.kind == Kind::kReduce;
    const Arithmetic kind = arithmetic(true);
    const Monoid monoid = reduces ? node_.op.monoid : Monoid::kSum;
    const std::string x(cpu::lanes(kind).element), fold = monoid_name(monoid);
    const auto rank = static_cast<std::size_t>(form.output_rank);
    const Dims outer(form.extents.begin(), form.extents.begin() + form.output_rank);
    const Dims inner(form.extents.begin() + form.output_rank, form.extents.end());
    const bool by_warp = reduces && kind != Arithmetic::kWhole;
    std::string body = text_.split(form.extents, 0, rank, "at");
    const std::string terms = text_.text(cpu::product(inner));
    body += fmt::format("{0} a = {1}::identity<{0}>();\nfor (long r = {2}; r < {3}; r += {4}) {{\n",
                        x, fold, by_warp ? "lane" : "0", terms, by_warp ? kWarp : 1);
    body += text_.split(form.extents, rank, form.extents.size(), "r");
    std::string term, ok;
    for (std::size_t k = 0; k < form.operands.size(); ++k) {
      const std::string name = fmt::format("p{}", k);
      body += text_.offset(form.operands[k], node_.inputs[k].shape, form.extents, name);
      term += fmt::format("{}lm_load<{}>(in{} + {})", k == 0 ? "" : " * ", x, k, name);
      ok += fmt::format("{}{}_ok", k == 0 ? "" : " && ", name);
    }
    body += fmt::format("if ({}) a = {}::combine(a, {});\n}}\n", ok, fold, term);
    if (by_warp) body += fmt::format("a = lm_fold_warp<{}>(a);\n", fold);
    body += fmt::format("{}lm_store(out0 + at, a);\n", by_warp ? "if (lane == 0) " : "");
    return text_.finish(cpu::product(outer), by_warp ? kWarp : 1, body);
  }

  Kernel move(const Copy& copy) {
    const bool indirect = std::any_of(copy.to.axes.begin(), copy.to.axes.end(),
                                      [](const AxisIndex& axis) { return !axis.indirect.empty(); });
    if (copy.combine != Combine::kSet || indirect) return emit_scatter(context_, copy);
    const auto output = static_cast<std::size_t>(copy.output);
    const DType dtype = context_.outputs[output].dtype;
    const std::string x(combining_type(dtype));
    std::string body = text_.split(copy.extents, 0, copy.extents.size(), "at");
    body += text_.offset(copy.to, context_.outputs[output].shape, copy.extents, "to");
    std::string value = literal_text(copy.fill);
    std::string ok = "to_ok";
    if (copy.operand >= 0) {
      const auto operand = static_cast<std::size_t>(copy.operand);
      body += text_.offset(copy.from, node_.inputs[operand].shape, copy.extents, "from");
      value = fmt::format("lm_load<{}>(in{} + from)", x, copy.operand);
      ok += " && from_ok";
    } else {
      if (copy.fill_size != Dim(0)) value += " + (double)" + text_.text(copy.fill_size);
      if (copy.operand == Copy::kIndex) value += " + " + literal_text(copy.step) + " * (double)i0";
    }
    body += fmt::format("if ({}) lm_store(out{} + to, ({})({}));\n", ok, output, x, value);
    return text_.finish(cpu::product(copy.extents), 1, body);
  }

  const EmitContext& context_;
  const NodeView& node_;
  PointText text_;
};

}  // namespace

std::vector<Kernel> emit_plain(const EmitContext& context) { return PlainEmitter(context).emit(); }

}  // namespace lamina::cuda
