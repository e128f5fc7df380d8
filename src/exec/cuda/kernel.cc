// Parameters and translation units of kernels.
#include "exec/cuda/kernel.h"

#include "base/check.h"
#include "exec/cuda/block_tiles.h"
#include "exec/cuda/prelude.h"

namespace lamina::cuda {

std::vector<Parameter> parameters_of(const EmitContext& context) {
  std::vector<Parameter> parameters;
  for (std::size_t i = 0; i < context.node.inputs.size(); ++i) {
    parameters.push_back({false, static_cast<int>(i),
                          fmt::format("const {}", element_type(context.node.inputs[i].dtype))});
  }
  for (std::size_t i = 0; i < context.outputs.size(); ++i) {
    parameters.push_back(
        {true, static_cast<int>(i), std::string(element_type(context.outputs[i].dtype))});
  }
  return parameters;
}

std::string parameter_text(const std::vector<Parameter>& parameters) {
  std::string text = "(";
  for (const Parameter& p : parameters) {
    text += fmt::format("{}* {}{}, ", p.type, p.is_output ? "out" : "in", p.index);
  }
  return text + "LmSizes lm_sizes)";
}

std::vector<Kernel> emit(const EmitContext& context) {
  return context.node.op.name == "block" ? emit_block(context) : emit_plain(context);
}

std::string translation_unit(const std::vector<Kernel>& kernels) {
  std::string text(kIntrinsics);
  text += kPrelude;
  text += kPreludeProduct;
  text += kPreludeOrder;
  for (const Kernel& kernel : kernels) {
    std::string body = kernel.text;
    for (std::size_t at = 0; (at = body.find("NAME", at)) != std::string::npos;) {
      body.replace(at, 4, kernel.name);
      at += kernel.name.size();
    }
    text += body;
  }
  return text;
}

}  // namespace lamina::cuda
