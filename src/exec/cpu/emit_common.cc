// Text of dims, loops and accesses.
#include "exec/cpu/emit_common.h"

#include <algorithm>

#include "base/check.h"

namespace lamina::cpu {
namespace {

std::string factor_text(const Dim::Factor& factor, std::vector<std::string>& sizes) {
  if (factor.kind == Dim::Factor::Kind::kSize) {
    auto at = std::find(sizes.begin(), sizes.end(), factor.name);
    if (at == sizes.end()) at = sizes.insert(sizes.end(), factor.name);
    return fmt::format("sizes[{}]", at - sizes.begin());
  }
  const std::string above = dim_text(factor.operands[0], sizes);
  const std::string below = dim_text(factor.operands[1], sizes);
  // Division in C truncates; these quotients round down or up for negative numerators too.
  const bool down = factor.kind == Dim::Factor::Kind::kFloorDiv;
  return fmt::format("({0} / {1} {2} ({0} % {1} {3} 0))", above, below, down ? "-" : "+",
                     down ? "<" : ">");
}

struct AxisRange {
  Dim low;
  Dim high;
  bool known = true;
};

AxisRange axis_range(const AxisIndex& axis, const Dims& extents) {
  AxisRange range{axis.offset, axis.offset};
  if (!axis.indirect.empty()) range.known = false;
  for (const auto& term : axis.loops) {
    const Dim reach = term.coefficient * (extents[static_cast<std::size_t>(term.loop)] - Dim(1));
    if (never_negative(term.coefficient)) {
      range.high = range.high + reach;
    } else if (never_negative(Dim(0) - term.coefficient)) {
      range.low = range.low + reach;
    } else {
      range.known = false;
    }
  }
  return range;
}

bool axis_within(const AxisIndex& axis, const Dim& size, const Dims& extents) {
  const AxisRange range = axis_range(axis, extents);
  return range.known && never_negative(range.low) && never_negative(size - Dim(1) - range.high);
}

Dims seen_shape(const Access& access, const Dims& shape) {
  return access.flat ? Dims{product(shape)} : shape;
}

std::string scaled(const Dim& coefficient, const std::string& variable,
                   std::vector<std::string>& sizes) {
  if (coefficient == Dim(1)) return variable;
  return dim_text(coefficient, sizes) + " * " + variable;
}

}  // namespace

std::string dim_text(const Dim& dim, std::vector<std::string>& sizes) {
  std::string text;
  for (const Dim::Term& term : dim.terms()) {
    if (!text.empty()) text += " + ";
    std::string product_text;
    if (term.coefficient != 1) product_text = std::to_string(term.coefficient) + "L";
    for (const Dim::Factor& factor : term.factors) {
      product_text += (product_text.empty() ? "" : " * ") + factor_text(factor, sizes);
    }
    text += product_text;
  }
  if (text.empty()) return std::to_string(dim.constant_part()) + "L";
  if (dim.constant_part() != 0) text += fmt::format(" + {}L", dim.constant_part());
  return "(" + text + ")";
}

Arithmetic choose_arithmetic(const NodeView& node, const Type& output, bool whole) {
  bool all_whole = whole && !traits(output.dtype).is_float;
  bool wide = output.dtype == DType::kF64;
  for (const Type& input : node.inputs) {
    if (is_packed(input.dtype)) {
      fail(ErrorCode::kUnsupported, "{}: an operand of type {}", node.op.name,
           traits(input.dtype).name);
    }
    all_whole = all_whole && !traits(input.dtype).is_float;
    wide = wide || input.dtype == DType::kF64 || input.dtype == DType::kI64 ||
           input.dtype == DType::kI32;
  }
  if (all_whole) return Arithmetic::kWhole;
  return wide ? Arithmetic::kDouble : Arithmetic::kSingle;
}

Lanes lanes(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kWhole:
      return {"vl", "long", "LM_D"};
    case Arithmetic::kSingle:
      return {"vf", "float", "LM_F"};
    case Arithmetic::kDouble:
      return {"vd", "double", "LM_D"};
  }
  return {};
}

