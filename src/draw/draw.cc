// From a graph to a picture: build the scene, lay it out, write it.
#include "lamina/draw.h"

#include "draw/scene.h"

namespace lamina {
namespace {

constexpr std::size_t kMostBoxes = 5000;  // nobody could read more, and layouts take long

std::size_t count_boxes(const draw::Scene& scene) {
  std::size_t count = scene.boxes.size();
  for (const draw::Box& box : scene.boxes) {
    for (const draw::Scene& inner : box.inner) count += count_boxes(inner);
  }
  return count;
}

draw::Scene only_a_note(std::size_t boxes) {
  draw::Scene scene;
  scene.boxes.emplace_back();
  scene.boxes[0].title = "too large to draw";
  scene.boxes[0].lines = {std::to_string(boxes) + " boxes"};
  return scene;
}

}  // namespace

std::string draw_svg(const Graph& graph) {
  draw::Scene scene = draw::build_scene(graph);
  const std::size_t boxes = count_boxes(scene);
  if (boxes > kMostBoxes) scene = only_a_note(boxes);
  draw::lay_out(scene);
  return draw::to_svg(scene, graph.name);
}

}  // namespace lamina
