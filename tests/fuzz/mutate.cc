// Mutations of files for the fuzz tests.
#include "mutate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "lamina/error.h"

namespace lamina::fuzz {
namespace {

constexpr std::size_t kMaxBytes = 1 << 16;
constexpr std::size_t kMaxMessage = 1100;

std::size_t place(const std::string& text, Rng& rng) {
  return static_cast<std::size_t>(rng.integer(0, static_cast<std::int64_t>(text.size())));
}

const std::string& any(const std::vector<std::string>& list, Rng& rng) {
  return list[static_cast<std::size_t>(rng.integer(0, static_cast<std::int64_t>(list.size()) - 1))];
}

std::string random_bytes(Rng& rng, std::int64_t most) {
  std::string bytes(static_cast<std::size_t>(rng.integer(1, most)), '\0');
  for (char& c : bytes) c = static_cast<char>(rng.bits());
  return bytes;
}

// A run of 1 to 64 bytes.
std::string piece(const std::string& text, Rng& rng) {
  return text.substr(place(text, rng), static_cast<std::size_t>(rng.integer(1, 64)));
}

void mutate_once(std::string& text, const Corpus& corpus, Rng& rng) {
  const std::size_t at = place(text, rng);
  switch (rng.integer(0, 7)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(rng.bits());
      break;
    case 1:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << rng.integer(0, 7)));
      break;
    case 2:
      text.erase(at, static_cast<std::size_t>(rng.integer(1, 64)));
      break;
    case 3:
      text.insert(at, piece(text, rng));
      break;
    case 4:
      text.insert(at, piece(any(corpus.files, rng), rng));
      break;
    case 5:
      text.insert(at, corpus.words.empty() ? random_bytes(rng, 8) : any(corpus.words, rng));
      break;
    case 6:
      text.insert(at, random_bytes(rng, 16));
      break;
    default:
      if (rng.chance(0.2)) text.resize(at);
      break;
  }
  if (text.size() > kMaxBytes) text.resize(kMaxBytes);
}

// Empty when `parse` behaves, else what is wrong.
std::string complaint(const std::string& file,
                      const std::function<void(const std::string&)>& parse) {
  try {
    parse(file);
  } catch (const Error& e) {
    const std::string_view message = e.what();
    if (e.code() == ErrorCode::kInternal) return "internal error: " + std::string(message);
    if (message.size() > kMaxMessage) return "a message of many bytes";
    return message.find('\n') == message.npos ? "" : "a message of several lines";
  } catch (const std::exception& e) {
    return std::string("a foreign exception: ") + e.what();
  }
  return "";
}

}  // namespace

std::string mutate(const Corpus& corpus, Rng& rng) {
  if (rng.chance(0.02)) return random_bytes(rng, 512);
  std::string text = any(corpus.files, rng);
  const std::int64_t count = rng.integer(1, 8);
  for (std::int64_t i = 0; i < count; ++i) mutate_once(text, corpus, rng);
  return text;
}

void run(const Corpus& corpus, std::uint64_t seed, int count,
         const std::function<void(const std::string&)>& parse) {
  MESSAGE("fuzz: seed " << seed << ", " << count << " files");
  const Rng root(seed);
  for (int i = 0; i < count; ++i) {
    Rng rng = root.split(static_cast<std::uint64_t>(i));
    const std::string file = mutate(corpus, rng);
    const std::string wrong = complaint(file, parse);
    CAPTURE(seed);
    CAPTURE(i);
    CAPTURE(file);
    if (!wrong.empty()) FAIL_CHECK(wrong);
  }
}

std::vector<std::string> read_folder(const std::string& folder, const std::string& extension) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == extension) paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  REQUIRE_MESSAGE(!paths.empty(), folder);
  std::vector<std::string> files;
  for (const std::string& path : paths) files.push_back(read_file(path));
  return files;
}

}  // namespace lamina::fuzz
