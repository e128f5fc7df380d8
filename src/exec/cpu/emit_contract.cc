// Kernels of contractions: as matrix products where there is enough of one, else as plain loops.
#include "exec/cpu/emit_contract.h"

#include <fmt/core.h>

#include <algorithm>

#include "exec/cpu/emit_conv.h"
#include "exec/cpu/emit_conv_filters.h"

namespace lamina::cpu {
namespace {

// Fewer rows do not repay packing the other operand while running.
constexpr std::int64_t kFewRows = 4;
// Shorter sums and fewer columns leave tiles mostly empty.
constexpr std::int64_t kShortSum = 4;

bool indirect(const Access& access) {
  return std::any_of(access.axes.begin(), access.axes.end(),
                     [](const AxisIndex& axis) { return !axis.indirect.empty(); });
}

bool smaller(const Dim& dim, std::int64_t bound) {
  return dim.is_constant() && dim.constant_part() < bound;
}

bool worth_tiles(const EmitContext& context, const LoopForm& form, const ProductLoops& loops) {
  if (choose_arithmetic(context.node, context.outputs[0], true) != Arithmetic::kSingle)
    return false;
  if (smaller(product(extents_of(form, loops.k)), kShortSum)) return false;
  if (context.constant_inputs[static_cast<std::size_t>(loops.b)]) return true;
  return !smaller(product(extents_of(form, loops.m)), kFewRows);
}

}  // namespace

bool uses(const Access& access, int loop) {
  for (const AxisIndex& axis : access.axes) {
    for (const auto& term : axis.loops) {
      if (term.loop == loop && term.coefficient != Dim(0)) return true;
    }
  }
  return false;
}

Dims extents_of(const LoopForm& form, const std::vector<int>& loops) {
  Dims extents;
  for (const int loop : loops) extents.push_back(form.extents[static_cast<std::size_t>(loop)]);
  return extents;
}

std::string single_loops(const LoopForm& form) {
  std::string text;
  for (std::size_t l = 0; l < form.extents.size(); ++l) {
    if (form.extents[l] == Dim(1)) text += fmt::format("enum : long {{ i{} = 0 }};\n", l);
  }
  return text;
}

LinearAccess output_access(const LoopForm& form) {
  const auto rank = static_cast<std::size_t>(form.output_rank);
  const Dims outer(form.extents.begin(), form.extents.begin() + form.output_rank);
  LinearAccess access{0, dim_strides(outer), true};
  access.strides.resize(form.extents.size(), Dim(0));
  for (std::size_t l = 0; l < rank; ++l) {
    if (form.extents[l] == Dim(1)) access.strides[l] = 0;
  }
  return access;
}

std::optional<ProductLoops> product_loops(const LoopForm& form) {
  if (form.operands.size() != 2) return std::nullopt;
  if (indirect(form.operands[0]) || indirect(form.operands[1])) return std::nullopt;
  const auto alone = [&](int operand, int loop) {
    return uses(form.operands[static_cast<std::size_t>(operand)], loop) &&
           !uses(form.operands[static_cast<std::size_t>(1 - operand)], loop);
  };
  std::vector<int> outer;
  ProductLoops loops;
  for (int l = 0; l < static_cast<int>(form.extents.size()); ++l) {
    if (form.extents[static_cast<std::size_t>(l)] == Dim(1)) continue;
    (l < form.output_rank ? outer : loops.k).push_back(l);
  }
  if (outer.empty()) return std::nullopt;
  for (const int operand : {0, 1}) {
    if (!alone(operand, outer.back())) continue;
    loops.b = operand;
    loops.a = 1 - operand;
    while (!outer.empty() && alone(loops.b, outer.back())) {
      loops.n.insert(loops.n.begin(), outer.back());
      outer.pop_back();
    }
    for (const int l : outer) (alone(loops.a, l) ? loops.m : loops.batch).push_back(l);
    return loops;
  }
  return std::nullopt;
}

std::vector<Kernel> emit_contract(const EmitContext& context) {
  if (auto kernel = emit_convolution(context)) return {std::move(*kernel)};
  if (auto kernel = emit_conv_filters(context)) return {std::move(*kernel)};
  const LoopForm form = context.node.op.loop_form(context.node);
  const std::optional<ProductLoops> loops = product_loops(form);
  if (loops && worth_tiles(context, form, *loops)) return {emit_product(context, form, *loops)};
  return {emit_loops(context, form)};
}

}  // namespace lamina::cpu
