// lamina check --numeric: a verdict of its own beside that on the functions.
#include <doctest/doctest.h>

#include "base/json.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;

namespace {

void write_softmaxes(const Sandbox& box) {
  const std::string head = "lamina 1\ngraph softmax(x: f32[4, 8]) {\n";
  const std::string tail = "  return e / sum(e, axes=[-1], keepdims=true)\n}\n";
  write_all(box.path("safe.lam"),
            head + "  e = exp(x - reduce_max(x, axes=[-1], keepdims=true))\n" + tail);
  write_all(box.path("plain.lam"), head + "  e = exp(x)\n" + tail);
  write_all(box.path("twice.lam"), head + "  e = exp(x) * x\n" + tail);
}

}  // namespace

TEST_CASE("check --numeric: 1 when equal programs differ numerically") {
  const Sandbox box;
  write_softmaxes(box);
  const auto worse = box.lamina("check $/safe.lam $/plain.lam --numeric f32,bf16 --json $/r.json");
  CHECK(worse.status == 1);
  CHECK(worse.out.find("equivalent: ") != std::string::npos);
  CHECK(worse.out.find("numeric f32: overflows: exp 'e'") != std::string::npos);
  const Json report = Json::parse(read_all(box.path("r.json")));
  CHECK(report.at("verdict").text() == "equivalent");
  CHECK(report.at("exit_status").integer() == 1);
  const Json& numeric = report.at("numeric");
  CHECK(numeric.at("verdict").text() == "overflows");
  CHECK(numeric.at("types").array().size() == 2);
  const Json& type = numeric.at("types").array()[1];
  CHECK(type.at("dtype").text() == "bf16");
  CHECK(type.at("witness").at("inputs").array().at(0).at("high").real() > 88.0);
  CHECK(type.at("hazards").array().at(0).at("kind").text() == "overflow");
  CHECK(box.lamina("check $/plain.lam $/safe.lam --numeric f32,bf16,f16").status == 0);
  CHECK(box.lamina("check $/safe.lam $/plain.lam --numeric f32 --range x=-20:20").status == 0);
  CHECK(box.lamina("check $/safe.lam $/plain.lam --numeric f32 --numeric-budget 1").status == 5);
}

TEST_CASE("check --numeric: different programs are not measured, bad flags are refused") {
  const Sandbox box;
  write_softmaxes(box);
  const auto different = box.lamina("check $/safe.lam $/twice.lam --numeric f32");
  CHECK(different.status == 1);
  CHECK(different.out.find("numeric: not measured") != std::string::npos);
  const std::string check = "check $/safe.lam $/plain.lam ";
  box.refuses(check + "--numeric f31", 2, "unknown dtype 'f31'");
  box.refuses(check + "--numeric f64", 2, "not in f64");
  box.refuses(check + "--range x=0:1", 2, "--range is for --numeric");
  box.refuses(check + "--numeric f32 --range x=3", 2, "expected LOW:HIGH, got '3'");
  box.refuses(check + "--numeric f32 --range x=2:1", 2, "the range of 'x' is empty");
  box.refuses(check + "--numeric f32 --range z=0:1", 3, "no value 'z'");
}
