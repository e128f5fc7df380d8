// Which emitter makes the kernels of a node.
#include "base/check.h"
#include "exec/cpu/kernel.h"

namespace lamina::cpu {

std::vector<Kernel> emit(const EmitContext& context) {
  const OpDef& op = context.node.op;
  if (op.name == "block") return emit_block(context);
  if (op.scalar.real != nullptr || op.scalar.whole != nullptr) return emit_elementwise(context);
  if (op.order_form != nullptr) return emit_order(context);
  if (op.move_form != nullptr) return emit_move(context);
  if (op.loop_form != nullptr) {
    return op.kind == Kind::kContract ? emit_contract(context) : emit_reduce(context);
  }
  fail(ErrorCode::kUnsupported, "no emitter for the operator {}", op.name);
}

}  // namespace lamina::cpu
