// The memory of the optimiser: the recipes that earlier runs found, in an SQLite file that several
// processes may use at once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "search/candidates.h"

struct sqlite3;

namespace lamina::search {

class FoundPrograms {
 public:
  // Opens or creates `path`. Throws kIo when it cannot.
  explicit FoundPrograms(const std::string& path);

  // `key`: structure hash, device, threads and version: what the recipe depends on.
  std::optional<Recipe> find(const std::string& key) const;
  // Recipes without a text form are not remembered.
  void remember(const std::string& key, const Recipe& recipe, double before_ms, double after_ms);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace lamina::search
