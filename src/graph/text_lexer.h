// Tokens of the text form of graphs (grammar: docs/formats.md), and how names are written in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

struct Token {
  enum class Kind : std::uint8_t { kName, kInteger, kReal, kText, kMark, kEnd };

  Kind kind = Kind::kEnd;
  std::string text;        // names and texts without quotes and escapes
  std::size_t offset = 0;  // of the first byte in the source
  std::size_t end = 0;     // one past the last byte
  bool quoted = false;     // a name in back quotes, which is never a word of the language

  bool is(std::string_view mark) const { return kind == Kind::kMark && text == mark; }
  bool is_word(std::string_view word) const {
    return kind == Kind::kName && !quoted && text == word;
  }
};

// A text and the name that messages give it.
struct SourceText {
  std::string_view text;
  std::string_view name;

  // "name:line:column: message".
  std::string at(std::size_t offset, std::string_view message) const;
};

// All tokens, the last one kEnd. Throws kInvalidArgument with the position.
std::vector<Token> tokenize(const SourceText& source);

// Words that are no names unless they are quoted.
bool is_reserved(std::string_view word);
// `name` as the text form writes it: bare when it is an identifier, else in back quotes.
std::string written_name(std::string_view name);
// `text` between double quotes, with escapes.
std::string written_text(std::string_view text);

}  // namespace lamina