std::string_view storage_type(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "double";
    case DType::kF32:
      return "float";
    case DType::kBF16:
      return "lm_bf16";
    case DType::kF16:
      return "lm_f16";
    case DType::kI64:
      return "long";
    case DType::kI32:
      return "int";
    case DType::kI8:
      return "signed char";
    case DType::kU8:
      return "unsigned char";
    case DType::kBool:
      return "lm_bool";
    default:
      fail(ErrorCode::kUnsupported, "kernels over {}", traits(dtype).name);
  }
}

std::string kernel_head(Kernel& kernel, const EmitContext& context) {
  std::string text =
      "extern \"C\" void NAME(const LmCall* call, long begin, long end) {\n"
      "const long* sizes = call->sizes;\n";
  const auto pointer = [&](BufferUse::Kind kind, std::size_t i, const Type& type) {
    const bool input = kind == BufferUse::Kind::kInput;
    text += fmt::format("{0}{1}* {2}{3} = ({0}{1}*)call->buffers[{4}];\n", input ? "const " : "",
                        storage_type(type.dtype), input ? "in" : "out", i, kernel.buffers.size());
    kernel.buffers.push_back({kind, static_cast<int>(i)});
  };
  for (std::size_t i = 0; i < context.node.inputs.size(); ++i) {
    pointer(BufferUse::Kind::kInput, i, context.node.inputs[i]);
  }
  for (std::size_t i = 0; i < context.outputs.size(); ++i) {
    pointer(BufferUse::Kind::kOutput, i, context.outputs[i]);
  }
  return text;
}

Dim product(const Dims& dims) {
  Dim total = 1;
  for (const Dim& dim : dims) total = total * dim;
  return total;
}

