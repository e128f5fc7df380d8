// Mutations of files for the fuzz tests: deterministic from a seed, few seconds, no tools needed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"

namespace lamina::fuzz {

// What the mutations start from, and pieces that are worth inserting.
struct Corpus {
  std::vector<std::string> files;
  std::vector<std::string> words;
};

// A file with one to eight mutations: bytes changed, runs removed, doubled or moved, words and
// random bytes inserted, pieces of other files spliced in, the end cut off; sometimes random bytes.
std::string mutate(const Corpus& corpus, Rng& rng);

// Feeds `count` mutated files to `parse`, which may succeed or throw lamina::Error. Any other
// exception, an internal error, and a message that is not one line of moderate length are test
// failures that show the seed, the number and the bytes.
void run(const Corpus& corpus, std::uint64_t seed, int count,
         const std::function<void(const std::string&)>& parse);

// The files of a folder with this extension, sorted by name. Fails the test when there are none.
std::vector<std::string> read_folder(const std::string& folder, const std::string& extension);

}  // namespace lamina::fuzz
