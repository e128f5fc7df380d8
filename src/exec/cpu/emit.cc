// Which emitter makes the kernels of a node, and what kernels read.
#include <cctype>

#include "base/check.h"
#include "exec/cpu/emit_chain.h"
#include "exec/cpu/kernel.h"

namespace lamina::cpu {

std::vector<Kernel> emit(const EmitContext& context) {
  const OpDef& op = context.node.op;
  if (op.name == "block") return emit_block(context);
  if (op.name == "thread") return {emit_chain(context)};
  if (op.scalar.real != nullptr || op.scalar.whole != nullptr) return emit_elementwise(context);
  if (op.order_form != nullptr) return emit_order(context);
  if (op.move_form != nullptr) return emit_move(context);
  if (op.loop_form != nullptr) {
    return op.kind == Kind::kContract ? emit_contract(context) : emit_reduce(context);
  }
  fail(ErrorCode::kUnsupported, "no emitter for the operator {}", op.name);
}

bool reads_input(const Kernel& kernel, int input) {
  const std::string name = fmt::format("in{}", input);
  const auto is_word = [](char c) {
    return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
  };
  for (std::size_t at = 0; (at = kernel.text.find(name, at)) != std::string::npos; ++at) {
    const std::size_t end = at + name.size();
    const bool whole = (at == 0 || !is_word(kernel.text[at - 1])) &&
                       (end == kernel.text.size() || !is_word(kernel.text[end]));
    const bool declares = kernel.text.compare(end, 4, " = (") == 0;
    if (whole && !declares) return true;
  }
  return false;
}

}  // namespace lamina::cpu
