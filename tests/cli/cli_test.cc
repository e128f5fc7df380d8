// The program as its users meet it: output, exit statuses, one-line errors, files left intact.
#include <doctest/doctest.h>

#include "base/json.h"
#include "lamina/io.h"
#include "lamina/machine.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;
namespace fs = std::filesystem;

namespace {

const char* const kModel = R"(lamina 1
graph affine(x: f32[2, 3], weight w: f32[3, 1]) {
  y = matmul(x, w)
  return y, `../../evil`=y
}
)";

void save(const std::string& path, Shape shape, std::vector<double> values) {
  save_npy(path, Tensor::from_doubles(DType::kF32, std::move(shape), values));
}

}  // namespace

TEST_CASE("help, version and devices") {
  const Sandbox box;
  const Outcome help = box.lamina("--help");
  CHECK(help.status == 0);
  CHECK(help.out.find("show") != std::string::npos);
  CHECK(box.lamina("run --help").out.find("--output-dir") != std::string::npos);
  CHECK(box.lamina("--version").out.starts_with("lamina "));
  const Outcome devices = box.lamina("devices --json $/report.json");
  CHECK(devices.status == 0);
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("command").text() == "devices");
  CHECK(report.at("exit_status").integer() == 0);
  CHECK(report.at("devices").array().at(0).at("name").text() == "ref");
}

TEST_CASE("devices: the measured description is a machine to optimise for") {
  const Sandbox box;
  const Outcome outcome = box.lamina("devices --measure -o $/machine.json --cache-dir $/c");
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("exp_per_second") != std::string::npos);
  CHECK(load_cpu_machine(box.path("machine.json")).cores > 0);
  write_all(box.path("m.lam"), kModel);
  const std::string optimize = "optimize $/m.lam --budget 5 --cache-dir $/c -o $/o --machine ";
  CHECK(box.lamina(optimize + "$/machine.json").status == 0);
  box.refuses(optimize + "share/machines/h100.json", 2, "describes a GPU, expected a processor");
  box.refuses(optimize + "$/absent.json", 3, "absent.json");
  box.refuses("devices -o $/x.json", 2, "--output needs --measure");
}

TEST_CASE("show prints what it reads") {
  const Sandbox box;
  write_all(box.path("m.lam"), kModel);
  const Outcome first = box.lamina("show $/m.lam --json $/report.json");
  REQUIRE(first.status == 0);
  write_all(box.path("again.lam"), first.out);
  CHECK(box.lamina("show $/again.lam").out == first.out);
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("inputs").array().at(1).at("role").text() == "weight");
  CHECK(report.at("outputs").array().at(0).at("shape").array().at(0).integer() == 2);
  CHECK(report.at("operators").at("matmul").integer() == 1);
  CHECK(report.at("structure_hash").text().size() == 32);
}

TEST_CASE("run takes inputs by order and by name, and keeps outputs in their folder") {
  const Sandbox box;
  write_all(box.path("m.lam"), kModel);
  save(box.path("x.npy"), {2, 3}, {1, 2, 3, 4, 5, 6});
  save(box.path("w.npy"), {3, 1}, {1, 0, -1});
  for (const char* inputs : {"$/x.npy w=$/w.npy", "w=$/w.npy x=$/x.npy"}) {
    const Outcome outcome = box.lamina("run $/m.lam --device ref --input " + std::string(inputs) +
                                       " --output-dir $/a/b --json $/report.json");
    CHECK_MESSAGE(outcome.status == 0, outcome.err);
    CHECK(load_npy(box.path("a/b/y.npy")).to_doubles() == std::vector<double>{-2, -2});
    CHECK(box.count("a/b") == 2);
    CHECK(fs::exists(box.path("a/b/_.._.._evil.npy")));
    fs::remove_all(box.path("a"));
  }
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("outputs").array().at(0).at("name").text() == "y");
  CHECK(report.at("device").text() == "ref");
}

TEST_CASE("a .lam file takes its weights from the file beside it") {
  const Sandbox box;
  write_all(box.path("m.lam"), kModel);
  save(box.path("x.npy"), {2, 3}, {1, 2, 3, 4, 5, 6});
  const std::vector<double> w = {1, 1, 1};
  save_safetensors(box.path("m.safetensors"),
                   {{"w", Tensor::from_doubles(DType::kF32, {3, 1}, w)}});
  CHECK(box.lamina("run $/m.lam --device ref --input $/x.npy --output-dir $/o").status == 0);
  CHECK(load_npy(box.path("o/y.npy")).to_doubles() == std::vector<double>{6, 15});
}

