// Schedules as text. A line for each rank:
//   line   = rank ":" {" " action}
//   action = ("F" | "B" | "I" | "W") stage "." micro_batch
//          | ("SF" | "RF" | "SB" | "RB") stage "." micro_batch ":" edge
//          | ("R" | "U") stage
#include "pipeline/schedule_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"
#include "lamina/schedule.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

constexpr std::array<std::string_view, 10> kLetters = {"F",  "B",  "I",  "W", "SF",
                                                       "RF", "SB", "RB", "R", "U"};

// Reads one line.
class LineReader {
 public:
  LineReader(std::string_view text, std::string_view source, int line)
      : text_(text), source_(source), line_(line) {}

  std::vector<Action> read(int rank) {
    if (number() != rank || !take(':')) refuse(fmt::format("'{}:'", rank));
    std::vector<Action> actions;
    while (take(' ')) actions.push_back(action());
    if (at_ != text_.size()) refuse("an action or the end of the line");
    return actions;
  }

 private:
  [[noreturn]] void refuse(std::string_view wanted) const {
    const std::string_view rest = text_.substr(std::min(at_, text_.size()), 20);
    fail(ErrorCode::kInvalidArgument, "{}:{}:{}: expected {}, got '{}'", source_, line_, at_ + 1,
         wanted, rest);
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  int number() {
    int value = -1;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) refuse("a number");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  Action action() {
    const std::size_t end = text_.find_first_of("0123456789", at_);
    const std::string_view letters =
        text_.substr(at_, end == std::string_view::npos ? 0 : end - at_);
    const auto known = std::find(kLetters.begin(), kLetters.end(), letters);
    if (known == kLetters.end()) refuse("an action");
    at_ = end;
    Action action{static_cast<Kind>(known - kLetters.begin()), number(), -1, -1};
    if (action.kind == Kind::kReduce || action.kind == Kind::kUpdate) return action;
    if (!take('.')) refuse("'.'");
    action.micro_batch = number();
    if (!is_message(action.kind)) return action;
    if (!take(':')) refuse("':'");
    action.edge = number();
    return action;
  }

  std::string_view text_;
  std::string_view source_;
  int line_;
  std::size_t at_ = 0;
};

}  // namespace

std::string to_string(const Action& action) {
  std::string text(kLetters[static_cast<std::size_t>(action.kind)]);
  text += std::to_string(action.stage);
  if (action.micro_batch >= 0) text += "." + std::to_string(action.micro_batch);
  if (action.edge >= 0) text += ":" + std::to_string(action.edge);
  return text;
}

std::string print_schedule(const Schedule& schedule) {
  std::string text;
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    text += std::to_string(rank) + ":";
    for (const Action& action : schedule.ranks[rank]) text += " " + to_string(action);
    text += "\n";
  }
  return text;
}

Schedule parse_schedule(std::string_view text, std::string_view source) {
  Schedule schedule;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto rank = static_cast<int>(schedule.ranks.size());
    require(end != std::string_view::npos, "{}:{}: the last line does not end", source, rank + 1);
    schedule.ranks.push_back(LineReader(text.substr(0, end), source, rank + 1).read(rank));
    text.remove_prefix(end + 1);
  }
  return schedule;
}

}  // namespace lamina::pipeline
