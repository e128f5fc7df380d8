// Simulated iterations as traces and pictures.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/markup.h"
#include "lamina/schedule.h"
#include "pipeline/schedule_text.h"

namespace lamina::pipeline {
namespace {

using Kind = Action::Kind;

std::string words(const Action& action) {
  switch (action.kind) {
    case Kind::kForward:
      return "forward";
    case Kind::kBackward:
      return "backward";
    case Kind::kInputGradient:
      return "input gradient";
    case Kind::kWeightGradient:
      return "weight gradient";
    case Kind::kReduce:
      return "sum of gradients";
    case Kind::kUpdate:
      return "update";
    default:
      return "wait";
  }
}

// The picture. Rows are ranks; a row has passes above and its memory below.
class Picture {
 public:
  Picture(const Plan& plan, const Simulated& simulated) : plan_(plan), simulated_(simulated) {
    for (std::size_t r = 0; r < simulated.ranks.size(); ++r) {
      if (!simulated.ranks[r].empty()) rows_.push_back(r);
    }
    for (const std::size_t rank : rows_) {
      constexpr double kCharacter = 6.0;
      left_ = std::max(left_, 12.0 + kCharacter * static_cast<double>(label(rank).size()));
    }
    scale_ = simulated.iteration_s > 0.0 ? kWidth / simulated.iteration_s : 0.0;
    for (const double bytes : simulated.peak_bytes) most_bytes_ = std::max(most_bytes_, bytes);
  }

  std::string draw() {
    const double bottom = kTop + kRow * static_cast<double>(rows_.size());
    const double height = bottom + kBottom;
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" style=\"max-width:100%;height:auto\" font-family=\"sans-serif\" "
        "font-size=\"11\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        left_ + kWidth + kRight, height);
    text(left_, kTop - 8,
         fmt::format("{} by {}, {}: {} samples in {:.4g} s, bubble {:.1f} %", plan_.computation,
                     plan_.planner, name(plan_.schedule), plan_.batch, simulated_.iteration_s,
                     100.0 * simulated_.bubble));
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      row(rows_[i], kTop + kRow * static_cast<double>(i));
    }
    axis(bottom);
    legend(bottom + 32);
    return svg_ + "</svg>\n";
  }

 private:
  static constexpr double kWidth = 1100.0, kRight = 36.0, kTop = 30.0, kBottom = 56.0;
  static constexpr double kRow = 44.0, kBar = 18.0, kCurve = 16.0;

  void text(double x, double y, const std::string& words) {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x, y, escape_markup(words));
  }

  std::string label(std::size_t rank) const {
    std::set<int> stages;
    for (const TimedAction& timed : simulated_.ranks[rank]) stages.insert(timed.action.stage);
    return fmt::format("rank {}, stage{} {}", rank, stages.size() > 1 ? "s" : "",
                       fmt::join(stages, ", "));
  }

  void row(std::size_t rank, double top) {
    text(4, top + 13, label(rank));
    text(4, top + 31, fmt::format("{:.3g} MB", simulated_.peak_bytes[rank] / 1e6));
    for (const TimedAction& timed : simulated_.ranks[rank]) bar(timed, top);
    curve(simulated_.memory[rank], top + kBar + 2);
  }

  void axis(double y) {
    constexpr int kTicks = 8;
    for (int i = 0; i <= kTicks; ++i) {
      const double share = static_cast<double>(i) / kTicks;
      const double x = left_ + kWidth * share;
      svg_ += fmt::format(
          "<path d=\"M{0:.1f} {1:.1f} v4\" stroke=\"#444\"/><text x=\"{0:.1f}\" y=\"{2:.1f}\" "
          "text-anchor=\"middle\">{3:.3g} s</text>\n",
          x, y, y + 15, simulated_.iteration_s * share);
    }
  }

