// Reads the parts of the text form that need no graph: marks, numbers, types, sizes, attributes.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "graph/text_lexer.h"
#include "lamina/graph.h"

namespace lamina {

// A place in a sequence of tokens. Reading past the end gives kEnd tokens. Every error is thrown
// as kInvalidArgument with its position unless it says otherwise.
class TextReader {
 public:
  explicit TextReader(SourceText source) : source_(source), tokens_(tokenize(source)) {}

  const Token& peek(std::size_t ahead = 0) const;
  const Token& next();
  std::size_t position() const { return at_; }
  // Whether exactly one token, a name, was read since `start` (a position()).
  bool read_one_name(std::size_t start) const;
  // All names in the text that are not called like operators.
  std::set<std::string, std::less<>> all_names() const;

  bool take(std::string_view mark);
  bool take_word(std::string_view word);
  void expect(std::string_view mark);

  bool at_name(std::size_t ahead = 0) const;  // a name that is no reserved word
  bool at_number(std::size_t ahead = 0) const;
  const std::string& name(std::string_view what);
  std::int64_t integer();
  double real();
  Dims dims();
  Type type();
  std::vector<SizeRange> sizes();
  Attr attribute();

  // Throw at the next token, "expected ..., got ...", and at a given token.
  [[noreturn]] void error(std::string_view expected) const;
  [[noreturn]] void error_at(const Token& token, std::string_view message,
                             ErrorCode code = ErrorCode::kInvalidArgument) const;

  // Runs `work`; its errors get the position of `token`.
  template <class Work>
  auto located(const Token& token, Work work) const {
    try {
      return work();
    } catch (const Error& e) {
      error_at(token, e.what(), e.code());
    }
  }

 private:
  Dim dim();
  Attr list_attribute();

  SourceText source_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace lamina
