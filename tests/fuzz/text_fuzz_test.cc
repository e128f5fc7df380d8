// The parsers of texts: graphs, dims, JSON. Wrong input is refused, right input round trips.
#include <doctest/doctest.h>

#include "base/json.h"
#include "lamina/error.h"
#include "lamina/graph.h"
#include "lamina/identity.h"
#include "mutate.h"

using namespace lamina;

namespace {

const char* const kBlock = R"(lamina 1
graph fused[T: 1..9](x: f32[3*T, 5], donated y: f32[5, 7] strides [1, 5]) {
  state count: i64[] = 3
  count <- count + 1
  z = block(x, y as other, grid=[2], loop=[ceil(T / 2)]) {
    state acc: f32[3*T, 4] = -inf
    xt = load(x, grid=[-1], loop=1, tile=[3*T, 2])
    yt: f32[2, 4] = load(other, grid=[1], loop=0, tile=[2, 4])
    acc <- acc + xt @ yt * 1e-3
    return store(after(acc), grid=[1], shape=[3*T, 7])
  }
  a, b = split(z, axis=1, sizes=[3, 4])
  `odd/name` = select(less(a, 0), a, 0)
  return a, loss=-(b - 2) / 4, `odd/name`
}
)";

fuzz::Corpus graphs() {
  fuzz::Corpus corpus;
  corpus.files = fuzz::read_folder("examples/programs", ".lam");
  corpus.files.push_back(kBlock);
  corpus.words = {
      "graph",  "state ",  "weight ", "return ",  "as ",     "strides ", "block(",
      "{",      "}",       "(",       ")",        "[",       "]",        "<-",
      "..",     "=",       ",",       "`",        "\"",      "\\x",      "#",
      "-",      "*",       "@",       "1e999",    "inf",     "nan",      "9223372036854775807",
      "bf16",   "cb4",     "i64",     "floor(",   "ceil(",   "T",        "0",
      "true",   "split(",  "matmul(", "reshape(", "shape=",  "axes=",    "then {",
      "else {", "thread(", "grid=",   "lamina 2", "float32", "sizes="};
  return corpus;
}

}  // namespace

TEST_CASE("fuzz: the text form of graphs") {
  for (const std::string& file : graphs().files) validate(parse_graph(file));
  int accepted = 0;
  fuzz::run(graphs(), 1, 20000, [&](const std::string& file) {
    const Graph graph = parse_graph(file);
    validate(graph);
    const std::string text = print_graph(graph);
    const Graph again = parse_graph(text);
    CHECK(print_graph(again) == text);
    CHECK(structure_hash(again) == structure_hash(graph));
    ++accepted;
  });
  // The mutations must not be so wild that nothing behind the parser is reached.
  CHECK(accepted > 500);
}

TEST_CASE("fuzz: dims") {
  const fuzz::Corpus corpus{
      {"2*T + ceil(S / 16)", "floor((T - 1) / 2)*S - 3", "ceil(ceil(T / 4) / (S + 1))", "-7"},
      {"*", "T", "(", ")", "floor(", "ceil(", "/", "+", "-", "9223372036854775807", "0", "S*S"}};
  fuzz::run(corpus, 2, 20000, [](const std::string& file) {
    const Dim dim = Dim::parse(file);
    CHECK(Dim::parse(dim.to_string()) == dim);
    dim.evaluate({{"T", 1000}, {"S", 7}});
  });
}

TEST_CASE("fuzz: JSON") {
  const fuzz::Corpus corpus{{R"({"a": [1, 2.5, true, null, "x\n"], "b": {"c": -1e3}})"},
                            {"{", "}", "[", "]", "\"", ":", ",", "1e999", "\\u", "null", "-"}};
  fuzz::run(corpus, 3, 10000, [](const std::string& file) {
    const Json json = Json::parse(file);
    Json::parse(json.dump());
  });
}

TEST_CASE("fuzz: expressions, FPCores and files of identities") {
  fuzz::Corpus corpus;
  corpus.files = fuzz::read_folder("tests/identities", ".txt");
  corpus.files = {
      corpus.files[0].substr(0, 3000), corpus.files[1].substr(0, 3000),
      "sqrt(x^2)/x = 1.5e-3*x**2 ; 0 < x <= pi/2, -1 < y\n",
      "[group]\nclamp(x, low=-1, high=.5) = select(x < y < 3, x, hypot(x, -y))\n",
      "(FPCore f (x y) :name \"f\" :pre (and (< 0 x 1) (<= y 2.5e3)) :alt (* x 1/3)\n"
      " (let* ([a (+ x y 1)] [b (if (== a PI) x (fabs y))]) (- (! :p q (pow a b)) (- y))))"};
  corpus.words = {
      "(", ")",    "[",      "]",     "=",       ";",       ",",   "^",  "^-",
      "<", "<=",   "== ",    "1e400", "1e-99",   "0",       ".",   "/0", "exp(",
      "-", "max(", "FPCore", ":alt",  "(let ((", "select(", "1/2", "\"", "99999999999999999999"};
  int accepted = 0;
  fuzz::run(corpus, 4, 20000, [&](const std::string& file) {
    for (const Identity& identity : parse_identities(file, "file")) {
      if (!identity.unsupported.empty()) continue;
      CHECK(identity.left.inputs == identity.right.inputs);
      validate(to_graph(identity.left));
      validate(to_graph(identity.right));
      ++accepted;
    }
  });
  CHECK(accepted > 500);
}
