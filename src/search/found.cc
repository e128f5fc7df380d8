// The SQLite file that keeps recipes.
#include "search/found.h"

#include <sqlite3.h>

#include "base/check.h"
#include "search/recipe_text.h"

namespace lamina::search {
namespace {

// A prepared statement that finalises itself.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database, sql, -1, &raw, nullptr) != SQLITE_OK) {
      fail(ErrorCode::kIo, "found programs: {}", sqlite3_errmsg(database));
    }
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
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
      fail(ErrorCode::kIo, "found programs: {}", sqlite3_errmsg(database_));
    }
    return code == SQLITE_ROW;
  }
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

}  // namespace

void FoundPrograms::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

FoundPrograms::FoundPrograms(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open(path.c_str(), &raw);
  database_.reset(raw);
  if (code != SQLITE_OK) {
    fail(ErrorCode::kIo, "cannot open '{}': {}", path,
         raw != nullptr ? sqlite3_errmsg(raw) : "out of memory");
  }
  constexpr int kPatienceMs = 10000;
  sqlite3_busy_timeout(raw, kPatienceMs);
  Statement(raw,
            "CREATE TABLE IF NOT EXISTS found_1 (key TEXT PRIMARY KEY, recipe TEXT NOT NULL, "
            "before_ms REAL NOT NULL, after_ms REAL NOT NULL)")
      .step();
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
  if (!text) return;
  Statement insert(database_.get(), "INSERT OR REPLACE INTO found_1 VALUES (?, ?, ?, ?)");
  insert.bind(1, key);
  insert.bind(2, *text);
  insert.bind(3, before_ms);
  insert.bind(4, after_ms);
  insert.step();
}

}  // namespace lamina::search
