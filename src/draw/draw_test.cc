// Pictures: what they must show, and that nothing covers anything else.
#include "lamina/draw.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "draw/scene.h"

using namespace lamina;
using namespace lamina::draw;

namespace {

constexpr const char* kBlock = R"(lamina 1
graph products[T: 1..64](x: f32[T, 256], weight w: f32[256, 512]) {
  y = block(x, w, grid=[4, 8], loop=[2]) {
    state total: f32[16, 64] = 0.0
    xt = load(x, grid=[0, -1], loop=1, tile=[16, 128])
    wt = load(w, grid=[-1, 1], loop=0, tile=[128, 64])
    total <- total + xt @ wt
    return store(relu(after(total)) * 0.5, grid=[0, 1], shape=[T, 512])
  }
  return y
}
)";

std::string layers(int count) {
  std::string text = "lamina 1\ngraph deep(x: f32[8, 16]";
  for (int i = 0; i < count; ++i) text += ", weight w" + std::to_string(i) + ": f32[16, 16]";
  text += ") {\n";
  std::string from = "x";
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    text += "  a" + n + " = " + from + " @ w" + n + "\n  b" + n + " = relu(a" + n + ")\n  c" + n +
            " = softmax(b" + n + ")\n  d" + n + " = c" + n + " + " + from + "\n  e" + n +
            " = rms_norm(d" + n + ")\n";
    from = "e" + n;
  }
  return text + "  return " + from + "\n}\n";
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

bool overlap(const Box& a, const Box& b) {
  return a.at.x < b.at.x + b.width && b.at.x < a.at.x + a.width && a.at.y < b.at.y + b.height &&
         b.at.y < a.at.y + a.height;
}

// Boxes lie apart and inside, edges lead downwards, text fits its box; in inner scenes, too.
void check_scene(const Scene& scene) {
  for (std::size_t i = 0; i < scene.boxes.size(); ++i) {
    const Box& box = scene.boxes[i];
    CHECK(box.at.x >= -1e-6);
    CHECK(box.at.x + box.width <= scene.width + 1e-6);
    CHECK(box.at.y + box.height <= scene.height + 1e-6);
    CHECK(text_width(box.title) <= box.width);
    for (const std::string& line : box.lines) CHECK(text_width(line) <= box.width);
    for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(overlap(box, scene.boxes[j]));
    for (const Scene& inner : box.inner) {
      CHECK(inner.width <= box.width);
      check_scene(inner);
    }
  }
  for (const Edge& edge : scene.edges) {
    for (std::size_t i = 1; i < edge.path.size(); ++i) {
      CHECK(edge.path[i - 1].y <= edge.path[i].y);
    }
  }
}

Scene laid_out(const std::string& text) {
  Scene scene = build_scene(parse_graph(text));
  lay_out(scene);
  return scene;
}

}  // namespace

TEST_CASE("a block shows its grid, loads, loop, accumulator and store") {
  const std::string svg = draw_svg(parse_graph(kBlock));
  for (const char* text :
       {"grid 4 x 8 = 32 tasks", "each task loops 2 times", "load x", "axis 0 by grid 0",
        "axis 1 by the loop", "the loop, 2 times", "after the loop",
        "accumulator total, starts at 0", "store ", "axis 1 by grid 1", "f32[16, 64] 4.0 KiB",
        "f32[256, 512] 512 KiB", "with 0.5"}) {
    CHECK_MESSAGE(svg.find(text) != std::string::npos, text);
  }
  check_scene(laid_out(kBlock));
}

TEST_CASE("what happens before, in and after the loop stands one above the other") {
  const Scene scene = laid_out(kBlock);
  const auto frame = std::find_if(scene.boxes.begin(), scene.boxes.end(),
                                  [](const Box& box) { return box.look == Look::kFrame; });
  REQUIRE(frame != scene.boxes.end());
  REQUIRE(frame->inner.size() == 1);
  const std::vector<Zone>& zones = frame->inner[0].zones;
  REQUIRE(zones.size() == 2);
  CHECK(zones[0].at.y + zones[0].height <= zones[1].at.y);
  for (const Box& box : frame->inner[0].boxes) {
    const bool below = box.at.y > zones[1].at.y;
    CHECK(below == (box.band == Band::kAfter || box.band == Band::kExit));
  }
}

TEST_CASE("threads and branches are frames in frames") {
  const std::string text = R"(lamina 1
graph branches(c: bool[], x: f32[4]) {
  y = if(c, x) then { return exp(x) } else { return x * 2 }
  z = thread(y) { return silu(y) + 1 }
  return z
}
)";
  const std::string svg = draw_svg(parse_graph(text));
  CHECK(svg.find("frame-thread") != std::string::npos);
  CHECK(svg.find("strip-thread") != std::string::npos);
  check_scene(laid_out(text));
}

TEST_CASE("equal layers are drawn once, and a layer that differs is not among them") {
  const std::string svg = draw_svg(parse_graph(layers(40)));
  CHECK(svg.find("40 equal layers, the first drawn") != std::string::npos);
  CHECK(count_of(svg, "<rect class=\"box") < 20);
  std::string text = layers(40);
  const std::string step = "d20 = c20 + e19";
  text.replace(text.find(step), step.size(), "d20 = c20 + e18");
  const std::string other = draw_svg(parse_graph(text));
  CHECK(other.find("40 equal layers") == std::string::npos);
  check_scene(laid_out(text));
}

TEST_CASE("names cannot break the picture") {
  const std::string text =
      "lamina 1\ngraph g(`<b>&\"\\x01`: f32[2]) {\n  return relu(`<b>&\"\\x01`)\n}\n";
  const std::string svg = draw_svg(parse_graph(text));
  CHECK(svg.find("<b>") == std::string::npos);
  CHECK(svg.find("&lt;b&gt;&amp;&quot;") != std::string::npos);
  CHECK(svg.find('\x01') == std::string::npos);
}

TEST_CASE("a graph whose output is its input, and one without nodes") {
  check_scene(laid_out("lamina 1\ngraph g(x: f32[2]) {\n  return x\n}\n"));
  CHECK(draw_svg(Graph{}).find("</svg>") != std::string::npos);
}

TEST_CASE("large graphs are drawn in time, and larger ones are named only") {
  const auto chain = [](int count) {
    std::string text = "lamina 1\ngraph long(x: f32[4]) {\n  v0 = exp(x)\n";
    std::uint32_t state = 1;  // no layers: the operators follow no period
    for (int i = 1; i < count; ++i) {
      state = state * 1664525U + 1013904223U;
      const std::string op = state >> 31U == 0 ? "max" : "add";
      text += "  v" + std::to_string(i) + " = " + op + "(v" + std::to_string(i - 1) + ", x)\n";
    }
    return parse_graph(text + "  return v" + std::to_string(count - 1) + "\n}\n");
  };
  CHECK(draw_svg(chain(2000)).find("too large") == std::string::npos);
  CHECK(draw_svg(chain(20000)).find("too large to draw") != std::string::npos);
}
