// The memory of the optimiser: the recipes that earlier runs found, and what was judged by runs
// that did not end, in an SQLite file that several processes may use at once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "search/candidates.h"

struct sqlite3;

namespace lamina::search {

// What became of a candidate.
struct Judged {
  bool refused = false;
  double screened_ms = 0.0;  // 0: not timed
};

class FoundPrograms {
 public:
  // Opens or creates `path`. A file that is damaged or of another version is moved aside and begun
  // anew, with a warning. Throws kIo when the folder cannot be written to.
  explicit FoundPrograms(const std::string& path);

  const std::string& warning() const { return warning_; }  // "": none

  // `key`: structure hash, device, threads and version: what the recipe depends on.
  std::optional<Recipe> find(const std::string& key) const;
  // Recipes without a text form are not remembered.
  // The search is over: what was judged for the key is forgotten.
  void remember(const std::string& key, const Recipe& recipe, double before_ms, double after_ms);

  // Candidates of a search that did not end, by the text of the recipe.
  std::map<std::string, Judged> judged(const std::string& key) const;
  void note(const std::string& key, const Recipe& recipe, const Judged& judged);

 private:
  void open(const std::string& path);
  void rebuild(const std::string& path);
  template <class Change>
  void change(Change&& run);

  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
  std::string warning_;
  bool writable_ = true;
};

}  // namespace lamina::search
