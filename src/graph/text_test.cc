// The text form and the hashes: round trips, what is pleasant to type, and refusals.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "graph/op_def.h"
#include "lamina/error.h"

using namespace lamina;

namespace {

const char* const kProgram = R"(lamina 1

# A comment.
graph rms_norm_linear[T: 1..128, S](x: f32[2*T, 4096], weight w: f32[4096, 6144]) {
  n = rms_norm(x, axes=[-1], epsilon=1e-5)
  y: f32[2*T, 6144] = matmul(n, w)
  return y
}
)";

const char* const kBlock = R"(lamina 1
graph fused(x: f32[3, 5], y: f32[5, 7]) {
  z = block(x, y as other, grid=[2], loop=3) {
    state acc: f32[3, 4] = 0.5
    xt = load(x, grid=[-1], loop=1, tile=[3, 2])
    yt = load(other, grid=[1], loop=0, tile=[2, 4])
    acc <- acc + xt @ yt
    return store(after(acc), grid=[1], shape=[3, 7])
  }
  return z
}
)";

Graph parse(const std::string& body, const std::string& inputs = "x: f32[4, 8], y: f32[4, 8]") {
  return parse_graph("lamina 1\ngraph g(" + inputs + ") {\n" + body + "\n}\n");
}

std::string error_of(const std::string& text) {
  try {
    parse_graph(text, "file");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// Checks that the text of `graph` means the same graph, and returns it.
std::string round_trip(const Graph& graph) {
  const std::string text = print_graph(graph);
  const Graph again = parse_graph(text);
  validate(again);
  CHECK(structure_hash(again) == structure_hash(graph));
  CHECK(print_graph(again) == text);
  return text;
}

}  // namespace

TEST_CASE("a program reads as it is written") {
  const Graph g = parse_graph(kProgram);
  CHECK(g.name == "rms_norm_linear");
  CHECK(g.sizes == std::vector<SizeRange>{{"T", 1, 128}, {"S", 1, 1 << 20}});
  REQUIRE(g.inputs.size() == 2);
  CHECK(g.inputs[0].role == Role::kInput);
  CHECK(g.inputs[1].role == Role::kWeight);
  CHECK(g.node(g.find("n")).attrs.real("epsilon") == 1e-5);
  CHECK(to_string(g.type(g.find("y"))) == "f32[2*T, 6144]");
  const std::string text = round_trip(g);
  CHECK(text.find("  n: f32[2*T, 4096] = rms_norm(x, epsilon=1e-05)\n") != std::string::npos);
}

TEST_CASE("expressions, literals and second names") {
  const Graph g = parse("a = x * 2 + silu(y) / 4.0\nb = a\nreturn sum=b, x, exp(a)");
  REQUIRE(g.outputs.size() == 3);
  CHECK(g.outputs[0].name == "sum");
  CHECK(g.outputs[0].value == g.find("a"));
  CHECK(g.outputs[1].name == "x");
  CHECK(op_name(g.node(g.find("a"))) == "add");
  CHECK(g.node(g.find("constant")).attrs.real("value") == 2.0);
  round_trip(g);
  const Graph h = parse("y = x * 0.5\nreturn y", "x: bf16[8]");
  CHECK(h.type(h.find("y")).dtype == DType::kBF16);
  const Graph i = parse("y = x * -3\nz = x * 0.5\nreturn y, z", "x: i32[8]");
  CHECK(i.type(i.find("y")).dtype == DType::kI32);
  CHECK(i.type(i.find("z")).dtype == DType::kF32);
}

TEST_CASE("states, roles, strides and hostile names round trip") {
  Graph g;
  g.name = "odd name";
  g.sizes = {{"T", 2, 64}};
  const Value x = g.add_input("a/b:0 `\n\\", {DType::kF32, {Dim::parse("ceil(T / 2) - 1"), 4}, {}},
                              Role::kDonated);
  const Value w = g.add_input("return", {DType::kBF16, {4, 8}, {1, 4}}, Role::kWeight);
  const Value s = g.add_state("state", {DType::kF32, {4}, {}}, -1e300);
  const Value y = g.add("add", {x, s}, {}, "weight");
  g.add_output("y", g.add("matmul", {y, w}, {}, "inf"));
  g.add_output("inf", x);
  g.add_update(s, g.add("add", {s, s}));
  round_trip(g);
}

TEST_CASE("block graphs round trip") {
  const Graph g = parse_graph(kBlock);
  const Graph& inner = g.node(g.find("z")).graphs.at(0);
  CHECK(inner.level == Level::kBlock);
  CHECK(inner.updates.size() == 1);
  CHECK(inner.inputs.size() == 3);
  CHECK(inner.nodes[1].name == "other");
  const std::string text = round_trip(g);
  CHECK(text.find("block(x, y as other, grid=[2], loop=[3]) {\n    state acc") !=
        std::string::npos);
  // Inputs with roles need the header.
  Graph roles = g;
  roles.nodes[2].graphs[0].inputs[0].role = Role::kDonated;
  CHECK(round_trip(roles).find("{ (donated x: f32[3, 5], other: f32[5, 7])") != std::string::npos);
}

TEST_CASE("stores of every iteration round trip, and not of what follows the loop") {
  const auto text = [](const char* stored) {
    return fmt::format(R"(lamina 1
graph g(x: f32[4, 6]) {{
  y = block(x, grid=[2], loop=[3]) {{
    state s: f32[2, 2] = 0.0
    t = load(x, grid=[0], loop=1, tile=[2, 2])
    s <- s + t
    return store({}, grid=[0], loop=1, shape=[4, 6])
  }}
  return y
}}
)",
                       stored);
  };
  const Graph graph = parse_graph(text("t"));
  CHECK(graph.node(graph.outputs[0].value).graphs[0].nodes.back().attrs.integer("loop") == 1);
  CHECK(round_trip(graph).find("loop=1, shape=[4, 6]") != std::string::npos);
  CHECK_THROWS_WITH_AS(parse_graph(text("after(s)")), doctest::Contains("follows the loop"), Error);
}

