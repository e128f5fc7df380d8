// What a picture of a graph consists of: boxes, edges, and scenes inside boxes.
#pragma once

#include <string>
#include <vector>

#include "lamina/graph.h"

namespace lamina::draw {

// A tensor that a box gives: a coloured strip at its lower end. `memory` says where it lives.
struct Strip {
  std::string text;
  Level memory = Level::kKernel;
};

struct Point {
  double x = 0.0;
  double y = 0.0;
};

struct Scene;

enum class Look { kOperator, kTensor, kLoad, kState, kStore, kFrame };

// Parts of a block graph, from above to below. Other scenes have kBody only.
enum class Band { kEntry, kBefore, kBody, kAfter, kExit };

struct Box {
  Look look = Look::kOperator;
  std::string title;
  std::vector<std::string> lines;
  std::vector<Strip> strips;
  std::vector<Scene> inner;  // side by side
  Band band = Band::kBody;
  Level level = Level::kKernel;  // of what a frame holds
  // Set by the layout, relative to the scene.
  Point at;
  double width = 0.0;
  double height = 0.0;
};

// From a strip of a box to a box, or to box `entry` of scene `inner` of that box.
struct Edge {
  int from = 0;
  int strip = 0;
  int to = 0;
  int inner = -1;
  int entry = -1;
  std::vector<Point> path;  // set by the layout
};

// A labelled background behind boxes, set by the layout.
struct Zone {
  std::string title;
  Band band = Band::kBody;
  Point at;
  double width = 0.0;
  double height = 0.0;
};

struct Scene {
  std::vector<Box> boxes;
  std::vector<Edge> edges;
  std::vector<Zone> zones;  // made by the builder without a place
  double width = 0.0;
  double height = 0.0;
};

// Sizes of text and boxes in pixels.
constexpr double kLine = 15.0;
constexpr double kCharacter = 6.63;  // of a fixed-width font of 11 pixels
constexpr double kStripHeight = 18.0;
constexpr double kMargin = 12.0;

// The number of characters of UTF-8 text times their width.
double text_width(const std::string& text);

Scene build_scene(const Graph& graph);
// The least width of a strip, and where the strips of a box begin and end from its left side:
// they share its width.
double strip_width(const Strip& strip);
std::vector<double> strip_ends(const Box& box);
// Where the scenes inside a box begin, in the coordinates of the box's own scene.
double inner_top(const Box& box);
// Sets the places and sizes of everything.
void lay_out(Scene& scene);
std::string to_svg(const Scene& scene, const std::string& title);

}  // namespace lamina::draw
