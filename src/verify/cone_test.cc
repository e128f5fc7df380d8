// Cones compute what the whole program computes, element by element, and little more.
#include "verify/cone.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/rng.h"
#include "graph/op_def.h"
#include "graph/random_graph.h"
#include "graph/real_domain.h"
#include "verify/evaluate.h"

namespace lamina {
namespace {

constexpr double kMostPoints = 1e9;

using Arrays = std::vector<Array<double>>;

std::optional<Graph> sample_graph(const OpDef& op, const Sample& sample) {
  Graph graph;
  std::vector<Value> inputs;
  for (const Type& type : sample.inputs) {
    if (!traits(type.dtype).is_float && !traits(type.dtype).is_integer &&
        type.dtype != DType::kBool) {
      return std::nullopt;
    }
    inputs.push_back(graph.add_input("x", {type.dtype, type.shape, {}}));
  }
  const Value y = graph.add(op.name, inputs, sample.attrs);
  for (std::size_t k = 0; k < graph.node(y).types.size(); ++k) {
    graph.add_output("y" + std::to_string(k), {y.node, static_cast<std::int32_t>(k)});
  }
  return graph;
}

Arrays random_arrays(const Graph& graph, const Sample& sample, Rng& rng) {
  Arrays arrays;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Type& type = graph.nodes[static_cast<std::size_t>(graph.inputs[i].node)].types[0];
    Array<double> array{type.dtype, *constant_shape(type.shape), {}, {}, false};
    array.is_whole = !traits(type.dtype).is_float;
    std::pair<std::int64_t, std::int64_t> range{0, 1};
    if (i < sample.integer_ranges.size()) range = sample.integer_ranges[i];
    for (std::int64_t e = 0; e < array.size(); ++e) {
      if (array.is_whole) {
        array.whole.push_back(rng.integer(range.first, range.second));
      } else {
        array.real.push_back(sample.low + (sample.high - sample.low) * rng.uniform());
      }
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

Array<double> part_of(const Array<double>& all, const Box& box) {
  Array<double> part{all.dtype, box.length, {}, {}, all.is_whole};
  const std::vector<std::int64_t> strides = dense_strides(all.shape);
  Walker at(box.length, strides);
  for (std::size_t i = 0; i < strides.size(); ++i) at.offset += box.start[i] * strides[i];
  for (std::int64_t i = 0; i < element_count(box.length); ++i, at.next()) {
    const auto from = static_cast<std::size_t>(at.offset);
    all.is_whole ? part.whole.push_back(all.whole[from]) : part.real.push_back(all.real[from]);
  }
  return part;
}

Box random_box(const Shape& shape, Rng& rng) {
  Box box;
  for (const std::int64_t extent : shape) {
    box.start.push_back(rng.integer(0, extent - 1));
    box.length.push_back(rng.chance(0.5) ? 1 : rng.integer(1, extent - box.start.back()));
  }
  return box;
}

void compare_box(const Graph& graph, Value value, const Arrays& inputs, const Array<double>& all,
                 const Box& box) {
  const Cone whole = make_cone(graph, value, box, kMostPoints);
  bool any = false;
  for (const auto& part : whole.read) any = any || part;
  const Cone cone = any ? make_cone(graph, value, box, kMostPoints, whole.read) : whole;
  validate(cone.graph);
  Arrays given;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (whole.read[i]) given.push_back(part_of(inputs[i], *whole.read[i]));
    if (!any) given.push_back(inputs[i]);
  }
  RealDomain domain;
  const Array<double> got = evaluate(cone.graph, domain, given, {}).at(0);
  const Array<double> want = part_of(all, box);
  REQUIRE(got.shape == want.shape);
  for (std::int64_t i = 0; i < want.size(); ++i) {
    const double x = real_at(domain, got, i);
    const double y = real_at(domain, want, i);
    CHECK((x == y || (std::isnan(x) && std::isnan(y)) ||
           std::fabs(x - y) <= 1e-11 * (1.0 + std::fabs(y))));
  }
}

void compare_boxes(const Graph& graph, const Sample& sample, int boxes, Rng& rng) {
  const Arrays inputs = random_arrays(graph, sample, rng);
  RealDomain domain;
  const Arrays outputs = evaluate(graph, domain, inputs, {});
  for (std::size_t k = 0; k < graph.outputs.size(); ++k) {
    if (outputs[k].size() == 0) continue;
    for (int i = 0; i < boxes; ++i) {
      compare_box(graph, graph.outputs[k].value, inputs, outputs[k],
                  random_box(outputs[k].shape, rng));
    }
  }
}

// y = x w, in blocks of tiles that do not divide the sizes.
const char* const kProduct =
    "lamina 1\n"
    "graph g(x: f32[5, 100], w: f32[100, 70]) {\n"
    "  y: f32[5, 70] = block(x, w, grid=[3, 5], loop=[4]) {\n"
    "    state s: f32[2, 16] = 0.0\n"
    "    a: f32[2, 32] = load(x, grid=[0, -1], loop=1, tile=[2, 32])\n"
    "    b: f32[32, 16] = load(w, grid=[-1, 1], loop=0, tile=[32, 16])\n"
    "    c: f32[2, 16] = matmul(a, b)\n"
    "    d: f32[2, 16] = add(s, c)\n"
    "    e: f32[2, 16] = after(s)\n"
    "    r: f32[5, 70] = store(e, grid=[0, 1], shape=[5, 70])\n"
    "    s <- d\n"
    "    return y0=r\n"
    "  }\n"
    "  z = softmax(y, axis=-1)\n"
    "  return z\n"
    "}\n";

// Every iteration stores its own columns; an axis is cut by the grid and by the loop.
const char* const kParts =
    "lamina 1\n"
    "graph g(x: f32[5, 10], w: f32[10, 70]) {\n"
    "  y: f32[5, 70] = block(x, w, grid=[3, 2], loop=[3]) {\n"
    "    a: f32[2, 10] = load(x, grid=[0, -1], tile=[2, 10])\n"
    "    b: f32[10, 13] = load(w, grid=[-1, 1], loop=1, tile=[10, 13])\n"
    "    c: f32[2, 13] = matmul(a, b)\n"
    "    r: f32[5, 70] = store(c, grid=[0, 1], loop=1, shape=[5, 70])\n"
    "    return y0=r\n"
    "  }\n"
    "  z: f32[5, 70] = block(y, grid=[], loop=[6]) {\n"
    "    a: f32[5, 13] = load(y, grid=[], loop=1, tile=[5, 13])\n"
    "    c: f32[5, 13] = exp(a)\n"
    "    r: f32[5, 70] = store(c, grid=[], loop=1, shape=[5, 70])\n"
    "    return y0=r\n"
    "  }\n"
    "  return z\n"
    "}\n";

}  // namespace

TEST_CASE("cones of every operator's samples") {
  Rng rng(7);
  for (const OpDef& op : all_ops()) {
    if (op.samples == nullptr) continue;
    for (const Sample& sample : op.samples()) {
      CAPTURE(op.name);
      const auto graph = sample_graph(op, sample);
      if (graph && graph->nodes.back().op->scalar.real == nullptr &&
          graph->nodes.back().op->scalar.whole != nullptr) {
        continue;  // on integers only
      }
      if (graph) compare_boxes(*graph, sample, 6, rng);
    }
  }
}

TEST_CASE("cones of random programs") {
  Rng rng(8);
  for (int i = 0; i < 12; ++i) {
    const Graph graph = random_graph(rng, {.steps = 4, .max_rows = 7, .max_width = 40});
    CAPTURE(print_graph(graph));
    compare_boxes(graph, {.low = -1.0, .high = 1.0}, 3, rng);
  }
}

TEST_CASE("cones through blocks, to the last tile of every axis") {
  Rng rng(9);
  const Graph graph = parse_graph(kProduct);
  compare_boxes(graph, {}, 30, rng);
  compare_boxes(parse_graph(kParts), {}, 40, rng);
}

TEST_CASE("a cone reads what its element needs and no more") {
  const Graph graph = parse_graph(kProduct);
  const Value y = graph.find("y");
  const Cone cone = make_cone(graph, y, {{4, 69}, {1, 1}}, kMostPoints);
  CHECK(cone.read[0] == Box{{4, 0}, {1, 100}});
  CHECK(cone.read[1] == Box{{0, 69}, {100, 1}});
  CHECK(cone.points < 200.0);
  CHECK_THROWS_AS(make_cone(graph, y, {{4, 69}, {1, 1}}, 50.0), Error);
}

}  // namespace lamina