TEST_CASE("the greatest and the least integers round trip") {
  for (const std::string text : {"9223372036854775807", "-9223372036854775808",
                                 "T + -9223372036854775808", "-9223372036854775808*T - 1"}) {
    CHECK(Dim::parse(text).to_string() == text);
  }
  CHECK_THROWS_AS(Dim::parse("9223372036854775808"), Error);
  const Graph g =
      parse("return load(x, grid=[9223372036854775807], loop=-9223372036854775808, tile=[1, 1])");
  round_trip(g);
}

TEST_CASE("branches and loops round trip") {
  const Graph g = parse_graph(R"(lamina 1
graph g(c: bool[], x: f32[4], y: f32[4]) {
  a = if(c, x, -y as y) then { return exp(x) } else { return x * y }
  n = constant(value=5, dtype=i64)
  b = loop(n, c, a, x, carried=1) {
    (i: i64[], a: f32[4], step: f32[4])
    return go=less(i, 3), a=a + step
  }
  return b
})");
  CHECK(g.node(g.find("a")).graphs.size() == 2);
  const std::string text = round_trip(g);
  CHECK(text.find("= if(c, x, neg as y) then {\n") != std::string::npos);
  CHECK(text.find("} else {\n") != std::string::npos);
  CHECK(text.find("carried=1) { (i: i64[], a: f32[4], step: f32[4])\n") != std::string::npos);
}

TEST_CASE("messages carry the position") {
  const std::string head = "lamina 1\ngraph g(x: f32[4, 8], w: f32[9, 2]) {\n";
  CHECK(error_of(head + "  y = matmul(x, w)\n}") ==
        "file:3:7: matmul: inner sizes 8 and 9 differ ([4, 8] and [9, 2])");
  CHECK(error_of(head + "  y = add(x, q)\n}") == "file:3:14: 'q' is not defined");
  CHECK(error_of(head + "  x = add(x, x)\n}") == "file:3:3: 'x' is defined twice");
  CHECK(error_of(head + "  y: f32[4, 7] = silu(x)\n}") ==
        "file:3:3: 'y' is declared as f32[4, 7], but it is f32[4, 8]");
  CHECK(error_of(head + "  y = frobnicate(x)\n}") ==
        "file:3:7: no operator is called 'frobnicate'");
  CHECK(error_of(head + "  x <- x\n}") == "file:3:3: 'x' is not a state");
  CHECK(error_of(head + "  a, b = silu(x)\n}") == "file:3:3: 2 names for 1 outputs");
  CHECK(error_of(head + "  y = silu(x)\n") ==
        "file:4:1: expected a statement, 'return' or '}', got the end of the text");
  CHECK(error_of(head + "  y = \"silu\n}") == "file:3:7: the quote is not closed in its line");
  CHECK(error_of("lamina 1\ngraph g(x: f32[T]) {}") == "file:2:9: size 'T' is not declared");
  CHECK(error_of("lamina 2\ngraph g() {}") ==
        "file:1:8: text form 2 is unknown; this program reads 1");
  CHECK(error_of("hello") == "file:1:1: expected 'lamina 1' at the start, got hello");
}

