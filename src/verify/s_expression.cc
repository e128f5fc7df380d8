// Reads S-expressions.
#include "verify/s_expression.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace lamina {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
constexpr int kMaxDepth = 200;

class Reader {
 public:
  explicit Reader(SourceText source) : source_(source), text_(source.text) {}

  std::vector<SExpression> all() {
    std::vector<SExpression> items;
    for (skip(); at_ < text_.size(); skip()) items.push_back(item(0));
    return items;
  }

 private:
  [[noreturn]] void error(std::size_t offset, std::string_view message) const {
    throw Error(ErrorCode::kInvalidArgument, source_.at(offset, message));
  }

  void skip() {
    constexpr std::string_view kSpace = " \t\r\n";
    while (at_ < text_.size()) {
      if (text_[at_] == ';') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (kSpace.find(text_[at_]) != std::string_view::npos) {
        ++at_;
      } else {
        return;
      }
    }
  }

  SExpression item(int depth) {
    const char c = text_[at_];
    if (c == '(' || c == '[') return list(c == '(' ? ')' : ']', depth);
    if (c == ')' || c == ']') error(at_, "the bracket closes nothing");
    const std::size_t start = at_;
    if (c == '"') {
      ++at_;
      while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
      if (at_ >= text_.size()) error(start, "the quote is not closed");
      ++at_;
    } else {
      at_ = std::min(text_.find_first_of(" \t\r\n()[]\";", at_), text_.size());
    }
    return {text_.substr(start, at_ - start), start, false, {}};
  }

  SExpression list(char close, int depth) {
    if (depth == kMaxDepth) error(at_, fmt::format("more than {} levels of nesting", kMaxDepth));
    SExpression result{{}, at_, true, {}};
    ++at_;
    for (skip(); at_ < text_.size() && text_[at_] != close; skip()) {
      result.items.push_back(item(depth + 1));
    }
    if (at_ == text_.size()) error(result.offset, "the bracket is not closed");
    ++at_;
    result.text = text_.substr(result.offset, at_ - result.offset);
    return result;
  }

  SourceText source_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<SExpression> parse_s_expressions(SourceText source) {
  require(source.text.size() <= kMaxBytes, "{}: {} bytes, S-expressions have at most {}",
          source.name, source.text.size(), kMaxBytes);
  return Reader(source).all();
}

}  // namespace lamina
