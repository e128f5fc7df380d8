// What follows a convolution in the same kernel: element-wise operators on its sums.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "exec/cpu/conv_form.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {

// A convolution to emit: a node by itself, or a block that holds one with what follows it.
struct ConvSource {
  ConvForm form;
  int x = 0;  // which inputs of the node that is emitted hold the operands
  int w = 1;
  const Graph* block = nullptr;  // null: nothing follows
  std::map<NodeId, int> loads;   // nodes of the block: which input of the block they load whole
  NodeId conv = -1;              // of the block
  NodeId result = -1;            // of the block: what is stored
};

// The source of a conv_last of constant f32 filters, alone or in a block without grid and loop
// whose other operators are element-wise and read nothing but whole inputs of the output's shape,
// one number per filter, or a single number. Nothing for all other nodes.
std::optional<ConvSource> conv_source(const EmitContext& context);

// Text that defines
//   void NAME_finish(const LmCall* call, const float* sums, long step, long rows, long m, long
//   column)
// which stores `rows` rows of a panel of `panel` sums, `step` apart, as rows m... of the output
// from `column` on, after what follows the convolution.
std::string finish_text(const EmitContext& context, const ConvSource& source, int panel);

}  // namespace lamina::cpu
