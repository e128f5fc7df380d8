// The pieces of the prelude's text.
#pragma once

#include <span>
#include <string_view>

namespace lamina::cpu {

// A function of the prelude, with what it alone needs. Later pieces call earlier ones only.
struct PreludePiece {
  std::string_view function;  // e.g. "lm_exp"
  std::string_view text;
};

extern const std::string_view kPreludeTypes;     // vectors, storage types, loads and stores
extern const std::string_view kPreludeAlgebra;   // arithmetic, comparison, selection, folds
std::span<const PreludePiece> prelude_pieces();  // the rest, each emitted when it is called

}  // namespace lamina::cpu
