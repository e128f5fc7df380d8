// lamina check A B --replay: reports that are true, false, and no reports.
#include "base/json.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;

TEST_CASE("check --replay: agreeing 0, a discrepancy 1, no report 2, no file 3") {
  const Sandbox box;
  const auto write = [&](const std::string& name, const std::string& body) {
    write_all(box.path(name),
              "lamina 1\ngraph g(x: f32[2, 4]) {\n  y = " + body + "\n  return y\n}\n");
  };
  write("a.lam", "exp(max(x, 0))");
  write("b.lam", "reciprocal(exp(neg(max(x, 0))))");
  write("c.lam", "neg(x)");
  CHECK(box.lamina("check $/a.lam $/b.lam --json $/report.json").status == 0);
  const Outcome agrees =
      box.lamina("check $/a.lam $/b.lam --replay $/report.json --json $/replay.json");
  CHECK(agrees.status == 0);
  CHECK(agrees.out == "replayed 1 pass: all values agree with the report\n");
  const Json replayed = Json::parse(read_all(box.path("replay.json")));
  CHECK(replayed.at("command").text() == "check");
  CHECK(replayed.at("replayed").integer() == 1);
  CHECK(replayed.at("discrepancy").is_null());
  const Outcome other = box.lamina("check $/a.lam $/c.lam --replay $/report.json");
  CHECK(other.status == 1);
  CHECK(other.out == "discrepancy: pass 1: the second model gives other values (digest_b)\n");
  write_all(box.path("broken.json"), "{\"version\": 2}");
  box.refuses("check $/a.lam $/b.lam --replay $/broken.json", 2, "the key 'verdict' is missing");
  box.refuses("check $/a.lam $/b.lam --replay $/absent.json", 3, "absent.json");
  box.refuses("check $/a.lam $/b.lam --replay $/report.json --numeric f32", 2, "--replay is for");
}
