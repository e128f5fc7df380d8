// Recipes survive the way through text and the file.
#include "search/found.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "lamina/error.h"
#include "search/recipe_text.h"

using namespace lamina;
using namespace lamina::search;

namespace {

Recipe example() {
  Recipe recipe;
  recipe.parts.push_back({{{0, 2, 5}}, {{16, 0}, 0}, {}});
  BlockProgram program{{0, 1}, true, {}, {3}};
  using Kind = BlockStep::Kind;
  program.steps.push_back({Kind::kLoad, 1, {0, -2}, 0.0, nullptr, {}, {}});
  program.steps.push_back({Kind::kConstant, 0, {}, 0.1, nullptr, {}, {}});
  program.steps.push_back(
      {Kind::kApply, 0, {}, 0.0, &find_op("sum"), {{"axes", Dims{-1}}, {"keepdims", true}}, {0}});
  program.steps.push_back({Kind::kRescaledSum, 0, {}, 0.0, nullptr, {}, {0, 2}});
  recipe.parts.push_back({{{7}}, {{1, 64, 0}, 128}, program});
  return recipe;
}

}  // namespace

TEST_CASE("encode and decode are inverse") {
  CHECK(encode(decode(*encode(example()))) == encode(example()));
  CHECK(decode(*encode(example())).parts[1].program == example().parts[1].program);
  CHECK(decode("").parts.empty());
  CHECK_THROWS_AS(decode("1,2/3"), Error);
  CHECK_THROWS_AS(decode("1,x/3/0"), Error);
}

TEST_CASE("what one handle remembers another finds") {
  const std::string path =
      (std::filesystem::temp_directory_path() / "lamina_found_test.sqlite").string();
  std::filesystem::remove(path);
  FoundPrograms first(path);
  FoundPrograms second(path);
  CHECK_FALSE(second.find("key").has_value());
  first.remember("key", example(), 2.0, 1.0);
  const auto found = second.find("key");
  REQUIRE(found.has_value());
  CHECK(encode(*found) == encode(example()));
  first.remember("key", {}, 2.0, 2.0);
  CHECK(second.find("key")->parts.empty());
  std::filesystem::remove(path);
}

TEST_CASE("a folder that does not exist is an input/output error") {
  try {
    FoundPrograms("/nonexistent/folder/found.sqlite");
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kIo);
  }
}
