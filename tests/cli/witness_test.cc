// --witness: files that show a difference, by commands that really show it.
#include "base/json.h"
#include "lamina/io.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;
namespace fs = std::filesystem;

namespace {

// Runs the commands of a witness.json and gives the element that each computes.
std::vector<double> run_commands(const Sandbox& box, const Json& witness) {
  std::vector<double> values;
  const char* const folders[] = {"first", "second"};
  for (const Json& command : witness.at("commands").array()) {
    const std::string& text = command.text();
    REQUIRE(text.starts_with("lamina run "));
    const Outcome outcome = box.lamina(text.substr(std::string("lamina ").size()));
    CHECK_MESSAGE(outcome.status == 0, outcome.err);
    const std::string file = std::string("wit ness/") + folders[values.size()] + "/" +
                             witness.at("output").text() + ".npy";
    const auto element = static_cast<std::size_t>(witness.at("element").integer());
    values.push_back(load_npy(box.path(file)).to_doubles().at(element));
  }
  return values;
}

}  // namespace

TEST_CASE("check --witness: the commands show the two values") {
  const Sandbox box;
  const auto write = [&](const std::string& name, const std::string& body) {
    write_all(box.path(name),
              "lamina 1\ngraph g[T](`x 1`: bf16[T, 4], i: i64[T], weight w: f32[4, 3]"
              ") {\n" +
                  body + "  return y\n}\n");
  };
  write("a.lam", "  x = cast(`x 1`, dtype=f32)\n  z = matmul(x, w)\n  y = softmax(z, axis=1)\n");
  write("b.lam",
        "  x = cast(`x 1`, dtype=f32)\n  z = matmul(x, w)\n  u = add(z, z)\n  y = softmax(u, "
        "axis=1)\n");
  const Outcome outcome =
      box.lamina("check $/a.lam $/b.lam --witness '$/wit ness' --json $/report.json");
  CHECK_MESSAGE(outcome.status == 1, outcome.out, outcome.err);
  const Json witness = Json::parse(read_all(box.path("wit ness/witness.json")));
  CHECK(witness.at("reproduced").flag());
  CHECK(witness.at("obstacle").is_null());
  CHECK(Json::parse(read_all(box.path("report.json"))).at("witness_files") == witness);
  const auto values = run_commands(box, witness);
  REQUIRE(values.size() == 2);
  CHECK(values[0] == doctest::Approx(witness.at("first").real()));
  CHECK(values[1] == doctest::Approx(witness.at("second").real()));
  CHECK(values[0] != doctest::Approx(values[1]));
}

TEST_CASE("identity --witness writes both sides as models") {
  const Sandbox box;
  CHECK(box.lamina("identity 'abs(x)*exp(y)' 'x*exp(y)' --witness '$/wit ness'").status == 1);
  const Json witness = Json::parse(read_all(box.path("wit ness/witness.json")));
  const auto values = run_commands(box, witness);
  REQUIRE(values.size() == 2);
  CHECK(values[0] == doctest::Approx(-values[1]));
  CHECK(values[0] > 0.0);
}

TEST_CASE("--witness says when there is none, when it cannot be run, and where it does not go") {
  const Sandbox box;
  write_all(box.path("a.lam"), "lamina 1\ngraph g(x: f32[2]) {\n  y = exp(x)\n  return y\n}\n");
  const Outcome same = box.lamina("check $/a.lam $/a.lam --witness $/none");
  CHECK(same.status == 0);
  CHECK(same.out.find("no witness") != std::string::npos);
  CHECK_FALSE(fs::exists(box.path("none")));
  const auto stateful = [&](const std::string& name, const std::string& body) {
    write_all(box.path(name), "lamina 1\ngraph g(x: f32[2]) {\n  state h: f32[2] = 0.0\n  y = " +
                                  body + "\n  h <- y\n  return y\n}\n");
  };
  stateful("s.lam", "add(x, h)");
  stateful("t.lam", "sub(x, h)");
  const Outcome state = box.lamina("check $/s.lam $/t.lam --witness $/state");
  CHECK_MESSAGE(state.status == 1, state.out, state.err);
  CHECK(state.out.find("it cannot be run: 'h' is a state") != std::string::npos);
  CHECK(load_npy(box.path("state/h.npy")).shape() == Shape{2});
  CHECK(Json::parse(read_all(box.path("state/witness.json"))).at("commands").array().empty());
  write_all(box.path("file"), "");
  write_all(box.path("b.lam"), "lamina 1\ngraph g(x: f32[2]) {\n  y = neg(x)\n  return y\n}\n");
  box.refuses("check $/a.lam $/b.lam --witness $/file", 6, "cannot make the folder");
  box.refuses("check --rules $/a.lam --witness $/w", 2, "--witness is for a check of two models");
  write_all(box.path("many.txt"), "x = x\nx = y\n");
  box.refuses("identity $/many.txt --witness $/w", 2, "--witness is for one identity");
}
