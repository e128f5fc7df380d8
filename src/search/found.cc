// The SQLite file that keeps recipes.
#include "search/found.h"

#include <sqlite3.h>

#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "base/file_lock.h"
#include "search/recipe_text.h"

namespace lamina::search {
namespace {

constexpr int kVersion = 1;  // of the tables, in the file's user_version

// The file is no database, a part of it is missing, or its tables are of another version.
struct Unusable : Error {
  explicit Unusable(const std::string& reason) : Error(ErrorCode::kIo, reason) {}
};

[[noreturn]] void refuse(sqlite3* database) {
  const int code = sqlite3_errcode(database);
  const std::string reason = sqlite3_errmsg(database);
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) throw Unusable(reason);
  fail(ErrorCode::kIo, "found programs: {}", reason);
}

// A prepared statement that finalises itself.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database, sql, -1, &raw, nullptr) != SQLITE_OK) refuse(database);
    statement_.reset(raw);
  }
  void bind(int index, const std::string& text) {
    sqlite3_bind_text(statement_.get(), index, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
  }
  void bind(int index, double value) { sqlite3_bind_double(statement_.get(), index, value); }
  // True while there is a row.
  bool step() {
    const int code = sqlite3_step(statement_.get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) refuse(database_);
    return code == SQLITE_ROW;
  }
  int integer(int column) const { return sqlite3_column_int(statement_.get(), column); }
  double real(int column) const { return sqlite3_column_double(statement_.get(), column); }
  std::string text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// The version of the tables, 0: none yet. No statement is left open: it would hold a lock.
int checked_version(sqlite3* database) {
  Statement version(database, "PRAGMA user_version");
  version.step();
  const int found = version.integer(0);
  if (found != 0 && found != kVersion) {
    throw Unusable(fmt::format("version {}, known is {}", found, kVersion));
  }
  // A file that was cut may open well: the pages that are missing are found only here.
  Statement check(database, "PRAGMA quick_check(1)");
  if (check.step() && check.text(0) != "ok") throw Unusable(check.text(0));
  return found;
}

}  // namespace

void FoundPrograms::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

FoundPrograms::FoundPrograms(const std::string& path) {
  try {
    open(path);
  } catch (const Unusable&) {
    database_.reset();
    rebuild(path);
  }
}

// One process at a time: the next one finds what the first has begun.
void FoundPrograms::rebuild(const std::string& path) {
  const FileLock lock(path + ".lock");
  try {
    open(path);
  } catch (const Unusable& fault) {
    database_.reset();
    const std::string aside = path + ".unusable";
    std::error_code error;
    std::filesystem::rename(path, aside, error);
    if (error) {
      fail(ErrorCode::kIo, "{}: {}; it cannot be moved: {}", path, fault.what(), error.message());
    }
    std::filesystem::remove(path + "-journal", error);  // there may be none
    warning_ =
        fmt::format("{}: {}; it was moved to {} and is begun anew", path, fault.what(), aside);
    open(path);
  }
}

void FoundPrograms::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open(path.c_str(), &raw);
  database_.reset(raw);
  if (code != SQLITE_OK) {
    fail(ErrorCode::kIo, "cannot open '{}': {}", path,
         raw != nullptr ? sqlite3_errmsg(raw) : "out of memory");
  }
  constexpr int kPatienceMs = 10000;
  sqlite3_busy_timeout(raw, kPatienceMs);
  if (checked_version(raw) == kVersion) return;
  // The lock is taken before anything is read: two that begin the same file wait for each other.
  for (const char* sql :
       {"BEGIN IMMEDIATE",
        "CREATE TABLE IF NOT EXISTS found_1 (key TEXT PRIMARY KEY, recipe TEXT NOT NULL, "
        "before_ms REAL NOT NULL, after_ms REAL NOT NULL)",
        "CREATE TABLE IF NOT EXISTS judged_1 (key TEXT NOT NULL, recipe TEXT NOT NULL, "
        "refused INTEGER NOT NULL, screened_ms REAL NOT NULL, PRIMARY KEY (key, recipe))"}) {
    Statement(raw, sql).step();
  }
  Statement(raw, fmt::format("PRAGMA user_version = {}", kVersion).c_str()).step();
  Statement(raw, "COMMIT").step();
}

// Runs a statement that changes the file. What cannot be kept (a full disk, a file that may only
// be read) is a warning: the search goes on.
template <class Change>
void FoundPrograms::change(Change&& run) {
  if (!writable_) return;
  try {
    run();
  } catch (const Error& error) {
    writable_ = false;
    warning_ = fmt::format("{}; what is found is not remembered", error.what());
  }
}

std::optional<Recipe> FoundPrograms::find(const std::string& key) const {
  Statement select(database_.get(), "SELECT recipe FROM found_1 WHERE key = ?");
  select.bind(1, key);
  if (!select.step()) return std::nullopt;
  return decode(select.text(0));
}

void FoundPrograms::remember(const std::string& key, const Recipe& recipe, double before_ms,
                             double after_ms) {
  const std::optional<std::string> text = encode(recipe);
  change([&] {
    if (text) {
      Statement insert(database_.get(), "INSERT OR REPLACE INTO found_1 VALUES (?, ?, ?, ?)");
      insert.bind(1, key);
      insert.bind(2, *text);
      insert.bind(3, before_ms);
      insert.bind(4, after_ms);
      insert.step();
    }
    Statement forget(database_.get(), "DELETE FROM judged_1 WHERE key = ?");
    forget.bind(1, key);
    forget.step();
  });
}

std::map<std::string, Judged> FoundPrograms::judged(const std::string& key) const {
  Statement select(database_.get(),
                   "SELECT recipe, refused, screened_ms FROM judged_1 WHERE key = ?");
  select.bind(1, key);
  std::map<std::string, Judged> result;
  while (select.step()) result[select.text(0)] = {select.integer(1) != 0, select.real(2)};
  return result;
}

void FoundPrograms::note(const std::string& key, const Recipe& recipe, const Judged& judged) {
  const std::optional<std::string> text = encode(recipe);
  if (!text) return;
  change([&] {
    Statement insert(database_.get(), "INSERT OR REPLACE INTO judged_1 VALUES (?, ?, ?, ?)");
    insert.bind(1, key);
    insert.bind(2, *text);
    insert.bind(3, judged.refused ? 1.0 : 0.0);
    insert.bind(4, judged.screened_ms);
    insert.step();
  });
}

}  // namespace lamina::search
