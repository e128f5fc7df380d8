// Size classes as users meet them: optimize writes a folder, and the other commands pick the
// program of the sizes that they are given.
#include <doctest/doctest.h>

#include "base/json.h"
#include "lamina/io.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;
namespace fs = std::filesystem;

namespace {

Graph scaled(const std::string& size, const std::string& extent, int factor) {
  return parse_graph("lamina 1\ngraph g" + size + "(x: f32[" + extent + ", 2]) {\n  return y=x * " +
                     std::to_string(factor) + "\n}\n");
}

// Programs that differ, so that outputs tell which one ran: 1 for all sizes, 10 for T 1, 20 for
// T 2..8.
void save_factors(const std::string& folder) {
  const ClassProgram classes[] = {{{{"T", 1, 1}}, scaled("", "1", 10)},
                                  {{{"T", 2, 8}}, scaled("[T: 2..8]", "T", 20)}};
  save_programs(folder, scaled("[T: 1..40]", "T", 1), classes);
}

// What becomes of ones.
double factor_at(const Sandbox& box, std::int64_t tokens, const std::string& flags = "") {
  const std::vector<double> ones(static_cast<std::size_t>(2 * tokens), 1.0);
  save_npy(box.path("x.npy"), Tensor::from_doubles(DType::kF32, {tokens, 2}, ones));
  const Outcome ran =
      box.lamina("run $/f --input $/x.npy -o $/ran --device ref --cache-dir $/c " + flags);
  REQUIRE_MESSAGE(ran.status == 0, ran.err);
  const Tensor y = load_npy(box.path("ran/y.npy"));
  CHECK(y.shape() == Shape{tokens, 2});
  return y.to_doubles().back();
}

}  // namespace

TEST_CASE("size classes: run picks the program of the sizes of its inputs") {
  const Sandbox box;
  save_factors(box.path("f"));
  CHECK(factor_at(box, 1) == 10);
  CHECK(factor_at(box, 2) == 20);
  CHECK(factor_at(box, 8) == 20);
  CHECK(factor_at(box, 9) == 1);
  CHECK(factor_at(box, 40) == 1);
  CHECK(factor_at(box, 1, "--size T=1") == 10);
  CHECK(factor_at(box, 8, "--size T=8") == 20);
  CHECK(factor_at(box, 9, "--size T=9") == 1);
  save_npy(box.path("x.npy"), Tensor(DType::kF32, {41, 2}));
  box.refuses("run $/f --input $/x.npy -o $/ran", 2, "outside 1..40");
  box.refuses("run $/f --input $/x.npy -o $/ran --size T=41", 2, "not in 1..40");
}

TEST_CASE("size classes: show, check and bench pick, too") {
  const Sandbox box;
  save_factors(box.path("f"));
  write_all(box.path("m.lam"), print_graph(scaled("[T: 1..40]", "T", 1)));
  CHECK(box.lamina("show $/f").out.find("T: 1..40") != std::string::npos);
  CHECK(box.lamina("show $/f --size T=5").out.find("f32[5, 2]") != std::string::npos);
  CHECK(box.lamina("check $/m.lam $/f --size T=9").status == 0);
  CHECK(box.lamina("check $/m.lam $/f --size T=8").status == 1);
  const Outcome all = box.lamina("check $/m.lam $/f --json $/r.json");
  CHECK(all.status == 1);
  CHECK(all.out.find("T 1..40: equivalent") != std::string::npos);
  CHECK(all.out.find("T 1: different") != std::string::npos);
  CHECK(all.out.find("T 2..8: different") != std::string::npos);
  CHECK(Json::parse(read_all(box.path("r.json"))).at("programs").array().size() == 3);
  box.refuses("check $/m.lam $/f --numeric f32", 2, "give --size");

  const std::string bench = "bench $/f --time 1ms --cache-dir $/c --json $/b.json --size T=";
  CHECK(box.lamina(bench + "8").status == 0);
  CHECK(Json::parse(read_all(box.path("b.json"))).at("sizes").at("T").integer() == 8);
  CHECK(box.lamina(bench + "1").status == 0);
  box.refuses("bench $/f --time 1ms", 2, "give --size T=N");
}

TEST_CASE("size classes: a folder that is not whole is refused") {
  const Sandbox box;
  save_factors(box.path("f"));
  const std::string list = read_all(box.path("f/classes.json"));
  write_all(box.path("f/classes.json"), list.substr(0, list.size() / 2));
  box.refuses("show $/f --size T=5", 2, "classes.json");
  fs::remove(box.path("f/classes.json"));
  box.refuses("show $/f --size T=5", 3, "classes.json' is missing");
  CHECK(box.lamina("show $/f/graph.lam").status == 0);  // one program by its name
}

TEST_CASE("size classes: optimize writes what the other commands read") {
  const Sandbox box;
  write_all(box.path("m.lam"),
            "lamina 1\ngraph g[T: 1..9](x: f32[T, 32], weight w: f32[32, 24]) {\n"
            "  return y=softmax(matmul(x, w))\n}\n");
  const std::string common =
      " --cache-dir $/c --threads 1 --candidates 1 --rotate-bytes 0 --json $/r.json";
  const Outcome done = box.lamina("optimize $/m.lam -o $/o --size-classes" + common);
  REQUIRE_MESSAGE(done.status == 0, done.err);
  CHECK(done.out.find("all sizes ms") != std::string::npos);
  const Json program = Json::parse(read_all(box.path("r.json"))).at("programs").array().at(0);
  std::size_t kept = 0;  // which of them are faster is for the clock to say
  std::size_t classes = 0;
  for (const Json& each : program.at("classes").array()) {
    kept += each.at("refusal").is_null() ? 1 : 0;
    ++classes;
    CHECK(each.at("general_ms").real() > 0.0);
    CHECK(each.at("own_ms").real() > 0.0);
  }
  CHECK(classes >= 2);  // neighbours may have become one
  CHECK(classes <= 3);
  CHECK(ProgramFolder(box.path("o")).classes() == kept);
  const std::string page = read_all(box.path("o/report.html"));
  CHECK(page.find("Classes of sizes") != std::string::npos);
  CHECK(page.find("--size-classes") != std::string::npos);
  const Outcome checked = box.lamina("check $/m.lam $/o");
  CHECK_MESSAGE(checked.status == 0, checked.out);
  for (const char* size : {"1", "2", "8", "9"}) {
    CHECK(box.lamina(std::string("check $/m.lam $/o --size T=") + size).status == 0);
  }
  // Without classes the folder is as before.
  CHECK(box.lamina("optimize $/m.lam -o $/o" + common).status == 0);
  CHECK(ProgramFolder(box.path("o")).classes() == 0);
  CHECK(box.lamina("check $/m.lam $/o").status == 0);
}