TEST_CASE("bench times random inputs and serves given ones") {
  const Sandbox box;
  write_all(box.path("m.lam"),
            "lamina 1\ngraph g[T: 1..9](x: f32[T, 4], weight w: i64[4]) {\n"
            "  y = x + x\n  z = w + w\n  return y, z\n}\n");
  box.refuses("bench $/m.lam --device ref", 2, "the size 'T' (1 to 9) has no value");
  const Outcome timed =
      box.lamina("bench $/m.lam --device ref --size T=3 --time 1ms --json $/report.json");
  CHECK_MESSAGE(timed.status == 0, timed.err);
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("median_ms").real() > 0.0);
  CHECK(report.at("bytes").real() == 2.0 * (3 * 4 * 4 + 4 * 8));
  CHECK(report.at("share_of_peak").real() > 0.0);
  CHECK(box.lamina("bench $/m.lam --device cpu --size T=3 --time 1ms --profile --cache-dir $/cache "
                   "--json $/report.json")
            .status == 0);
  const Json profiled = Json::parse(read_all(box.path("report.json")));
  const Json::Array& steps = profiled.at("steps").array();
  REQUIRE(steps.size() == 1);  // what depends on weights alone is computed at load
  CHECK(steps[0].at("op").text() == "add");
  CHECK(steps[0].at("flops").real() == 12.0);
  CHECK(steps[0].at("ms").real() >= 0.0);
  fs::create_directory(box.path("data"));
  fs::create_directory(box.path("o"));
  save(box.path("data/x.npy"), {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  box.refuses("bench $/m.lam --device ref --data $/data", 2, "no w.npy");
  save(box.path("data/w.npy"), {4}, {1, 2, 3, 4});
  write_all(box.path("lines"), "run\npeaks\nsave " + box.path("o") + "\nquit\nrun\n");
  const Outcome served = box.lamina("bench $/m.lam --device ref --data $/data --serve <$/lines");
  CHECK_MESSAGE(served.status == 0, served.err);
  CHECK(served.out.starts_with("ready\n"));
  CHECK(served.out.ends_with("\nsaved\n"));
  CHECK(load_npy(box.path("o/0.npy")).to_doubles()[7] == 16);
  CHECK(load_npy(box.path("o/1.npy")).to_integers()[3] == 8);
}

TEST_CASE("optimize writes an equal program and reports on it") {
  const Sandbox box;
  const std::string text =
      "lamina 1\ngraph g(x: f32[4, 48], weight w: f32[48, 32]) {\n"
      "  return y=silu(matmul(rms_norm(x, axes=[-1]), w))\n}\n";
  write_all(box.path("a.lam"), text);
  write_all(box.path("b.lam"), text);
  const std::string common = " --cache-dir $/cache --threads 1 --candidates 2 --rotate-bytes 0";
  box.refuses("optimize $/a.lam", 2, "--output-dir (-o) is required");
  box.refuses("optimize $/a.lam -o $/o --target abacus", 3, "no device 'abacus'");
  const Outcome one = box.lamina("optimize $/a.lam -o $/one --json $/report.json" + common);
  CHECK_MESSAGE(one.status == 0, one.err);
  CHECK(one.err == "");  // no progress line without a terminal
  const Json report = Json::parse(read_all(box.path("report.json")));
  const Json& program = report.at("programs").array().at(0);
  CHECK(program.at("name").text() == "a");
  CHECK(program.at("before_ms").real() > 0.0);
  // Noise may leave it unchanged; what is changed is proved.
  const bool changed = program.at("verdict").text() == "equivalent";
  CHECK(program.at("bits").is_null() == !changed);
  if (changed) CHECK(program.at("bits").real() > 70.0);
  CHECK(program.at("stopped").text() == "finished");
  CHECK(program.at("regions").array().size() == 1);
  CHECK_FALSE(fs::exists(box.path("one/graph.safetensors")));  // the weights were made up
  const std::string page = read_all(box.path("one/report.html"));
  for (const char* part : {"<h2>a</h2>", "lamina-svg", "proved bits", "Timing of the subprograms",
                           "The search", "The proof", "lamina optimize ", "</html>"}) {
    CHECK_MESSAGE(page.find(part) != std::string::npos, part);
  }
  CHECK(page.find("src=") == std::string::npos);  // the page needs no other file
  CHECK(page.find("@import") == std::string::npos);
  if (changed) {
    const Json& proof = program.at("regions").array().at(0).at("proof");
    CHECK(proof.at("tuples").array().size() >= 4);
    CHECK(page.find(std::to_string(proof.at("tuples").array().at(0).at("p").integer())) !=
          std::string::npos);
  }
  CHECK(box.lamina("check $/a.lam $/one/graph.lam").status == 0);

  // Found programs are remembered; several models share one report.
  const Outcome two = box.lamina("optimize $/a.lam $/b.lam -o $/two" + common);
  CHECK_MESSAGE(two.status == 0, two.err);
  CHECK(two.out.find("ratio") != std::string::npos);
  const Json both = Json::parse(read_all(box.path("two/report.json")));
  REQUIRE(both.at("programs").array().size() == 2);
  for (const Json& each : both.at("programs").array()) {
    CHECK(each.at("regions").array().at(0).at("from_cache").flag());
    const std::string folder = "two/" + each.at("name").text();
    CHECK(fs::exists(box.path(folder + "/graph.lam")));
    CHECK(fs::file_size(box.path(folder + "/code.cc")) > 100);
  }
}

TEST_CASE("convert writes ONNX that is the same model, or says why not") {
  const Sandbox box;
  write_all(box.path("m.lam"), "lamina 1\ngraph g(x: f32[4, 8]) {\n  return y=softmax(x) * 2\n}\n");
  const Outcome done = box.lamina("convert $/m.lam $/m.onnx");
  CHECK_MESSAGE(done.status == 0, done.err);
  CHECK(box.lamina("check $/m.lam $/m.onnx").status == 0);
  CHECK(box.lamina("convert $/m.onnx $/back.lam").status == 0);
  CHECK(box.lamina("check $/m.lam $/back.lam").status == 0);
  box.refuses("convert $/m.lam $/m.txt", 2, "neither .lam nor .onnx");
  write_all(box.path("s.lam"), "lamina 1\ngraph g(x: i64[4]) {\n  return random_bits(x)\n}\n");
  box.refuses("convert $/s.lam $/s.onnx", 4, "random_bits");
}

TEST_CASE("show draws a model instead of printing it") {
  const Sandbox box;
  write_all(box.path("m.lam"), "lamina 1\ngraph g(x: f32[4, 8]) {\n  return softmax(x)\n}\n");
  const Outcome shown = box.lamina("show $/m.lam --svg $/m.svg");
  CHECK_MESSAGE(shown.status == 0, shown.err);
  CHECK(shown.out == "");
  const std::string svg = read_all(box.path("m.svg"));
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.find("f32[4, 8]") != std::string::npos);
}

