// lamina check PROGRAMS.json MODEL: stored programs of Mirage, right and wrong.
#include <doctest/doctest.h>

#include "base/json.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;

namespace {

const std::string kFolder = "tests/data/mirage/";

std::string check(const std::string& programs, const std::string& reference) {
  return "check " + kFolder + programs + ".json " + kFolder + reference + ".lam";
}

// The file with one text replaced by another.
void write_changed(const Sandbox& box, const std::string& programs, const std::string& from,
                   const std::string& to) {
  std::string text = read_all(kFolder + programs + ".json");
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  write_all(box.path("changed.json"), text.replace(at, from.size(), to));
}

}  // namespace

TEST_CASE("programs: one is checked like a model") {
  const Sandbox box;
  const test::Outcome outcome =
      box.lamina(check("rms_norm_linear", "rms_norm_linear") + " --json $/report.json");
  CHECK_MESSAGE(outcome.status == 0, outcome.err);
  CHECK(outcome.out.starts_with("equivalent"));
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("verdict").text() == "equivalent");
}

TEST_CASE("programs: of several each has a line, and a tally ends them") {
  const Sandbox box;
  const test::Outcome norm =
      box.lamina(check("rms_norm_linear_wrong", "rms_norm_linear") + " --json $/report.json");
  CHECK(norm.status == 1);
  CHECK(norm.out.starts_with("program 0: equivalent ("));
  CHECK(norm.out.find("\nprogram 4: equivalent (") != std::string::npos);
  CHECK(norm.out.find("\nprogram 5: unsupported (operator 2 (kn_customized_op): block operator 2 "
                      "(tb_accum_median_op): no such accumulator is known)\n") !=
        std::string::npos);
  CHECK_MESSAGE(norm.out.ends_with("\nequivalent 2, different 3, unsupported 1\n"), norm.out);
  const Json report = Json::parse(read_all(box.path("report.json")));
  CHECK(report.at("programs").array().size() == 6);
  CHECK(report.at("programs").array().at(1).at("verdict").text() == "different");
  CHECK(report.at("different").integer() == 3);
  const test::Outcome mlp = box.lamina(check("gated_mlp_small", "gated_mlp_small"));
  CHECK_MESSAGE(mlp.out.ends_with("\nequivalent 1, different 2, unsupported 0\n"), mlp.out);
  const test::Outcome attention = box.lamina(check("attention_small", "attention_small"));
  CHECK_MESSAGE(attention.out.ends_with("\nequivalent 1, different 1, unsupported 0\n"),
                attention.out);
}

TEST_CASE("programs: output savers of the first versions accumulate") {
  const Sandbox box;
  const test::Outcome outcome = box.lamina(check("matmul_old", "matmul_old"));
  CHECK_MESSAGE(outcome.status == 0, outcome.out, outcome.err);
}

TEST_SUITE("slow") {
  // The files that Mirage stores with its benchmarks, at full size: those for attention with
  // normalised queries are wrong, all the others right. Ten to thirty seconds a program.
  TEST_CASE("programs: the stored ones of Mirage") {
    const char* folder = std::getenv("LAMINA_PROGRAMS_DIR");
    if (folder == nullptr) {
      MESSAGE("skipped: LAMINA_PROGRAMS_DIR does not name the folder of Mirage's programs");
      return;
    }
    const Sandbox box;
    for (const std::string name : {"gqa_bs1", "gated_mlp", "qknorm_gqa_bs1"}) {
      const test::Outcome outcome = box.lamina("check " + std::string(folder) + "/" + name +
                                               ".json " + kFolder + name + ".lam --bits 0");
      CAPTURE(outcome.out);
      const bool wrong = name == "qknorm_gqa_bs1";
      CHECK(outcome.status == (wrong ? 1 : 0));
      CHECK((outcome.out.find(": equivalent") == std::string::npos) == wrong);
      CHECK(outcome.out.find(wrong ? "equivalent 0" : "different 0") != std::string::npos);
    }
  }
}

TEST_CASE("programs: what is malformed is named") {
  const Sandbox box;
  const std::string reference = " " + kFolder + "rms_norm_linear.lam";
  const auto refuses = [&](const std::string& from, const std::string& to, int status,
                           const std::string& words) {
    write_changed(box, "rms_norm_linear", from, to);
    box.refuses("check $/changed.json" + reference, status, words);
  };
  refuses("tb_matmul_op", "tb_matmuls_op", 4,
          "block operator 3 (tb_matmuls_op): no such operator is known");
  refuses("tb_matmul_op", "kn_matmul_op", 2, "no operator of level 'tb'");
  refuses("\"forloop_dim\": 1", "\"forloop_dim\": 2", 2, "the loop cuts axis 2");
  refuses("\"forloop_dim\": 1", "\"forloop_dim\": -1", 2, "a tile of [4, 12]");
  refuses("\"forloop_range\": 4", "\"forloop_range\": 5", 2, "12 elements in 5 parts");
  refuses("\"forloop_range\": 4", "\"forloop_range\": 0", 2, "a grid or loop of 0");
  refuses("\"forloop_range\": 4", "\"loops\": 4", 2, "forloop_range");
  refuses("\"data_type\": 921", "\"data_type\": 900", 4, "data_type 900");
  refuses("\"output_map\": {\"x\": 1", "\"output_map\": {\"x\": -1", 2, "write the same place");
  refuses("\"output_map\": {\"x\": 1", "\"output_map\": {\"x\": 0", 2, "[12, 2] are stored");
  refuses("\"tb_div_op\"", "\"tb_accum_nored_op\"", 2, "accumulated already");
  box.refuses("check $/absent.json" + reference, 3, "absent.json");
  write_all(box.path("text.json"), "{}");
  box.refuses("check $/text.json" + reference, 2, "text.json: JSON: expected an array");
}
