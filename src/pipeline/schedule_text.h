// Actions by their letters, and what kinds of them there are.
#pragma once

#include <string>

#include "lamina/schedule.h"

namespace lamina::pipeline {

std::string to_string(const Action& action);

inline bool is_send(Action::Kind kind) {
  return kind == Action::Kind::kSendForward || kind == Action::Kind::kSendBackward;
}
inline bool is_receive(Action::Kind kind) {
  return kind == Action::Kind::kReceiveForward || kind == Action::Kind::kReceiveBackward;
}
inline bool is_message(Action::Kind kind) { return is_send(kind) || is_receive(kind); }
inline bool goes_forward(Action::Kind kind) {
  return kind == Action::Kind::kSendForward || kind == Action::Kind::kReceiveForward;
}
inline bool is_pass(Action::Kind kind) {
  return kind == Action::Kind::kForward || kind == Action::Kind::kBackward ||
         kind == Action::Kind::kInputGradient || kind == Action::Kind::kWeightGradient;
}

}  // namespace lamina::pipeline
