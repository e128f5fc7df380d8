// Recognises fused convolutions and writes what happens to their sums.
#include "exec/cpu/conv_epilogue.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "graph/spread.h"

namespace lamina::cpu {
namespace {

bool is_f32(const Type& type) { return type.dtype == DType::kF32; }

bool is_literal(const Node& node) {
  return node.op->name == "constant" && node.types[0].shape.empty();
}

class BlockReader {
 public:
  explicit BlockReader(const EmitContext& context)
      : context_(context), inner_(context.node.graphs[0]) {}

  std::optional<ConvSource> read() {
    source_.block = &inner_;
    if (product(context_.node.attrs.dims("grid")) != Dim(1) ||
        product(context_.node.attrs.dims("loop")) != Dim(1) || inner_.outputs.size() != 1) {
      return std::nullopt;
    }
    for (std::size_t n = 0; n < inner_.nodes.size(); ++n) {
      if (!read_node(static_cast<NodeId>(n))) return std::nullopt;
    }
    if (source_.conv < 0 || !read_conv()) return std::nullopt;
    const Node& store = inner_.node(inner_.outputs[0].value);
    source_.result = store.inputs[0].node;
    return source_;
  }

 private:
  const Node& node(NodeId id) const { return inner_.nodes[static_cast<std::size_t>(id)]; }

  bool read_node(NodeId id) {
    const Node& node = this->node(id);
    if (node.op->name == "input" || node.op->name == "store") return true;
    if (node.types.size() != 1 || !is_f32(node.types[0])) return false;
    if (is_literal(node)) return true;
    if (node.op->name == "load") return read_load(id);
    if (node.op->name == "conv_last") {
      const bool first = source_.conv < 0;
      source_.conv = id;
      return first;
    }
    return node.op->scalar.real != nullptr && source_.conv >= 0 && reads_sums(node);
  }

  bool read_load(NodeId id) {
    const Node& node = this->node(id);
    for (std::size_t i = 0; i < inner_.inputs.size(); ++i) {
      if (inner_.inputs[i].node != node.inputs[0].node) continue;
      source_.loads[id] = static_cast<int>(i);
      return inner_.inputs[i].role == Role::kInput &&
             node.types[0].shape == inner_.type(node.inputs[0]).shape;
    }
    return false;
  }

  bool read_conv() {
    std::vector<Type> types;
    const NodeView seen = view(inner_, node(source_.conv), types);
    const auto x = source_.loads.find(node(source_.conv).inputs[0].node);
    const auto w = source_.loads.find(node(source_.conv).inputs[1].node);
    const std::optional<ConvForm> form = conv_form(seen);
    if (!form || x == source_.loads.end() || w == source_.loads.end()) return false;
    source_.form = *form;
    source_.x = x->second;
    source_.w = w->second;
    return context_.constant_inputs[static_cast<std::size_t>(source_.w)];
  }

  // An element-wise operator of the output's shape; its operands follow the convolution or can be
  // read beside it.
  bool reads_sums(const Node& follower) const {
    const Dims& out = node(source_.conv).types[0].shape;
    if (follower.types[0].shape != out) return false;
    return std::all_of(follower.inputs.begin(), follower.inputs.end(), [&](Value value) {
      const Node& operand = node(value.node);
      if (is_literal(operand)) return true;
      return operand.op->name == "load" ? spread(operand.types[0].shape, out).has_value()
                                        : operand.types[0].shape == out;
    });
  }

  const EmitContext& context_;
  const Graph& inner_;
  ConvSource source_;
};

class FinishWriter {
 public:
  FinishWriter(const EmitContext& context, const ConvSource& source, int panel)
      : context_(context), source_(source), panel_(panel) {}

