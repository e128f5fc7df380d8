// FPCore, the S-expressions of the FPBench project (https://fpbench.org/spec), as far as they are
// expressions of one real value.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/text_lexer.h"
#include "lamina/identity.h"

namespace lamina {

struct Fpcore {
  std::string name;                      // its symbol, else its :name, else empty
  std::size_t offset = 0;                // where it stands in the text
  Expression body;                       // this and what follows has the arguments as inputs
  std::vector<Expression> alternatives;  // of every :alt or :herbie-target
  std::optional<Expression> condition;   // of :pre, a truth value
  // What Lamina lacks to read it, with its position; the expressions are then absent.
  std::string unsupported;
};

// Whether the text begins with an FPCore, comments aside.
bool is_fpcore(std::string_view text);

// All FPCores of a text. Throws kInvalidArgument with the position.
std::vector<Fpcore> parse_fpcores(SourceText source);

}  // namespace lamina
