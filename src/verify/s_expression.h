// S-expressions: nested lists of atoms.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "graph/text_lexer.h"

namespace lamina {

// An atom, or a list; `text` is all of it, quotes and brackets included.
struct SExpression {
  std::string_view text;
  std::size_t offset = 0;  // in the source
  bool list = false;
  std::vector<SExpression> items;

  bool starts_with(std::string_view word) const {
    return list && !items.empty() && !items[0].list && items[0].text == word;
  }
};

// Everything in the text; '(' and '[' open lists, ';' comments out the rest of a line. The result
// refers to the text. Throws kInvalidArgument with the position.
std::vector<SExpression> parse_s_expressions(SourceText source);

}  // namespace lamina
