// Folders of programs: which class answers, and what is not believed.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/temporary_folder.h"
#include "lamina/error.h"
#include "lamina/io.h"

using namespace lamina;
namespace fs = std::filesystem;

namespace {

struct Folder : TemporaryFolder {
  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(file(name), text);
  }
};

// y = x * w * factor, so that results tell which program ran.
Graph scaled(const std::string& sizes, const std::string& shape, int factor) {
  Graph graph =
      parse_graph("lamina 1\ngraph g" + sizes + "(x: f32[" + shape +
                  "], weight w: f32[2]) {\n  return y=x * w * " + std::to_string(factor) + "\n}\n");
  graph.inputs[1].value = Tensor::from_doubles(DType::kF32, {2}, std::vector<double>{1.0, 2.0});
  return graph;
}

const Graph kGeneral = scaled("[B: 1..4, T: 1..40]", "B, T, 2", 1);

std::vector<ClassProgram> example() {
  return {{{{"B", 1, 4}, {"T", 1, 1}}, scaled("[B: 1..4]", "B, 1, 2", 10)},
          {{{"B", 1, 2}, {"T", 2, 8}}, scaled("[B: 1..2, T: 2..8]", "B, T, 2", 20)},
          {{{"B", 3, 4}, {"T", 2, 8}}, scaled("[B: 3..4, T: 2..8]", "B, T, 2", 30)}};
}

// The factor of the program for these sizes.
double factor(const Graph& graph) {
  double last = 0.0;
  for (const Node& node : graph.nodes) {
    if (op_name(node) == "constant") last = node.attrs.real("value");
  }
  return last;
}

