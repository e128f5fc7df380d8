// Recipes survive the way through text and the file.
#include "search/found.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"
#include "lamina/error.h"
#include "lamina/io.h"
#include "search/recipe_text.h"

using namespace lamina;
using namespace lamina::search;

namespace {

Recipe example() {
  Recipe recipe;
  recipe.parts.push_back({{{0, 2, 5}}, {{16, 0}, 0}, {}});
  BlockProgram program{{0, 1}, true, {}, {4}};
  using Kind = BlockStep::Kind;
  program.steps.push_back({Kind::kLoad, 1, {0, -2}, 0.0, nullptr, {}, {}});
  program.steps.push_back({Kind::kConstant, 0, {}, 0.1, nullptr, {}, {}});
  program.steps.push_back(
      {Kind::kApply, 0, {}, 0.0, &find_op("sum"), {{"axes", Dims{-1}}, {"keepdims", true}}, {0}});
  program.steps.push_back({Kind::kRunningLargest, 0, {}, 0.0, nullptr, {}, {2}});
  program.steps.push_back({Kind::kRescaledSum, 0, {}, 0.0, nullptr, {}, {0, 3}});
  recipe.parts.push_back({{{7}}, {{1, 64, 0}, 128}, program});
  return recipe;
}

namespace fs = std::filesystem;

// A file in a folder of its own, which goes away with the test.
class FoundFile {
 public:
  std::string path() const { return folder_.file("found.sqlite"); }
  void fill(int entries) const {
    FoundPrograms found(path());
    for (int i = 0; i < entries; ++i) found.remember(std::to_string(i), example(), 2.0, 1.0);
  }
  void execute(const char* sql) const {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(path().c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
  }

 private:
  TemporaryFolder folder_;
};

// The file is begun anew with a warning, and then it works.
void check_rebuilt(const FoundFile& file, const char* words) {
  FoundPrograms found(file.path());
  CHECK_MESSAGE(found.warning().find(words) != std::string::npos, found.warning());
  CHECK(found.warning().find('\n') == std::string::npos);
  CHECK(fs::exists(file.path() + ".unusable"));
  CHECK_FALSE(found.find("1").has_value());
  found.remember("1", example(), 2.0, 1.0);
  CHECK(FoundPrograms(file.path()).find("1").has_value());
  CHECK(FoundPrograms(file.path()).warning().empty());
}

// Every program that one edge makes of `graph`: an input of a node reads another value of the same
// type that is computed before it.
std::vector<Graph> rewired(const Graph& graph) {
  std::vector<Graph> result;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (std::size_t i = 0; i < graph.nodes[n].inputs.size(); ++i) {
      const Value old = graph.nodes[n].inputs[i];
      for (std::size_t from = 0; from < n; ++from) {
        const Value other{static_cast<NodeId>(from), 0};
        if (other == old || !(graph.type(other) == graph.type(old))) continue;
        result.push_back(graph);
        result.back().nodes[n].inputs[i] = other;
      }
    }
  }
  return result;
}

}  // namespace

TEST_CASE("encode and decode are inverse") {
  CHECK(encode(decode(*encode(example()))) == encode(example()));
  CHECK(decode(*encode(example())).parts[1].program == example().parts[1].program);
  CHECK(decode("").parts.empty());
  CHECK_THROWS_AS(decode("1,2/3"), Error);
  CHECK_THROWS_AS(decode("1,x/3/0"), Error);
  CHECK_NOTHROW(decode("1/2/2/0:1|L0:-1,-2|R0|S0|Z0,1|3"));
  CHECK_THROWS_AS(decode("1/2/2/0:1|L0:-1,-2|S|1"), Error);     // a sum of nothing
  CHECK_THROWS_AS(decode("1/2/2/0:1|L0:-1,-2|Z0|1"), Error);    // rescaled by nothing
  CHECK_THROWS_AS(decode("1/2/2/0:1|L0:-1,-2|Z0,0|1"), Error);  // by no running maximum
}

TEST_CASE("what one handle remembers another finds") {
  const FoundFile file;
  FoundPrograms first(file.path());
  FoundPrograms second(file.path());
  CHECK_FALSE(second.find("key").has_value());
  first.remember("key", example(), 2.0, 1.0);
  const auto found = second.find("key");
  REQUIRE(found.has_value());
  CHECK(encode(*found) == encode(example()));
  first.remember("key", {}, 2.0, 2.0);
  CHECK(second.find("key")->parts.empty());
}

TEST_CASE("what was judged is kept until the search has ended") {
  const FoundFile file;
  FoundPrograms found(file.path());
  Recipe other = example();
  other.parts.pop_back();
  found.note("key", example(), {.refused = true});
  found.note("key", other, {});
  found.note("key", other, {.screened_ms = 1.5});
  const auto judged = FoundPrograms(file.path()).judged("key");
  REQUIRE(judged.size() == 2);
  CHECK(judged.at(*encode(example())).refused);
  CHECK(judged.at(*encode(other)).screened_ms == 1.5);
  CHECK(found.judged("another key").empty());
  found.remember("key", other, 2.0, 1.0);
  CHECK(found.judged("key").empty());
}

TEST_CASE("a program with one edge changed never finds the entry of the original") {
  const FoundFile file;
  FoundPrograms found(file.path());
  int programs = 0;
  for (const auto& entry : fs::directory_iterator("examples/programs")) {
    if (entry.path().extension() != ".lam") continue;
    const Graph graph = load_model(entry.path().string());
    found.remember(structure_hash(graph), example(), 2.0, 1.0);
    CHECK(found.find(structure_hash(graph)).has_value());
    for (const Graph& other : rewired(graph)) {
      CHECK_MESSAGE(!found.find(structure_hash(other)).has_value(), entry.path().string());
      ++programs;
    }
  }
  MESSAGE(programs << " rewired programs");
  CHECK(programs > 50);
}

TEST_CASE("a file cut in half is begun anew with a warning") {
  const FoundFile file;
  file.fill(300);
  fs::resize_file(file.path(), fs::file_size(file.path()) / 2);
  check_rebuilt(file, "begun anew");
}

TEST_CASE("other files in its place are begun anew with a warning") {
  const FoundFile text;
  std::ofstream(text.path()) << std::string(5000, 'x');
  check_rebuilt(text, "file is not a database");
  const FoundFile newer;
  newer.fill(3);
  newer.execute("PRAGMA user_version = 7");
  check_rebuilt(newer, "version 7, known is 1");
}

TEST_CASE("a folder that does not exist is an input/output error") {
  try {
    FoundPrograms("/nonexistent/folder/found.sqlite");
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
  }
}
