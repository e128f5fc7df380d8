// Timelines as tensors: a row for each action.
#include "pipeline/run/timelines.h"

#include "pipeline/comm/tensors.h"
#include "pipeline/schedule_text.h"

namespace lamina::pipeline {
namespace {

constexpr std::int64_t kColumns = 6;

Tensor rows_of(const std::vector<TimedAction>& timeline) {
  std::vector<double> values;
  for (const TimedAction& timed : timeline) {
    const Action& action = timed.action;
    values.insert(values.end(),
                  {static_cast<double>(action.kind), static_cast<double>(action.stage),
                   static_cast<double>(action.micro_batch), static_cast<double>(action.edge),
                   timed.start_s, timed.end_s});
  }
  return Tensor::from_doubles(DType::kF64, {static_cast<std::int64_t>(timeline.size()), kColumns},
                              values);
}

std::vector<TimedAction> timeline_of(const Tensor& rows) {
  const std::vector<double> values = rows.to_doubles();
  std::vector<TimedAction> timeline;
  for (std::size_t at = 0; at + kColumns <= values.size(); at += kColumns) {
    const auto whole = [&](std::size_t i) { return static_cast<int>(values[at + i]); };
    timeline.push_back({{static_cast<Action::Kind>(whole(0)), whole(1), whole(2), whole(3)},
                        values[at + 4],
                        values[at + 5]});
  }
  return timeline;
}

}  // namespace

std::vector<std::vector<TimedAction>> gather_timelines(Transport& transport, int tag,
                                                       const std::vector<TimedAction>& own) {
  if (transport.rank() != 0) {
    send_tensors(transport, 0, tag, {{"rows", rows_of(own)}});
    return {};
  }
  std::vector<std::vector<TimedAction>> all = {own};
  for (int rank = 1; rank < transport.ranks(); ++rank) {
    all.push_back(timeline_of(receive_tensors(transport, rank, tag).at("rows")));
  }
  return all;
}

double busy_share(const std::vector<TimedAction>& timeline, double iteration_s) {
  double busy = 0.0;
  for (const TimedAction& timed : timeline) {
    const Action::Kind kind = timed.action.kind;
    if (is_pass(kind) || kind == Action::Kind::kUpdate) busy += timed.end_s - timed.start_s;
  }
  return iteration_s > 0.0 ? busy / iteration_s : 0.0;
}

}  // namespace lamina::pipeline
