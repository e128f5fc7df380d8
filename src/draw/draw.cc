// From a graph to a picture: build the scene, lay it out, write it.
#include "lamina/draw.h"

#include "draw/scene.h"

namespace lamina {

std::string draw_svg(const Graph& graph) {
  draw::Scene scene = draw::build_scene(graph);
  draw::lay_out(scene);
  return draw::to_svg(scene, graph.name);
}

}  // namespace lamina