Dims dim_strides(const Dims& shape) {
  Dims strides(shape.size(), Dim(1));
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

bool never_negative(const Dim& a) {
  if (a.constant_part() < 0) return false;
  return std::all_of(a.terms().begin(), a.terms().end(), [](const Dim::Term& term) {
    return term.coefficient >= 0 &&
           std::all_of(term.factors.begin(), term.factors.end(), [](const Dim::Factor& factor) {
             return factor.kind == Dim::Factor::Kind::kSize ||
                    (never_negative(factor.operands[0]) && never_negative(factor.operands[1]));
           });
  });
}

std::optional<LinearAccess> linear_access(const Access& access, const Dims& shape,
                                          const Dims& extents) {
  const Dims seen = seen_shape(access, shape);
  const Dims steps = dim_strides(seen);
  LinearAccess linear{0, Dims(extents.size(), Dim(0)), true};
  for (std::size_t a = 0; a < access.axes.size(); ++a) {
    const AxisIndex& axis = access.axes[a];
    if (!axis.indirect.empty()) return std::nullopt;
    linear.base = linear.base + axis.offset * steps[a];
    for (const auto& term : axis.loops) {
      Dim& stride = linear.strides[static_cast<std::size_t>(term.loop)];
      stride = stride + term.coefficient * steps[a];
    }
    linear.within = linear.within && axis_within(axis, seen[a], extents);
  }
  return linear;
}

std::string linear_text(const LinearAccess& access, int skip, std::vector<std::string>& sizes) {
  std::string text;
  if (access.base != Dim(0)) text = dim_text(access.base, sizes);
  for (std::size_t l = 0; l < access.strides.size(); ++l) {
    if (access.strides[l] == Dim(0) || static_cast<int>(l) == skip) continue;
    text += (text.empty() ? "" : " + ") + scaled(access.strides[l], fmt::format("i{}", l), sizes);
  }
  return text.empty() ? "0L" : text;
}

std::string offset_statements(const Access& access, const Dims& shape, const Dims& extents,
                              const std::string& name, const EmitContext& context, Kernel& kernel) {
  const Dims seen = seen_shape(access, shape);
  const Dims steps = dim_strides(seen);
  std::string before;
  std::string offset;
  std::string ok;
  for (std::size_t a = 0; a < access.axes.size(); ++a) {
    const AxisIndex& axis = access.axes[a];
    const std::string index = fmt::format("{}_{}", name, a);
    std::string value = axis.offset == Dim(0) ? "" : dim_text(axis.offset, kernel.sizes);
    for (const auto& term : axis.loops) {
      value += (value.empty() ? "" : " + ") +
               scaled(term.coefficient, fmt::format("i{}", term.loop), kernel.sizes);
    }
    if (!axis.indirect.empty()) {
      const auto& indirect = axis.indirect[0];
      const Dims& index_shape =
          context.node.inputs[static_cast<std::size_t>(indirect.operand)].shape;
      const std::string at = index + "i";
      before +=
          offset_statements({indirect.axes, false}, index_shape, extents, at, context, kernel);
      before += fmt::format("long {0}v = {0}_ok ? lm_load<long>(in{1} + {0}) : -1;\n", at,
                            indirect.operand);
      before += fmt::format("if ({0}_ok && {0}v < 0) {0}v += {1};\n", at,
                            dim_text(seen[a], kernel.sizes));
      value += (value.empty() ? "" : " + ") + at + "v";
    }
    before += fmt::format("const long {} = {};\n", index, value.empty() ? "0" : value);
    offset += (offset.empty() ? "" : " + ") + scaled(steps[a], index, kernel.sizes);
    if (axis_within(axis, seen[a], extents)) continue;
    ok += fmt::format("{}(unsigned long){} < (unsigned long){}", ok.empty() ? "" : " & ", index,
                      dim_text(seen[a], kernel.sizes));
  }
  return before + fmt::format("const long {} = {};\nconst bool {}_ok = {};\n", name,
                              offset.empty() ? "0" : offset, name, ok.empty() ? "true" : ok);
}

std::string open_loops(const std::vector<int>& loops, const Dims& extents, Kernel& kernel) {
  std::string text;
  for (const int l : loops) {
    text += fmt::format("for (long i{0} = 0; i{0} < {1}; ++i{0}) {{\n", l,
                        dim_text(extents[static_cast<std::size_t>(l)], kernel.sizes));
  }
  return text;
}

std::string close_braces(std::size_t count) {
  return count == 0 ? "" : std::string(count, '}') + "\n";
}

std::string split_index(const std::vector<int>& loops, const Dims& extents, const std::string& from,
                        Kernel& kernel) {
  if (loops.empty()) return "";
  std::string text = fmt::format("long rest = {};\n", from);
  for (std::size_t k = loops.size(); k-- > 1;) {
    const std::string extent = dim_text(extents[static_cast<std::size_t>(loops[k])], kernel.sizes);
    text += fmt::format("const long i{0} = rest % {1}; rest /= {1};\n", loops[k], extent);
  }
  return text + fmt::format("const long i{} = rest;\n", loops[0]);
}

std::string open_ranges(Kernel& kernel, const Dims& extents, int grain) {
  const Dim total = product(extents);
  kernel.tasks = ceil_div(total, grain);
  std::string text = fmt::format(
      "const long total = {0}, width = {1};\n"
      "for (long task = begin; task < end; ++task) {{\n"
      "const long stop = task * {2} + {2} < total ? task * {2} + {2} : total;\n"
      "for (long at = task * {2}, count; at < stop; at += count) {{\n",
      dim_text(total, kernel.sizes), dim_text(extents.back(), kernel.sizes), grain);
  if (extents.size() == 1) return text + "const long column = at;\ncount = stop - at;\n{\n";
  std::vector<int> outer;
  for (std::size_t l = 0; l + 1 < extents.size(); ++l) outer.push_back(static_cast<int>(l));
  return text + "const long row = at / width, column = at % width;\n" +
         "count = width - column < stop - at ? width - column : stop - at;\n{\n" +
         split_index(outer, extents, "row", kernel);
}

}  // namespace lamina::cpu