TEST_CASE("show has what the generated code keeps in registers") {
  const Sandbox box;
  write_all(box.path("m.lam"), R"(lamina 1
graph g(x: f32[4, 8]) {
  y = block(x, grid=[4]) {
    row = load(x, grid=[0], tile=[1, 8])
    return store(exp(neg(row)), grid=[0], shape=[4, 8])
  }
  return y
}
)");
  for (const std::string target : {"cpu", "cuda:sm_90"}) {
    const Outcome shown = box.lamina("show $/m.lam --threads " + target);
    CHECK_MESSAGE(shown.status == 0, shown.err);
    write_all(box.path("threads.lam"), shown.out);
    CHECK(shown.out.find("= thread(row, ") != std::string::npos);
    CHECK(box.lamina("check $/m.lam $/threads.lam").status == 0);
  }
  box.refuses("show $/m.lam --threads tpu", 2, "'tpu' has no thread graphs");
}

TEST_CASE("optimize for a GPU that is not here draws and reports what the model says") {
  const Sandbox box;
  write_all(box.path("a.lam"),
            "lamina 1\ngraph g(x: f32[16, 64]) {\n  return y=rms_norm(x + 1)\n}\n");
  const Outcome done =
      box.lamina("optimize $/a.lam -o $/gpu --target cuda:sm_90 --cache-dir $/cache");
  CHECK_MESSAGE(done.status == 0, done.err);
  const std::string page = read_all(box.path("gpu/report.html"));
  for (const char* part :
       {"cuda:sm_90", "by the cost model", "thread", "lamina-svg", "--target cuda:sm_90"}) {
    CHECK_MESSAGE(page.find(part) != std::string::npos, part);
  }
}