TEST_CASE("hostile texts are refused quickly") {
  const std::string deep(100000, '(');
  CHECK(error_of("lamina 1 graph g(x: f32[4]) { y = " + deep + "x }").find("nested too deeply") !=
        std::string::npos);
  CHECK(error_of("lamina 1 graph g[T](x: f32[" + deep + "T]) { }") != "");
  CHECK(error_of("lamina 1 graph g[T](x: f32[" + deep.substr(0, 200) + "T" + std::string(200, ')') +
                 "]) { }")
            .find("nested too deeply") != std::string::npos);
  std::string regions = "lamina 1 graph g(x: f32[4]) { ";
  for (int i = 0; i < 1000; ++i) regions += "y = block(x, grid=[1]) { ";
  CHECK(error_of(regions).find("nested too deeply") != std::string::npos);
  CHECK(error_of("lamina 1 graph g(x: f32[99999999999999999999]) { }") != "");
  // The product of sums has a million terms when it is written out.
  std::string product = "(a+b+c+d+e+f)";
  for (int i = 0; i < 20; ++i) product += "*(a+b+c+d+e+f)";
  CHECK(error_of("lamina 1 graph g[a,b,c,d,e,f](x: f32[" + product + "]) { }") != "");
  // A long sum is no recursion.
  std::string sum = "x";
  for (int i = 0; i < 5000; ++i) sum += "+x";
  CHECK(error_of("lamina 1 graph g(x: f32[4]) { y = " + sum + " return y }") == "");
}

TEST_CASE("hashes see structure and not names") {
  const Graph g = parse("a = silu(x)\nreturn add(a, y)");
  const GraphHash hash = structure_hash(g);
  CHECK(hash.size() == 32);
  CHECK(structure_hash(
            parse("b = silu(p)\nreturn other=add(b, q)", "p: f32[4, 8], q: f32[4, 8]")) == hash);
  CHECK(structure_hash(parse("a = silu(x)\nreturn add(y, a)")) != hash);
  CHECK(structure_hash(parse("a = exp(x)\nreturn add(a, y)")) != hash);
  CHECK(structure_hash(parse("a = silu(x)\nreturn a, add(a, y)")) != hash);
  for (const char* inputs :
       {"x: f32[4, 8], donated y: f32[4, 8]", "x: f32[4, 8], weight y: f32[4, 8]",
        "x: f32[4, 8], y: f64[4, 8]", "x: f32[4, 8], y: f32[1, 8]",
        "x: f32[4, 8], y: f32[4, 8] strides [1, 4]", "y: f32[4, 8], x: f32[4, 8]"}) {
    CAPTURE(inputs);
    CHECK(structure_hash(parse("a = silu(x)\nreturn add(a, y)", inputs)) != hash);
  }
  CHECK(structure_hash(parse("return sum(x, axes=[0])")) !=
        structure_hash(parse("return sum(x, axes=[1])")));
  Graph block = parse_graph(kBlock);
  const GraphHash before = structure_hash(block);
  block.nodes[2].graphs[0].inputs[2].initial = 0.25;
  CHECK(structure_hash(block) != before);
  block.nodes[2].graphs[0].inputs[2].initial = 0.5;
  CHECK(structure_hash(block) == before);
  block.nodes[2].graphs[0].updates.clear();
  CHECK(structure_hash(block) != before);
}

TEST_CASE("hashes of named sizes see ranges and not the names") {
  const auto with = [](const std::string& sizes, const std::string& shape) {
    return structure_hash(
        parse_graph("lamina 1 graph g[" + sizes + "](x: f32[" + shape + "]) { return exp(x) }"));
  };
  CHECK(with("T: 1..9", "2*T") == with("Z: 1..9", "2*Z"));
  CHECK(with("T: 1..9", "2*T") != with("T: 1..8", "2*T"));
  CHECK(with("T: 1..9", "2*T") != with("T: 1..9", "3*T"));
  CHECK(with("A: 1..9, B: 1..9", "A*B + A") == with("B: 1..9, A: 1..9", "A*B + B"));
}

TEST_CASE("content_hash sees the elements of weights, structure_hash does not") {
  const auto with = [](double element) {
    Graph g;
    const std::vector<double> values = {1.0, element};
    const Value w = g.add_weight("w", Tensor::from_doubles(DType::kF32, {2}, values));
    g.add_output("y", g.add("exp", {w}));
    return g;
  };
  CHECK(structure_hash(with(2.0)) == structure_hash(with(3.0)));
  CHECK(content_hash(with(2.0)) != content_hash(with(3.0)));
  CHECK(content_hash(with(2.0)) == content_hash(with(2.0)));
}

TEST_CASE("bind_sizes fixes sizes everywhere") {
  const Graph g = bind_sizes(parse_graph(kProgram), {{"T", 4}});
  CHECK(to_string(g.type(g.find("y"))) == "f32[8, 6144]");
  CHECK(g.sizes.size() == 1);
  validate(g);
  const Graph inner = parse_graph(R"(lamina 1
graph g[T: 1..9](x: f32[2*T]) {
  return block(x, grid=[T]) { return store(load(x, grid=[0], tile=[2]), grid=[0], shape=[2*T]) }
})");
  const Graph bound = bind_sizes(inner, {{"T", 3}});
  validate(bound);
  CHECK(bound.nodes[1].attrs.dims("grid") == Dims{3});
  CHECK(to_string(bound.nodes[1].types[0]) == "f32[6]");
  CHECK_THROWS_WITH_AS(bind_sizes(inner, {{"T", 10}}), "size T = 10 is not in 1..9", Error);
  CHECK_THROWS_AS(bind_sizes(inner, {{"Q", 1}}), Error);
}
