// Assembles the prelude for a target.
#include "exec/cpu/prelude.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "exec/cpu/prelude_text.h"

namespace lamina::cpu {
namespace {

std::string head(const Target& target) {
  return fmt::format(
      "struct LmCall {{ void* const* buffers; const long* sizes; char* scratch; }};\n"
      "enum {{ LM_BYTES = {}, LM_F = {}, LM_D = {} }};\n",
      target.vector_bytes, target.lanes(4), target.lanes(8));
}

bool calls(std::string_view text, std::string_view function) {
  const std::string call = std::string(function) + "(";
  for (std::size_t at = text.find(call); at != text.npos; at = text.find(call, at + 1)) {
    const char before = at == 0 ? ' ' : text[at - 1];
    if (before != '_' && !std::isalnum(static_cast<unsigned char>(before))) return true;
  }
  return false;
}

std::string with_pieces(const Target& target, const std::vector<PreludePiece>& pieces) {
  std::string text = head(target);
  text += kPreludeTypes;
  text += kPreludeAlgebra;
  for (const PreludePiece& piece : pieces) text += piece.text;
  return text;
}

}  // namespace

std::string prelude(const Target& target) {
  const auto all = prelude_pieces();
  return with_pieces(target, {all.begin(), all.end()});
}

std::string prelude(const Target& target, std::string_view kernels) {
  const auto all = prelude_pieces();
  std::vector<PreludePiece> wanted;
  for (auto piece = all.rbegin(); piece != all.rend(); ++piece) {
    const bool called = calls(kernels, piece->function) ||
                        std::any_of(wanted.begin(), wanted.end(), [&](const PreludePiece& user) {
                          return calls(user.text, piece->function);
                        });
    if (called) wanted.push_back(*piece);
  }
  std::reverse(wanted.begin(), wanted.end());
  return with_pieces(target, wanted);
}

}  // namespace lamina::cpu