TEST_CASE("check: equivalent 0, different 1, unsupported 4, inconclusive 5, bad input 2") {
  const Sandbox box;
  const auto write = [&](const std::string& name, const std::string& body) {
    write_all(box.path(name),
              "lamina 1\ngraph g(x: f32[2, 4]) {\n  y = " + body + "\n  return y\n}\n");
  };
  write("a.lam", "exp(x)");
  write("b.lam", "reciprocal(exp(neg(x)))");
  write("c.lam", "exp(neg(x))");
  write("undefined.lam", "div(x, sub(x, x))");
  write("sorted.lam", "sort(div(x, sub(x, x)))");
  write_all(box.path("other.lam"), "lamina 1\ngraph g(x: f32[3]) {\n  return x\n}\n");
  const Outcome same = box.lamina("check $/a.lam $/b.lam --json $/report.json");
  CHECK(same.status == 0);
  CHECK(same.out.starts_with("equivalent, proved: all 8 output elements have"));
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("command").text() == "check");
  CHECK(report.at("verdict").text() == "equivalent");
  CHECK(report.at("bits").real() >= 80.0);
  CHECK(report.at("tuples").array().size() == 4);
  CHECK(box.lamina("check $/a.lam $/c.lam").status == 1);
  CHECK(box.lamina("check $/sorted.lam $/sorted.lam").status == 4);
  CHECK(box.lamina("check $/undefined.lam $/undefined.lam").status == 5);
  box.refuses("check $/a.lam $/other.lam", 2, "input 'x' is f32[2, 4] and f32[3]");
}

TEST_CASE("check: branches by cells, all of them or as many as asked for") {
  const Sandbox box;
  const auto model = [](const char* size, const char* body) {
    return std::string("lamina 1\ngraph g(x: f32[") + size + "]) {\n  y = " + body +
           "\n  return y\n}\n";
  };
  for (const char* size : {"3", "70"}) {
    write_all(box.path(std::string("inside") + size + ".lam"), model(size, "relu(mul(x, 2))"));
    write_all(box.path(std::string("outside") + size + ".lam"), model(size, "mul(relu(x), 2)"));
  }
  const Outcome all = box.lamina("check $/inside3.lam $/outside3.lam --json $/report.json");
  CHECK(all.status == 0);
  CHECK(all.out.starts_with("equivalent: "));
  Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("cells").integer() == 8);
  CHECK(report.at("all_cells").flag());
  const std::string pair = "check $/inside70.lam $/outside70.lam --json $/report.json ";
  CHECK(box.lamina(pair).status == 5);
  report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("reason").text().starts_with("equivalent on all 8 cells seen"));
  const Outcome seen = box.lamina(pair + "--cells 3");
  CHECK(seen.status == 0);
  CHECK(seen.out.starts_with("equivalent on the 3 cells seen: "));
  report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("cells").integer() == 3);
  CHECK_FALSE(report.at("all_cells").flag());
  box.refuses(pair + "--replay $/report.json", 2, "rests on cells");
}

TEST_CASE("identity: one pair, one text, and files") {
  const Sandbox box;
  const Outcome same = box.lamina(
      "identity 'exp(x + y)' 'exp(x)*exp(y)' --positive x --range y=-1:2.5 "
      "--json $/report.json");
  CHECK(same.status == 0);
  CHECK(same.out.starts_with("equivalent, proved: "));
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("command").text() == "identity");
  CHECK(report.at("identity").text() == "exp(x + y) = exp(x)*exp(y)");
  CHECK(report.at("facts").array().at(0).at("low").real() == 0.0);
  CHECK(report.at("facts").array().at(0).at("high").is_null());
  CHECK(report.at("facts").array().at(1).at("high").real() == 2.5);
  CHECK(box.lamina("identity '(x + y)^2 = x^2 + y^2 ; x > 0'").status == 1);
  CHECK(box.lamina("identity '(FPCore (x) (/ x x))' 1").status == 0);
  CHECK(box.lamina("identity -- -x 0-x").status == 0);
  CHECK(box.lamina("identity x/0 x/0").status == 5);
  CHECK(box.lamina("identity 'tgamma(x)' x").status == 4);
  write_all(box.path("list.txt"), "[sums]\nx + y = y + x\nx - y = y - x\nzeta(x) = 1\n");
  const Outcome list = box.lamina("identity $/list.txt --json $/report.json");
  CHECK(list.status == 1);
  CHECK(list.out.ends_with("\nequivalent 1, different 1, inconclusive 0, unsupported 1\n"));
  const Json all = Json::parse(read_all(box.path("report.json")));
  CHECK(all.at("different").integer() == 1);
  CHECK(all.at("identities").array().at(1).at("group").text() == "sums");
  CHECK(all.at("identities").array().at(1).at("verdict").text() == "different");
  write_all(box.path("half.fpcore"), "(FPCore (x) :alt (* x 1/2) (/ x 2))");
  CHECK(box.lamina("identity $/half.fpcore").status == 0);
  box.refuses("identity", 2, "EXPRESSION is required");
  box.refuses("identity x x x", 2, "expected two expressions");
  box.refuses("identity 'x +' x", 2, "first expression:1:4: expected a number");
  box.refuses("identity absent.txt", 2, "text:1:7: expected '='");
  box.refuses("identity '# nothing'", 2, "holds no identity");
  box.refuses("identity x x --positive y", 3, "no variable 'y'");
  box.refuses("identity x x --range x=2:1", 2, "no interval for 'x'");
  box.refuses("identity x x --range x=2", 2, "expected NAME=LOW:HIGH");
  box.refuses("identity x x --range x=2:b", 2, "'b' in 'x=2:b' is no number");
  box.refuses("identity $/list.txt --positive x", 2, "for one identity");
}