std::string message(const Folder& folder, ErrorCode code) {
  try {
    const ProgramFolder programs(folder.path());
    for (std::size_t n = 0; n < programs.classes(); ++n) programs.load_class(n);
  } catch (const Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("program folder: the class of the sizes answers, else the program of all") {
  const Folder folder;
  CHECK_FALSE(is_program_folder(folder.path()));
  save_programs(folder.path(), kGeneral, example());
  CHECK(is_program_folder(folder.path()));
  const ProgramFolder programs(folder.path());
  CHECK(programs.classes() == 3);
  const auto at = [&](std::int64_t b, std::int64_t t) {
    return factor(programs.program_for({{"B", b}, {"T", t}}));
  };
  CHECK(at(1, 1) == 10);
  CHECK(at(4, 1) == 10);
  CHECK(at(1, 2) == 20);
  CHECK(at(2, 8) == 20);
  CHECK(at(3, 2) == 30);
  CHECK(at(3, 8) == 30);
  CHECK(at(2, 9) == 1);
  CHECK(at(4, 40) == 1);
  CHECK(factor(programs.program_for({{"T", 1}})) == 1);
  CHECK(factor(programs.program_for({})) == 1);
  // Elements are those of the one file of weights.
  const Graph one = programs.load_class(1);
  CHECK(one.inputs[1].value.data() == programs.graph().inputs[1].value.data());
  CHECK_FALSE(fs::exists(folder.file("graph_1.safetensors")));
}

TEST_CASE("program folder: load_model binds the sizes that the class has left open") {
  const Folder folder;
  save_programs(folder.path(), kGeneral, example());
  const Graph bound = load_model(folder.path(), {.sizes = {{"B", 2}, {"T", 1}}});
  CHECK(bound.sizes.empty());
  CHECK(factor(bound) == 10);
  CHECK(bound.type(bound.outputs[0].value).shape == Dims{2, 1, 2});
  CHECK(factor(load_model(folder.path())) == 1);
  CHECK(load_model(folder.path(), {.sizes = {{"T", 1}}}).sizes ==
        std::vector<SizeRange>{{"B", 1, 4}});
  CHECK_THROWS_AS(load_model(folder.path(), {.sizes = {{"B", 5}, {"T", 1}}}), Error);
  CHECK_THROWS_AS(load_model(folder.path(), {.sizes = {{"B", 1}, {"T", 1}, {"Q", 1}}}), Error);
}

TEST_CASE("program folder: classes that were there before are gone") {
  const Folder folder;
  save_programs(folder.path(), kGeneral, example());
  save_programs(folder.path(), kGeneral);
  CHECK_FALSE(fs::exists(folder.file("classes.json")));
  CHECK_FALSE(fs::exists(folder.file("graph_3.lam")));
  CHECK(ProgramFolder(folder.path()).classes() == 0);
  CHECK(factor(load_model(folder.path(), {.sizes = {{"B", 1}, {"T", 1}}})) == 1);
}

TEST_CASE("program folder: what is missing or damaged is said") {
  const Folder folder;
  const auto again = [&] { save_programs(folder.path(), kGeneral, example()); };
  again();
  CHECK(message(folder, ErrorCode::kInternal).empty());
  fs::remove(folder.file("classes.json"));
  CHECK(message(folder, ErrorCode::kNotFound).find("classes.json' is missing") !=
        std::string::npos);
  again();
  fs::remove(folder.file("graph.lam"));
  CHECK(is_program_folder(folder.path()));
  CHECK(message(folder, ErrorCode::kNotFound).find("graph.lam") != std::string::npos);
  again();
  fs::remove(folder.file("graph_2.lam"));
  CHECK(message(folder, ErrorCode::kNotFound).find("graph_2.lam") != std::string::npos);
  again();
  const std::string list = read_file(folder.file("classes.json"));
  const auto damaged = [&](const std::string& from, const std::string& to) {
    std::string text = list;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    folder.write("classes.json", text.replace(at, from.size(), to));
    return message(folder, ErrorCode::kInvalidArgument);
  };
  CHECK(damaged("{", "") != "");
  CHECK(damaged("\"version\": 1", "\"version\": 2").find("version 2") != std::string::npos);
  CHECK(damaged("graph_2.lam", "../graph_2.lam").find("entry 1") != std::string::npos);
  CHECK(damaged("\"T\"", "\"S\"").find("not those of graph.lam") != std::string::npos);
  CHECK(damaged(" 8\n", " 80\n").find("not those of graph.lam") != std::string::npos);
  CHECK(damaged("\"hash\": \"", "\"hash\": \"0").find("graph_1.lam") != std::string::npos);
  CHECK(damaged("\"graph\": \"", "\"graph\": \"0").find("another run") != std::string::npos);
  // A class that reaches into another.
  std::string text = list;
  text.replace(text.rfind("3"), 1, "2");
  folder.write("classes.json", text);
  CHECK(message(folder, ErrorCode::kInvalidArgument).find("overlaps") != std::string::npos);
  // Files of two runs.
  again();
  folder.write("graph.lam", print_graph(scaled("[B: 1..4, T: 1..40]", "B, T, 2", 7)));
  CHECK(message(folder, ErrorCode::kInvalidArgument).find("another run") != std::string::npos);
  again();
  folder.write("graph_1.lam", print_graph(scaled("[B: 1..4]", "B, 1, 2", 7)));
  CHECK(message(folder, ErrorCode::kInvalidArgument).find("graph_1.lam") != std::string::npos);
}

TEST_CASE("program folder: the writer takes only classes of the graph") {
  const Folder folder;
  const auto refused = [&](const ClassProgram& one) {
    auto classes = example();
    classes.push_back(one);
    CHECK_THROWS_AS(save_programs(folder.path(), kGeneral, classes), Error);
  };
  const Graph program = scaled("[B: 1..4, T: 8..9]", "B, T, 2", 2);
  refused({{{"B", 1, 4}, {"T", 8, 9}}, program});   // overlaps
  refused({{{"B", 1, 4}, {"T", 9, 41}}, program});  // beyond
  refused({{{"T", 9, 10}}, program});               // names another set
  refused({{{"B", 1, 4}, {"T", 10, 9}}, program});  // empty
  Graph renamed = program;
  renamed.outputs[0].name = "z";
  refused({{{"B", 1, 4}, {"T", 9, 9}}, renamed});
  CHECK_FALSE(fs::exists(folder.file("graph.lam")));
}