  // What the colours mean: those of micro-batch 0.
  void legend(double y) {
    double x = left_;
    for (const Kind kind : {Kind::kForward, Kind::kBackward, Kind::kWeightGradient, Kind::kReduce,
                            Kind::kUpdate, Kind::kReceiveForward}) {
      svg_ +=
          fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"12\" fill=\"{}\"/>\n",
                      x, y, color({kind, 0, 0, 0}));
      const std::string label =
          kind == Kind::kBackward ? "backward or input gradient" : words({kind, 0, 0, 0});
      text(x + 16, y + 10, label);
      x += 40.0 + 6.0 * static_cast<double>(label.size());
    }
    text(x, y + 10, "a colour and number for each micro-batch; grey curves: memory held");
  }

  void bar(const TimedAction& timed, double top) {
    const double width = (timed.end_s - timed.start_s) * scale_;
    const double x = left_ + timed.start_s * scale_;
    const Action& action = timed.action;
    const std::string title = fmt::format("{} {}: {:.4g} s to {:.4g} s", words(action),
                                          to_string(action), timed.start_s, timed.end_s);
    svg_ += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\" "
        "stroke=\"#fff\" stroke-width=\"0.5\"><title>{}</title></rect>\n",
        x, top, width, kBar, color(action), escape_markup(title));
    if (is_pass(action.kind) && width > 14.0) {
      text(x + 2, top + 13, std::to_string(action.micro_batch));
    }
  }

  // A hue for each micro-batch, lighter for forward passes, darker for weight gradients.
  static std::string color(const Action& action) {
    if (action.kind == Kind::kReduce) return "#888";
    if (action.kind == Kind::kUpdate) return "#555";
    if (!is_pass(action.kind)) return "#eee";
    const int hue = action.micro_batch * 47 % 360;
    const int light = action.kind == Kind::kForward          ? 82
                      : action.kind == Kind::kWeightGradient ? 55
                                                             : 68;
    return fmt::format("hsl({},60%,{}%)", hue, light);
  }

  void curve(const std::vector<MemoryPoint>& points, double top) {
    if (most_bytes_ <= 0.0 || points.empty()) return;
    const double bottom = top + kCurve;
    std::string path = fmt::format("M{:.1f} {:.1f}", left_, bottom);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double end = i + 1 < points.size() ? points[i + 1].time_s : simulated_.iteration_s;
      const double y = bottom - kCurve * points[i].bytes / most_bytes_;
      path += fmt::format(" L{:.1f} {:.1f} L{:.1f} {:.1f}", left_ + points[i].time_s * scale_, y,
                          left_ + end * scale_, y);
    }
    svg_ += fmt::format("<path d=\"{} L{:.1f} {:.1f} Z\" fill=\"#9ab\"/>\n", path,
                        left_ + simulated_.iteration_s * scale_, bottom);
  }

  const Plan& plan_;
  const Simulated& simulated_;
  std::vector<std::size_t> rows_;
  double left_ = 110.0;  // where bars begin
  double scale_ = 0.0;
  double most_bytes_ = 0.0;
  std::string svg_;
};

}  // namespace

std::string chrome_trace(const Plan& plan, const Simulated& simulated) {
  constexpr double kMicroseconds = 1e6;
  Json events = Json::Array();
  for (std::size_t r = 0; r < simulated.ranks.size(); ++r) {
    for (const TimedAction& timed : simulated.ranks[r]) {
      Json event;
      event["name"] = words(timed.action) + " " + to_string(timed.action);
      event["cat"] = words(timed.action);
      event["ph"] = "X";
      event["ts"] = timed.start_s * kMicroseconds;
      event["dur"] = (timed.end_s - timed.start_s) * kMicroseconds;
      event["pid"] = 0;
      event["tid"] = static_cast<std::int64_t>(r);
      events.push_back(std::move(event));
    }
  }
  Json trace;
  trace["traceEvents"] = std::move(events);
  trace["otherData"]["computation"] = plan.computation;
  trace["otherData"]["planner"] = plan.planner;
  return trace.dump();
}

std::string schedule_svg(const Plan& plan, const Simulated& simulated) {
  return Picture(plan, simulated).draw();
}

}  // namespace lamina::pipeline
