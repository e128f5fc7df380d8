// The curve of a training as a picture.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "lamina/train.h"

namespace lamina::train {
namespace {

constexpr double kWidth = 720.0;
constexpr double kHeight = 320.0;
constexpr double kMargin = 56.0;
constexpr std::size_t kMostPoints = 2000;  // of a curve
constexpr double kSmoothing = 0.97;

struct Point {
  double step = 0.0;
  double value = 0.0;
};

std::vector<Point> thin(const std::vector<Point>& points) {
  if (points.size() <= kMostPoints) return points;
  std::vector<Point> kept;
  for (std::size_t i = 0; i < kMostPoints; ++i) {
    kept.push_back(points[i * (points.size() - 1) / (kMostPoints - 1)]);
  }
  return kept;
}

// An exponential mean whose beginning is corrected, so that it starts at the first value.
std::vector<Point> smooth(const std::vector<Point>& points) {
  std::vector<Point> result;
  double mean = 0.0, weight = 0.0;
  for (const Point& point : points) {
    mean = kSmoothing * mean + (1.0 - kSmoothing) * point.value;
    weight = kSmoothing * weight + (1.0 - kSmoothing);
    result.push_back({point.step, mean / weight});
  }
  return result;
}

class Chart {
 public:
  explicit Chart(std::span<const LogEntry> entries) {
    for (const LogEntry& entry : entries) {
      const auto step = static_cast<double>(entry.step);
      (entry.test ? tests_ : losses_).push_back({step, entry.loss});
      if (entry.accuracy) accuracies_.push_back({step, *entry.accuracy});
      last_step_ = std::max(last_step_, step);
      highest_ = std::max(highest_, entry.loss);
    }
  }

  std::string draw() {
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"sans-serif\" font-size=\"11\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        kWidth + 2 * kMargin, kHeight + 2 * kMargin);
    axes();
    curve(thin(losses_), highest_, "stroke=\"#9bd\" stroke-width=\"0.6\"");
    curve(thin(smooth(losses_)), highest_, "stroke=\"#048\" stroke-width=\"1.6\"");
    curve(tests_, highest_, "stroke=\"#c40\" stroke-width=\"1.6\"");
    curve(accuracies_, 1.0, "stroke=\"#083\" stroke-width=\"1.6\" stroke-dasharray=\"5 3\"");
    legend();
    return svg_ + "</svg>\n";
  }

 private:
  double x(double step) const { return kMargin + kWidth * step / last_step_; }
  static double y(double value, double most) { return kMargin + kHeight * (1.0 - value / most); }

  void text(double at_x, double at_y, std::string_view anchor, const std::string& words) {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", at_x,
                        at_y, anchor, words);
  }

  void axes() {
    constexpr int kTicks = 5;
    for (int i = 0; i <= kTicks; ++i) {
      const double part = static_cast<double>(i) / kTicks;
      const double level = y(part, 1.0), column = kMargin + kWidth * part;
      svg_ += fmt::format("<path d=\"M{:.1f} {:.1f} h{:.1f}\" stroke=\"#ddd\"/>\n", kMargin, level,
                          kWidth);
      text(kMargin - 6, level + 4, "end", fmt::format("{:.3g}", part * highest_));
      text(column, kMargin + kHeight + 16, "middle", fmt::format("{:.0f}", part * last_step_));
      if (!accuracies_.empty()) {
        text(kMargin + kWidth + 6, level + 4, "start", fmt::format("{:.0f} %", 100 * part));
      }
    }
    text(kMargin + kWidth / 2, kMargin + kHeight + 34, "middle", "step");
  }

  void curve(const std::vector<Point>& points, double most, std::string_view style) {
    if (points.empty()) return;
    std::string path;
    for (const Point& point : points) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(point.step),
                          y(std::clamp(point.value, 0.0, most), most));
    }
    svg_ += fmt::format("<path d=\"{}\" fill=\"none\" {}/>\n", path, style);
  }

  void legend() {
    std::string words = "loss (thin: each step)";
    if (!tests_.empty()) words += fmt::format("; red: test, last {:.4g}", tests_.back().value);
    if (!accuracies_.empty()) {
      words += fmt::format("; green: test accuracy, last {:.2f} %", 100 * accuracies_.back().value);
    }
    text(kMargin, kMargin - 14, "start", words);
  }

  std::vector<Point> losses_;
  std::vector<Point> tests_;
  std::vector<Point> accuracies_;
  double last_step_ = 1.0;
  double highest_ = 1e-12;
  std::string svg_;
};

}  // namespace

std::string loss_svg(std::span<const LogEntry> entries) {
  for (const LogEntry& entry : entries) {
    require(std::isfinite(entry.loss), "loss curve: the loss of step {} is {}", entry.step,
            entry.loss);
  }
  return Chart(entries).draw();
}

}  // namespace lamina::train
