// The infix grammar of expressions (docs/formats.md).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graph/text_lexer.h"
#include "verify/expression_builder.h"

namespace lamina {

// Values that names stand for instead of inputs.
using Scope = std::map<std::string, ExpressionBuilder::Id, std::less<>>;

// The function `name` at these operands: an operator or an abbreviation. Throws kUnsupported when
// there is none; other errors say what is wrong with the operands.
ExpressionBuilder::Id call_function(ExpressionBuilder& builder, std::string_view name,
                                    const std::vector<ExpressionBuilder::Id>& operands,
                                    const Attrs& attrs = {});

// Reads expressions from a text, one after the other, into a builder; every error has its position.
class ExpressionParser {
 public:
  using Id = ExpressionBuilder::Id;

  // Starts at byte `start` and ends with the text. `scope` is for the bodies of abbreviations: they
  // have no other names.
  ExpressionParser(SourceText source, ExpressionBuilder& builder, std::size_t start = 0,
                   const Scope* scope = nullptr);

  Id expression();
  Id condition();                    // an expression that is a truth value
  bool take(std::string_view mark);  // reads this mark if it comes next
  void expect(std::string_view mark);
  void expect_end();

 private:
  struct Lexeme {
    enum class Kind : std::uint8_t { kName, kNumber, kMark, kEnd };
    Kind kind = Kind::kEnd;
    std::string_view text;
    std::size_t offset = 0;
  };

  void advance();
  std::size_t number_length(std::size_t from) const;
  bool at(std::string_view mark) const;
  [[noreturn]] void fail_here(std::string_view expected) const;
  template <class Work>
  Id located(std::size_t offset, Work work) const;

  Id sum();
  Id product();
  Id signed_power();
  Id power();
  Id primary();
  Id number();
  Id name();
  Id call(const Lexeme& function);
  Attr attribute();

  SourceText source_;
  ExpressionBuilder& builder_;
  const Scope* scope_;
  std::size_t at_ = 0;  // one past the current lexeme
  Lexeme current_;
  int depth_ = 0;  // of signed_power()
};

}  // namespace lamina
