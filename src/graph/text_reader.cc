// Reads marks, numbers, types, sizes and attributes of the text form.
#include "graph/text_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace lamina {
namespace {

constexpr std::size_t kMaxRank = 64;
constexpr std::size_t kMaxDimBytes = 1000;

}  // namespace

const Token& TextReader::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

const Token& TextReader::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TextReader::read_one_name(std::size_t start) const {
  return at_ == start + 1 && tokens_[start].kind == Token::Kind::kName;
}

std::set<std::string, std::less<>> TextReader::all_names() const {
  std::set<std::string, std::less<>> names;
  for (std::size_t i = 0; i + 1 < tokens_.size(); ++i) {
    const bool called = tokens_[i + 1].is("(");
    if (tokens_[i].kind == Token::Kind::kName && !called) names.insert(tokens_[i].text);
  }
  return names;
}

void TextReader::error(std::string_view expected) const {
  const Token& token = peek();
  const std::string_view found =
      token.kind == Token::Kind::kEnd
          ? std::string_view("the end of the text")
          : source_.text.substr(token.offset, std::min<std::size_t>(token.end - token.offset, 40));
  error_at(token, fmt::format("{}, got {}", expected, found));
}

void TextReader::error_at(const Token& token, std::string_view message, ErrorCode code) const {
  throw Error(code, source_.at(token.offset, message));
}

bool TextReader::take(std::string_view mark) {
  if (!peek().is(mark)) return false;
  next();
  return true;
}

bool TextReader::take_word(std::string_view word) {
  if (!peek().is_word(word)) return false;
  next();
  return true;
}

void TextReader::expect(std::string_view mark) {
  if (!take(mark)) error(fmt::format("expected '{}'", mark));
}

bool TextReader::at_name(std::size_t ahead) const {
  const Token& token = peek(ahead);
  return token.kind == Token::Kind::kName && (token.quoted || !is_reserved(token.text));
}

const std::string& TextReader::name(std::string_view what) {
  if (!at_name()) error(fmt::format("expected {}", what));
  return next().text;
}

std::int64_t TextReader::integer() {
  const bool negative = take("-");
  if (peek().kind != Token::Kind::kInteger) error("expected an integer");
  const Token& token = next();
  // Read with its sign: the least integer has no positive counterpart.
  const std::string text = (negative ? "-" : "") + token.text;
  std::int64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
    error_at(token, "the integer is too large");
  }
  return value;
}

bool TextReader::at_number(std::size_t ahead) const {
  const Token& token = peek(ahead);
  return token.kind == Token::Kind::kInteger || token.kind == Token::Kind::kReal ||
         token.is_word("inf") || token.is_word("nan");
}

double TextReader::real() {
  const bool negative = take("-");
  if (!at_number()) error("expected a number");
  const Token& token = next();
  double value = 0.0;
  if (token.is_word("inf")) {
    value = std::numeric_limits<double>::infinity();
  } else if (token.is_word("nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    const char* end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
      error_at(token, "the number is out of range");
    }
  }
  return negative ? -value : value;
}

// Up to the next comma or bracket outside parentheses; Dim has its own parser.
Dim TextReader::dim() {
  const Token& first = peek();
  std::size_t end = first.offset;
  for (int depth = 0; depth > 0 || !(peek().is(",") || peek().is("]"));) {
    if (peek().kind == Token::Kind::kEnd) error("expected ']'");
    if (peek().is("(")) ++depth;
    if (peek().is(")")) --depth;
    end = next().end;
  }
  if (end - first.offset > kMaxDimBytes) error_at(first, "the dimension is too long");
  const std::string_view text = source_.text.substr(first.offset, end - first.offset);
  return located(first, [&] { return Dim::parse(text); });
}

Dims TextReader::dims() {
  expect("[");
  Dims list;
  if (take("]")) return list;
  do {
    list.push_back(dim());
  } while (take(","));
  expect("]");
  return list;
}

Type TextReader::type() {
  const Token& start = peek();
  Type result;
  const std::string& dtype = name("a type such as f32[8, 16]");
  result.dtype = located(start, [&] { return parse_dtype(dtype); });
  result.shape = dims();
  if (result.shape.size() > kMaxRank) {
    error_at(start, fmt::format("a tensor has at most {} axes", kMaxRank));
  }
  for (const Dim& dim : result.shape) {
    if (dim.is_constant() && dim.constant_part() < 0) error_at(start, "a size is negative");
  }
  if (!take_word("strides")) return result;
  result.strides = dims();
  if (result.strides.size() != result.shape.size()) error_at(start, "expected a stride per axis");
  return result;
}

std::vector<SizeRange> TextReader::sizes() {
  expect("[");
  std::vector<SizeRange> list;
  do {
    const Token& start = peek();
    SizeRange size;
    size.name = name("the name of a size");
    if (start.quoted || size.name.find('.') != std::string::npos) {
      error_at(start, "the name of a size consists of letters, digits and _");
    }
    for (const SizeRange& other : list) {
      if (other.name == size.name) error_at(start, "the size is declared twice");
    }
    if (take(":")) {
      size.min = integer();
      expect("..");
      size.max = integer();
    }
    if (size.min < 0 || size.max < size.min) error_at(start, "the range is empty or negative");
    list.push_back(std::move(size));
  } while (take(","));
  expect("]");
  return list;
}

Attr TextReader::attribute() {
  if (take_word("true")) return true;
  if (take_word("false")) return false;
  if (peek().is("[")) return list_attribute();
  if (peek().kind == Token::Kind::kText) return next().text;
  const bool negative = peek().is("-");
  if (peek(negative ? 1 : 0).kind == Token::Kind::kInteger) return integer();
  if (negative || at_number()) return real();
  const Token& token = peek();
  const std::string& word = name("the value of an attribute");
  return located(token, [&] { return parse_dtype(word); });
}

// Lists of reals contain a number that is not an integer; all other lists are lists of dims.
Attr TextReader::list_attribute() {
  bool reals = false;
  for (std::size_t i = 1; !peek(i).is("]") && peek(i).kind != Token::Kind::kEnd; ++i) {
    reals = reals || (at_number(i) && peek(i).kind != Token::Kind::kInteger);
  }
  if (!reals) return dims();
  expect("[");
  std::vector<double> list;
  do {
    list.push_back(real());
  } while (take(","));
  expect("]");
  return list;
}

}  // namespace lamina
