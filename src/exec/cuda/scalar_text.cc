// Writes the operators' scalar templates down, in the words of the CUDA prelude.
#include "exec/cuda/scalar_text.h"

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cuda {
namespace {

// Code writes infinities and NaN as built-in functions of CPU compilers.
std::string with_prelude_names(std::string text) {
  const auto replace = [&](std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  };
  replace("__builtin_inf()", "lm_inf()");
  replace("__builtin_nan(\"\")", "lm_nan()");
  return text;
}

std::string rounded(DType to, const std::string& x) {
  if (to == DType::kBF16 || to == DType::kF16) {
    return fmt::format("lm_round_to<{}>({})", cpu::storage_type(to), x);
  }
  return traits(to).is_integer ? "lm_trunc(" + x + ")" : x;
}

}  // namespace

std::string scalar_text(const Node& node, const std::vector<std::string>& operands,
                        const std::string& prefix, std::string& body) {
  CodeSink sink(prefix);
  std::vector<Code> codes;
  for (const std::string& name : operands) codes.push_back({&sink, name});
  const Code result = node.op->scalar.code(codes, node.attrs);
  for (const std::string& line : sink.lines()) body += with_prelude_names(line) + "\n";
  return node.op->name == "cast" ? rounded(node.types[0].dtype, result.name) : result.name;
}

std::string literal_text(double value) { return with_prelude_names(literal(value)); }

std::string monoid_name(Monoid monoid) {
  switch (monoid) {
    case Monoid::kSum:
      return "LmSum";
    case Monoid::kProd:
      return "LmProd";
    case Monoid::kMax:
      return "LmMax";
    case Monoid::kMin:
      return "LmMin";
  }
  return "";
}

}  // namespace lamina::cuda
