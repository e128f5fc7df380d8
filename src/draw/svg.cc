// Writes a scene that has been laid out as SVG. Colours are classes, so that one style sheet serves
// light and dark pages.
#include <fmt/core.h>

#include <algorithm>

#include "base/markup.h"
#include "draw/scene.h"

namespace lamina::draw {
namespace {

constexpr double kLegendHeight = 66.0;
constexpr double kLegendWidth = 580.0;
constexpr double kLegendColumn = 300.0;  // where the second one begins

constexpr const char* kStyle = R"(<style>
.lamina-svg text{font:11px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1c2230}
.lamina-svg .title{font-weight:bold;font-size:12px}
.lamina-svg .line{fill:#566077}
.lamina-svg .above text{paint-order:stroke;stroke:#ffffff;stroke-width:4px;stroke-opacity:.85}
.lamina-svg .page{fill:#ffffff}
.lamina-svg .box{fill:#f7f8fa;stroke:#9aa3b5}
.lamina-svg .box-state{fill:#fbf3ff;stroke:#a468c8}
.lamina-svg .box-move{fill:#ffffff;stroke:#9aa3b5;stroke-dasharray:4 2}
.lamina-svg .frame-memory{fill:#ffffff;stroke:#3b6fc4;stroke-width:1.5}
.lamina-svg .frame-block{fill:#fffdf6;stroke:#c98a12;stroke-width:1.5}
.lamina-svg .frame-thread{fill:#f5fcf6;stroke:#2f9150;stroke-width:1.5}
.lamina-svg .zone{fill:#8a93a8;fill-opacity:.07;stroke:#9aa3b5;stroke-dasharray:2 3}
.lamina-svg .zone-loop{fill:#c98a12;fill-opacity:.10;stroke:#c98a12}
.lamina-svg .strip-memory{fill:#cfe0fa}
.lamina-svg .strip-block{fill:#fbe3b3}
.lamina-svg .strip-thread{fill:#c9ecd2}
.lamina-svg .edge{fill:none;stroke:#7a8499;stroke-width:1.2}
.lamina-svg .head{fill:#7a8499}
@media (prefers-color-scheme:dark){
.lamina-svg text{fill:#e6e9f0}
.lamina-svg .line{fill:#a9b2c6}
.lamina-svg .above text{stroke:#14171e}
.lamina-svg .page{fill:#14171e}
.lamina-svg .box{fill:#232833;stroke:#68728a}
.lamina-svg .box-state{fill:#31243c;stroke:#b483d6}
.lamina-svg .box-move{fill:#1a1e27;stroke:#68728a}
.lamina-svg .frame-memory{fill:#171b24;stroke:#6c9bea}
.lamina-svg .frame-block{fill:#1d1a13;stroke:#d6a03a}
.lamina-svg .frame-thread{fill:#141d17;stroke:#56b877}
.lamina-svg .strip-memory{fill:#274068}
.lamina-svg .strip-block{fill:#5b4413}
.lamina-svg .strip-thread{fill:#1f4d2e}
.lamina-svg .edge{stroke:#8c96ac}
.lamina-svg .head{fill:#8c96ac}
}</style>
)";

std::string_view level_class(Level level) {
  if (level == Level::kBlock) return "block";
  return level == Level::kThread ? "thread" : "memory";
}

std::string box_class(const Box& box) {
  switch (box.look) {
    case Look::kFrame:
      return "frame-" + std::string(level_class(box.level));
    case Look::kState:
      return "box-state";
    case Look::kLoad:
    case Look::kStore:
      return "box-move";
    case Look::kOperator:
    case Look::kTensor:
      return "box";
  }
  return "box";
}

std::string text_at(Point at, std::string_view style, const std::string& text) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", style, at.x, at.y,
                     escape_markup(text));
}

std::string rectangle(std::string_view style, Point at, Point size, double round) {
  return fmt::format(
      "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
      "rx=\"{}\"/>\n",
      style, at.x, at.y, size.x, size.y, round);
}

// A smooth line downwards, with a head at its end.
std::string edge_path(const Edge& edge, Point offset) {
  const Point first = edge.path.front();
  std::string path = fmt::format("M{:.1f} {:.1f}", first.x + offset.x, first.y + offset.y);
  for (std::size_t i = 1; i < edge.path.size(); ++i) {
    const Point a{edge.path[i - 1].x + offset.x, edge.path[i - 1].y + offset.y};
    const Point b{edge.path[i].x + offset.x, edge.path[i].y + offset.y};
    const double middle = (a.y + b.y) / 2;
    path += a.x == b.x ? fmt::format("L{:.1f} {:.1f}", b.x, b.y)
                       : fmt::format("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", a.x, middle, b.x,
                                     middle, b.x, b.y);
  }
  const Point end{edge.path.back().x + offset.x, edge.path.back().y + offset.y};
  return fmt::format(
      "<path class=\"edge\" d=\"{}\"/>\n<path class=\"head\" d=\"M{:.1f} {:.1f}l-3.5 -7h7z\"/>\n",
      path, end.x, end.y);
}

std::string draw_strips(const Box& box, Point at) {
  std::string svg;
  if (box.strips.empty()) return svg;
  const std::vector<double> ends = strip_ends(box);
  const double y = at.y + box.height - kStripHeight - 1;
  for (std::size_t i = 0; i < box.strips.size(); ++i) {
    const Strip& strip = box.strips[i];
    const double width = ends[i + 1] - ends[i];
    const double x = at.x + ends[i];
    svg += rectangle("strip-" + std::string(level_class(strip.memory)), {x + 1.5, y},
                     {width - 3, kStripHeight}, 2);
    svg += text_at({x + (width - text_width(strip.text)) / 2, y + 13}, "tensor", strip.text);
  }
  return svg;
}

std::string box_text(const Box& box, Point at) {
  double y = at.y + 15;
  std::string svg = text_at({at.x + 9, y}, "title", box.title);
  for (const std::string& line : box.lines) svg += text_at({at.x + 9, y += kLine}, "line", line);
  return svg;
}

std::string draw_scene(const Scene& scene, Point at);

std::string draw_box(const Box& box, Point offset) {
  const Point at{box.at.x + offset.x, box.at.y + offset.y};
  std::string svg = rectangle(box_class(box), at, {box.width, box.height}, 4);
  if (box.inner.empty()) svg += box_text(box, at);
  double x = at.x + kMargin;
  for (const Scene& scene : box.inner) {
    svg += draw_scene(scene, {x, inner_top(box) + offset.y});
    x += scene.width + kMargin;
  }
  return svg + draw_strips(box, at);
}

// Backgrounds first, then edges, since those into a frame must lie upon it, then what edges cross.
std::string draw_scene(const Scene& scene, Point at) {
  std::string svg;
  std::string above;
  for (const Zone& zone : scene.zones) {
    const Point corner{zone.at.x + at.x, zone.at.y + at.y};
    svg += rectangle(zone.band == Band::kBody ? "zone zone-loop" : "zone", corner,
                     {zone.width, zone.height}, 6);
    above += text_at({corner.x + 8, corner.y + 14}, "title", zone.title);
  }
  for (const Box& box : scene.boxes) {
    svg += draw_box(box, at);
    if (!box.inner.empty()) above += box_text(box, {box.at.x + at.x, box.at.y + at.y});
  }
  for (const Edge& edge : scene.edges) svg += edge_path(edge, at);
  return svg + "<g class=\"above\">\n" + above + "</g>\n";
}

// What the colours mean.
std::string legend(const std::string& title) {
  std::string svg = text_at({kMargin, 20}, "title", title);
  const std::pair<const char*, const char*> rows[] = {
      {"strip-memory", "in memory"},
      {"strip-block", "block: cache, shared memory"},
      {"strip-thread", "thread: registers"},
      {"box-state", "kept between iterations"}};
  Point at{kMargin, 30};
  for (const auto& [style, text] : rows) {
    svg += rectangle(style, at, {14, 12}, 2);
    svg += text_at({at.x + 19, at.y + 10}, "line", text);
    const bool second = at.x > kMargin;
    at = {second ? kMargin : kLegendColumn, second ? at.y + 18 : at.y};
  }
  return svg;
}

}  // namespace

std::string to_svg(const Scene& scene, const std::string& title) {
  const double width = std::max(scene.width + 2 * kMargin, kLegendWidth);
  const double height = scene.height + kLegendHeight + 2 * kMargin;
  const Point at{(width - scene.width) / 2, kLegendHeight + kMargin};
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lamina-svg\" width=\"{0:.0f}\" "
             "height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
             "role=\"img\">\n<title>{2}</title>\n",
             width, height, escape_markup(title)) +
         kStyle + rectangle("page", {0, 0}, {width, height}, 0) + legend(title) +
         draw_scene(scene, at) + "</svg>\n";
}

}  // namespace lamina::draw