TEST_CASE("bad arguments and input: 2") {
  const Sandbox box;
  write_all(box.path("m.lam"), kModel);
  write_all(box.path("bad.lam"), "lamina 1\ngraph g(x: f32[2]) { return q }\n");
  write_all(box.path("bad.npy"), "\x93NUMPY");
  save(box.path("x.npy"), {2, 3}, {1, 2, 3, 4, 5, 6});
  save(box.path("w.npy"), {3, 1}, {1, 0, -1});
  box.refuses("", 2, "no command");
  box.refuses("frobnicate", 2, "no command 'frobnicate'");
  box.refuses("show", 2, "MODEL is required");
  box.refuses("show $/m.lam --frobnicate", 2, "--frobnicate");
  box.refuses("run $/m.lam --threads many", 2, "--threads: expected an integer, got 'many'");
  box.refuses("show $/bad.lam", 2, "bad.lam:2:29: 'q' is not defined");
  box.refuses("run $/m.lam --device ref", 2, "the input 'x' is missing");
  box.refuses("run $/m.lam --device ref --input $/x.npy", 2, "the weight 'w' has no elements");
  box.refuses("run $/m.lam --device ref --input q=$/x.npy", 2, "no input 'q'");
  box.refuses("run $/m.lam --device ref --input $/x.npy $/x.npy", 2, "more files");
  box.refuses("run $/m.lam --device ref --input x=$/x.npy x=$/x.npy", 2, "given twice");
  box.refuses("run $/m.lam --device ref --input $/bad.npy", 2, "bad.npy");
  box.refuses("run $/m.lam --device ref --input x=$/w.npy w=$/w.npy --output-dir $/o", 2, "x");
  CHECK_FALSE(fs::exists(box.path("o")));
}

TEST_CASE("not found: 3; unsupported: 4") {
  const Sandbox box;
  write_all(box.path("m.lam"), kModel);
  write_all(box.path("new.lam"), "lamina 99\n");
  write_all(box.path("op.lam"), "lamina 1\ngraph g(x: f32[2]) { return frobnicate(x) }\n");
  box.refuses("show $/absent.lam", 3, "absent.lam");
  box.refuses("run $/m.lam --device abacus", 3, "no device 'abacus'");
  box.refuses("run $/m.lam --device ref --input $/absent.npy", 3, "absent.npy");
  box.refuses("show $/new.lam", 4, "text form 99 is unknown");
  box.refuses("show $/op.lam", 4, "no operator is called 'frobnicate'");
}

TEST_CASE("failures of writing: 6, and the old file stays") {
  const Sandbox box;
  write_all(box.path("m.lam"), "lamina 1\ngraph g(x: f32[65536]) { return y=x }\n");
  save(box.path("x.npy"), {65536}, std::vector<double>(65536, 1.0));
  fs::create_directory(box.path("o"));
  write_all(box.path("o/y.npy"), "precious");
  write_all(box.path("file"), "not a folder");
  const std::string run = "run $/m.lam --device ref --input $/x.npy --output-dir $/";
  // A limit on the size of files (64 blocks) stands for a full disk.
  const Outcome full = box.lamina(run + "o", "ulimit -f 64; ");
  CHECK(full.status == 6);
  CHECK(full.err.starts_with("lamina: error: "));
  CHECK(read_all(box.path("o/y.npy")) == "precious");
  CHECK(box.count("o") == 1);
  box.refuses(run + "file", 6, "file");
  box.refuses("devices --json $/absent/report.json", 6, "report.json");
  CHECK(box.lamina("show $/m.lam >/dev/full").status == 6);
  CHECK(box.lamina(run + "o").status == 0);
  CHECK(read_all(box.path("o/y.npy")).size() > 65536 * 4);
}