  std::string write() {
    std::string chain, result = "y";
    if (source_.block != nullptr) {
      chain = chain_text();
      result = name(source_.result);
    }
    return fmt::format(
        "static inline void NAME_finish(const LmCall* call, const float* sums, long step, long "
        "rows,"
        " long m, long column) {{\n"
        "enum : long {{ O = {0} }};\n"
        "float* out = (float*)call->buffers[{1}] + m * O + column;\n"
        "{2}"
        "for (long j = 0; j < {3}; j += LM_F) {{\n"
        "const long n = {4};\n"
        "if (n <= 0) break;\n"
        "{5}"
        "for (long r = 0; r < rows; ++r) {{\n"
        "const vf y = lm_load<vf>(sums + r * step + j);\n"
        "{6}lm_store(out + r * O + j, {7}, n);\n}}\n}}\n}}\n",
        source_.form.filters, context_.node.inputs.size(), pointers_, panel_,
        source_.form.filters % panel_ == 0 ? "LM_F" : "O - column - j", per_column_, chain, result);
  }

 private:
  static std::string name(NodeId id) { return fmt::format("v{}", id); }
  const Node& node(NodeId id) const { return source_.block->nodes[static_cast<std::size_t>(id)]; }

  // Statements that compute what follows from `y`; fills pointers_ and per_column_.
  std::string chain_text() {
    std::string out;
    for (std::size_t n = 0; n < source_.block->nodes.size(); ++n) {
      const auto id = static_cast<NodeId>(n);
      const Node& node = this->node(id);
      if (is_literal(node)) {
        per_column_ += fmt::format("const vf {} = lm_splat<vf>({});\n", name(id),
                                   literal(node.attrs.real("value")));
      } else if (node.op->name == "conv_last") {
        out += fmt::format("const vf {} = y;\n", name(id));
      } else if (node.op->name == "load") {
        out += load_text(id);
      } else if (node.op->scalar.real != nullptr) {
        out += scalar_text(id);
      }
    }
    return out;
  }

  std::string load_text(NodeId id) {
    const int input = source_.loads.at(id);
    const Dims& out = context_.outputs[0].shape;
    if (id == node(source_.conv).inputs[0].node || id == node(source_.conv).inputs[1].node) {
      if (!is_read_after(id)) return "";
    }
    pointers_ += fmt::format("const float* in{0} = (const float*)call->buffers[{0}];\n", input);
    switch (*spread(node(id).types[0].shape, out)) {
      case Spread::kFull:
        return fmt::format("const vf {} = lm_load<vf>(in{} + (m + r) * O + column + j, n);\n",
                           name(id), input);
      case Spread::kPerColumn:
        per_column_ +=
            fmt::format("const vf {} = lm_load<vf>(in{} + column + j, n);\n", name(id), input);
        return "";
      case Spread::kSingle:
        per_column_ += fmt::format("const vf {} = *in{} - vf{{}};\n", name(id), input);
        return "";
    }
    return "";
  }

  // The convolution's own operand may also be added to its result.
  bool is_read_after(NodeId id) const {
    const auto& nodes = source_.block->nodes;
    return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
      return node.op->name != "conv_last" &&
             std::count(node.inputs.begin(), node.inputs.end(), Value{id, 0}) > 0;
    });
  }

  std::string scalar_text(NodeId id) const {
    CodeSink sink(fmt::format("t{}_", id));
    std::vector<Code> operands;
    for (const Value& value : node(id).inputs) operands.push_back({&sink, name(value.node)});
    const Code result = node(id).op->scalar.code(operands, node(id).attrs);
    std::string out;
    for (const std::string& line : sink.lines()) out += line + "\n";
    return out + fmt::format("const vf {} = {};\n", name(id), result.name);
  }

  const EmitContext& context_;
  const ConvSource& source_;
  int panel_;
  std::string pointers_;
  std::string per_column_;
};

}  // namespace

std::optional<ConvSource> conv_source(const EmitContext& context) {
  if (context.outputs.size() != 1 || !is_f32(context.outputs[0])) return std::nullopt;
  if (!std::all_of(context.node.inputs.begin(), context.node.inputs.end(), is_f32)) {
    return std::nullopt;
  }
  if (context.node.op.name == "block") return BlockReader(context).read();
  const std::optional<ConvForm> form = conv_form(context.node);
  if (!form || !context.constant_inputs[1]) return std::nullopt;
  return ConvSource{*form, 0, 1, nullptr, {}, -1, -1};
}

std::string finish_text(const EmitContext& context, const ConvSource& source, int panel) {
  return FinishWriter(context, source, panel).write();
}

}  // namespace lamina::cpu
