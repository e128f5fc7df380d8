// The cache folder of lamina optimize: shared by processes, damaged, and left by a process that was
// killed.
#include <doctest/doctest.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "sandbox.h"

using namespace lamina;
using namespace lamina::test;
namespace fs = std::filesystem;

namespace {

const char* const kModel = R"(lamina 1
graph norm_linear(x: f32[48, 160], weight w: f32[160, 320]) {
  y = matmul(rms_norm(x, axes=[-1]), w)
  return y
}
)";

const char* const kOther = R"(lamina 1
graph gated(x: f32[16, 48], weight w: f32[48, 40]) {
  y = relu(mul(matmul(x, w), 0.5))
  return y
}
)";

const std::string kFlags = " --cache-dir $/c --candidates 3 --rotate-bytes 0 ";

Json region(const Sandbox& box, const std::string& folder) {
  const Json report = Json::parse(read_all(box.path(folder + "/report.json")));
  return report.at("programs").array().at(0).at("regions").array().at(0);
}

// The number that a query gives, -1 where there is no such table yet.
int ask(const std::string& path, const char* query) {
  sqlite3* database = nullptr;
  sqlite3_stmt* statement = nullptr;
  int number = -1;
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK &&
      sqlite3_prepare_v2(database, query, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    number = sqlite3_column_int(statement, 0);
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return number;
}

// Starts the program and does not wait for it.
pid_t start(std::vector<std::string> words) {
  words.insert(words.begin(), std::getenv("LAMINA_PROGRAM"));
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t process = 0;
  REQUIRE(posix_spawn(&process, arguments[0], nullptr, nullptr, arguments.data(), environ) == 0);
  return process;
}

}  // namespace

TEST_CASE("optimize: two processes that fill one cache lose nothing") {
  const Sandbox box;
  write_all(box.path("a.lam"), kModel);
  write_all(box.path("b.lam"), kOther);
  const std::string a = "optimize $/a.lam -o $/oa" + kFlags;
  const std::string b = "optimize $/b.lam -o $/ob" + kFlags;
  CHECK(box.lamina(a + "& " + std::getenv("LAMINA_PROGRAM") + " " + b + "; wait").status == 0);
  CHECK(ask(box.path("c/found.sqlite"), "SELECT count(*) FROM found_1") >= 2);
  CHECK(box.lamina(a).status == 0);
  CHECK(box.lamina(b).status == 0);
  CHECK(region(box, "oa").at("from_cache").flag());
  CHECK(region(box, "ob").at("from_cache").flag());
}

TEST_CASE("optimize: a damaged cache is a warning") {
  const Sandbox box;
  write_all(box.path("b.lam"), kOther);
  const std::string b = "optimize $/b.lam -o $/ob" + kFlags;
  const Outcome first = box.lamina(b);
  CHECK(first.status == 0);
  CHECK(first.err.empty());
  const std::string path = box.path("c/found.sqlite");
  fs::resize_file(path, fs::file_size(path) / 2);
  const Outcome again = box.lamina(b);
  CHECK(again.status == 0);
  CHECK_MESSAGE(again.err.starts_with("lamina: warning: "), again.err);
  CHECK(again.err.find("begun anew") != std::string::npos);
  CHECK(again.err.find('\n') == again.err.size() - 1);
  CHECK_FALSE(region(box, "ob").at("from_cache").flag());
  CHECK(box.lamina(b).err.empty());
  CHECK(region(box, "ob").at("from_cache").flag());

  // A file that cannot be opened at all: the search goes on without.
  fs::remove(path);
  fs::create_directory(path);
  const Outcome without = box.lamina(b);
  CHECK(without.status == 0);
  CHECK(without.err.find("found programs are not remembered") != std::string::npos);
  write_all(box.path("file"), "");
  box.refuses("optimize $/b.lam -o $/ob --cache-dir $/file/c", 6, "file/c");
}

TEST_CASE("optimize: what was killed goes on where it was") {
  const Sandbox box;
  write_all(box.path("a.lam"), kModel);
  const std::string found = box.path("c/found.sqlite");
  fs::create_directory(box.path("c"));
  const pid_t process = start({"optimize", box.path("a.lam"), "-o", box.path("oa"), "--cache-dir",
                               box.path("c"), "--candidates", "3", "--rotate-bytes", "0"});
  // Until candidates of the first batch were timed, long before the last race has ended.
  int judged = 0;
  int status = 0;
  while (judged < 3 && waitpid(process, &status, WNOHANG) == 0) {
    judged = ask(found, "SELECT count(*) FROM judged_1 WHERE screened_ms > 0");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  REQUIRE(judged >= 3);
  REQUIRE(kill(process, SIGKILL) == 0);
  REQUIRE(waitpid(process, &status, 0) == process);
  CHECK(WIFSIGNALED(status));
  CHECK(ask(found, "SELECT count(*) FROM found_1") == 0);

  const std::string again = "optimize $/a.lam -o $/oa" + kFlags;
  CHECK(box.lamina(again + "--fresh").status == 0);
  CHECK(region(box, "oa").at("resumed").integer() == 0);
  CHECK(box.lamina(again).status == 0);
  const Json row = region(box, "oa");
  CHECK(row.at("resumed").integer() > 0);
  CHECK(row.at("judged").integer() < row.at("candidates").integer());
  CHECK_FALSE(row.at("from_cache").flag());
  const std::string verdict = row.at("verdict").text();
  CHECK((verdict == "equivalent" || verdict == "unchanged"));
  CHECK(ask(found, "SELECT count(*) FROM judged_1") == 0);
  CHECK(ask(found, "SELECT count(*) FROM found_1") == 1);
}
