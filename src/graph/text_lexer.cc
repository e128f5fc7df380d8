// Tokens of the text form of graphs.
#include "graph/text_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace lamina {
namespace {

constexpr std::array<std::string_view, 5> kReserved = {"return", "true", "false", "inf", "nan"};

// ASCII only: the text form does not depend on the locale.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Length of the identifier at the start of `text`: words joined by dots, the first of which does
// not begin with a digit.
std::size_t identifier_length(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return 0;
  std::size_t n = 0;
  while (true) {
    while (n < text.size() && (is_letter(text[n]) || is_digit(text[n]))) ++n;
    const bool joined =
        n + 1 < text.size() && text[n] == '.' && (is_letter(text[n + 1]) || is_digit(text[n + 1]));
    if (!joined) return n;
    ++n;
  }
}

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + quote;
}

class Lexer {
 public:
  explicit Lexer(const SourceText& source) : source_(source), text_(source.text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (skip(); at_ < text_.size(); skip()) tokens.push_back(next());
    tokens.push_back({Token::Kind::kEnd, "", text_.size(), text_.size()});
    return tokens;
  }

 private:
  [[noreturn]] void error(std::string_view message) const {
    throw Error(ErrorCode::kInvalidArgument, source_.at(at_, message));
  }

  void skip() {
    while (at_ < text_.size() && (is_space(text_[at_]) || text_[at_] == '#')) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        ++at_;
      }
    }
  }

  Token next() {
    const char c = text_[at_];
    if (is_digit(c)) return number();
    if (c == '"') return {Token::Kind::kText, quoted_run(), start_, at_};
    if (c == '`') return {Token::Kind::kName, quoted_run(), start_, at_, true};
    const std::size_t length = identifier_length(text_.substr(at_));
    if (length > 0) return take(Token::Kind::kName, length);
    for (const std::string_view mark : {"<-", ".."}) {
      if (text_.substr(at_, 2) == mark) return take(Token::Kind::kMark, 2);
    }
    if (std::string_view("()[]{},:=+-*/@").find(c) == std::string_view::npos) {
      error("unexpected character " + quoted(text_.substr(at_, 1), '\''));
    }
    return take(Token::Kind::kMark, 1);
  }

  Token take(Token::Kind kind, std::size_t length) {
    const std::size_t start = at_;
    at_ += length;
    return {kind, std::string(text_.substr(start, length)), start, at_};
  }

  std::size_t digits(std::size_t from) const {
    while (from < text_.size() && is_digit(text_[from])) ++from;
    return from;
  }

  // A fraction needs a digit after the point, so that "1..128" is a range.
  Token number() {
    std::size_t end = digits(at_);
    Token::Kind kind = Token::Kind::kInteger;
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      end = digits(end + 1);
      kind = Token::Kind::kReal;
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
      if (digits(exponent) > exponent) {
        end = digits(exponent);
        kind = Token::Kind::kReal;
      }
    }
    return take(kind, end - at_);
  }

  // What lies between the quote at at_ and its fellow, without escapes.
  std::string quoted_run() {
    start_ = at_;
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') {
      out += text_[at_] == '\\' ? escaped() : text_[at_++];
    }
    if (at_ == text_.size() || text_[at_] != quote) {
      at_ = start_;
      error("the quote is not closed in its line");
    }
    ++at_;
    return out;
  }

  char escaped() {
    const std::string_view rest = text_.substr(at_ + 1, 3);
    if (!rest.empty() && (rest[0] == '\\' || rest[0] == '"' || rest[0] == '`')) {
      at_ += 2;
      return rest[0];
    }
    if (rest.size() == 3 && rest[0] == 'x' && hex_digit(rest[1]) >= 0 && hex_digit(rest[2]) >= 0) {
      at_ += 4;
      return static_cast<char>(16 * hex_digit(rest[1]) + hex_digit(rest[2]));
    }
    error("unknown escape; expected \\\\, \\\", \\` or \\x and two of 0-9a-f");
  }

  SourceText source_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;  // of the latest quoted run
};

}  // namespace

std::string SourceText::at(std::size_t offset, std::string_view message) const {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}:{}:{}: {}", name, line, before.size() - line_start + 1, message);
}

std::vector<Token> tokenize(const SourceText& source) { return Lexer(source).run(); }

bool is_reserved(std::string_view word) {
  return std::find(kReserved.begin(), kReserved.end(), word) != kReserved.end();
}

std::string written_name(std::string_view name) {
  const bool bare = !name.empty() && identifier_length(name) == name.size() && !is_reserved(name);
  return bare ? std::string(name) : quoted(name, '`');
}

std::string written_text(std::string_view text) { return quoted(text, '"'); }

}  // namespace lamina
