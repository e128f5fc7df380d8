// Keys, translation units, compiler processes, and the folder of shared objects.
#include "exec/cpu/compile_cache.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>

#include "base/check.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "exec/cpu/prelude.h"
#include "exec/cpu/target.h"

namespace lamina::cpu {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKernelsPerUnit = 16;
constexpr std::string_view kFormat = "lamina cpu kernels 1";

std::vector<std::string> compiler_flags() {
  std::vector<std::string> flags = {"-std=c++20", "-w", "-fPIC", "-shared"};
#if defined(__x86_64__)
  flags.push_back("-march=native");
#else
  flags.push_back("-mcpu=native");
#endif
  std::istringstream prelude_flags{std::string(kPreludeFlags)};
  for (std::string flag; prelude_flags >> flag;) flags.push_back(flag);
  return flags;
}

std::string environment_or(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string replace_all(std::string text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string function_name(const std::string& key) { return "lm_k" + key; }

// The function of kernel `key` in the shared object at `path`; null when either is missing.
std::pair<KernelFunction, std::shared_ptr<void>> open_kernel(const std::string& path,
                                                             const std::string& key) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return {nullptr, nullptr};
  std::shared_ptr<void> library(handle, dlclose);
  void* symbol = dlsym(handle, function_name(key).c_str());
  return {reinterpret_cast<KernelFunction>(symbol), std::move(library)};
}

void make_folder(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) {
    if (fs::path(folder).has_parent_path()) {
      fs::create_directories(fs::path(folder).parent_path(), error);
    }
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      fail(ErrorCode::kIo, "cannot make the folder {} for compiled kernels: {}", folder,
           std::strerror(errno));
    }
  }
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    fail(ErrorCode::kIo, "{} is not a folder; compiled kernels belong there", folder);
  }
  require(status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0,
          "the folder {} for compiled kernels can be written by other users", folder);
}

}  // namespace

std::optional<Compiler> find_compiler() {
  std::istringstream folders(environment_or("PATH", ""));
  std::vector<std::string> path;
  for (std::string folder; std::getline(folders, folder, ':');) path.push_back(folder);
  for (const char* name : {"c++", "g++", "clang++"}) {
    for (const std::string& folder : path) {
      const std::string candidate = folder + "/" + name;
      struct stat status {};
      if (folder.empty() || access(candidate.c_str(), X_OK) != 0) continue;
      if (stat(candidate.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
      const std::string real = fs::canonical(candidate).string();
      return Compiler{candidate, fmt::format("{} {} {}.{}", real, status.st_size,
                                             status.st_mtim.tv_sec, status.st_mtim.tv_nsec)};
    }
  }
  return std::nullopt;
}

std::string default_cache_dir() {
  const std::string cache = environment_or("XDG_CACHE_HOME", "");
  if (!cache.empty()) return cache + "/lamina";
  const std::string home = environment_or("HOME", "");
  if (!home.empty()) return home + "/.cache/lamina";
  return (fs::temp_directory_path() / fmt::format("lamina-{}", geteuid())).string();
}

struct CompileCache::Unit {
  std::vector<std::string> keys;
  std::string text;
  std::string folder;  // of the files of this compilation; removed when it succeeds
  pid_t process = -1;

  std::string source() const { return folder + "/kernels.cc"; }
  std::string object() const { return folder + "/kernels.so"; }
  std::string log() const { return folder + "/log"; }
};

CompileCache::CompileCache(std::string folder, Compiler compiler, Target target)
    : folder_(std::move(folder)), compiler_(std::move(compiler)), target_(target) {
  make_folder(folder_);
  Hasher hasher;
  hasher.add(kFormat).add(prelude(target_)).add(compiler_.identity).add(processor_identity());
  for (const std::string& flag : compiler_flags()) hasher.add(flag);
  environment_ = hasher.hex();
}

std::string CompileCache::key(const std::string& text) const {
  return Hasher().add(environment_).add(text).hex();
}

std::string CompileCache::library_path(const std::string& key) const {
  return folder_ + "/" + key + ".so";
}

CompileCache::Loaded CompileCache::load(std::span<const std::string> texts,
                                        int max_compiles) const {
  Loaded loaded;
  std::vector<std::string> keys;
  std::map<std::string, KernelFunction> functions;
  std::vector<std::pair<std::string, std::string>> fresh;  // key, text
  const auto open = [&](const std::string& key) {
    auto [function, library] = open_kernel(library_path(key), key);
    if (function != nullptr) loaded.libraries.push_back(std::move(library));
    return functions[key] = function;
  };
  for (const std::string& text : texts) {
    keys.push_back(key(text));
    if (functions.count(keys.back()) != 0 || open(keys.back()) != nullptr) continue;
    fresh.emplace_back(keys.back(), text);
  }
  std::vector<Unit> units = make_units(fresh);
  loaded.compiles = static_cast<int>(units.size());
  if (loaded.compiles > max_compiles) {
    fail(ErrorCode::kExhausted, "{} compiler runs are needed for {} kernels, at most {} allowed",
         loaded.compiles, fresh.size(), max_compiles);
  }
  compile(units);
  for (const auto& [key, text] : fresh) {
    check(open(key) != nullptr, "the kernel {} was compiled but cannot be loaded", key);
  }
  for (const std::string& key : keys) loaded.functions.push_back(functions.at(key));
  return loaded;
}

std::vector<CompileCache::Unit> CompileCache::make_units(
    const std::vector<std::pair<std::string, std::string>>& fresh) const {
  const std::size_t n = fresh.size();
  const std::size_t cores = std::min<std::size_t>(static_cast<std::size_t>(usable_cores()), n / 2);
  const std::size_t count = std::max((n + kKernelsPerUnit - 1) / kKernelsPerUnit,
                                     std::max<std::size_t>(cores, n == 0 ? 0 : 1));
  std::vector<Unit> units(count);
  for (std::size_t i = 0; i < n; ++i) {
    Unit& unit = units[i % count];
    unit.keys.push_back(fresh[i].first);
    unit.text += replace_all(fresh[i].second, "NAME", function_name(fresh[i].first)) + "\n";
  }
  return units;
}

void CompileCache::compile(std::vector<Unit>& units) const {
  const auto width = static_cast<std::size_t>(usable_cores());
  std::string error;  // the first; all processes are waited for
  for (std::size_t i = 0; i < units.size() + width; ++i) {
    if (i >= width && i - width < units.size()) {
      const std::string message = finish(units[i - width]);
      if (error.empty()) error = message;
    }
    if (i < units.size()) start(units[i]);
  }
  check(error.empty(), "{}", error);
}

void CompileCache::start(Unit& unit) const {
  std::string folder = folder_ + "/build-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    fail(ErrorCode::kIo, "cannot write to the folder {}: {}", folder_, std::strerror(errno));
  }
  unit.folder = folder;
  std::ofstream(unit.source()) << prelude(target_, unit.text) << unit.text;
  std::vector<std::string> words = {compiler_.path};
  for (const std::string& flag : compiler_flags()) words.push_back(flag);
  for (const std::string& word : {std::string("-o"), unit.object(), unit.source()}) {
    words.push_back(word);
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // A fixed environment: variables like CPATH must not change what is compiled.
  std::string path = "PATH=" + environment_or("PATH", "");
  std::string locale = "LC_ALL=C";
  std::array<char*, 3> environment = {path.data(), locale.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, unit.log().c_str(), O_CREAT | O_WRONLY, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int error = posix_spawn(&unit.process, compiler_.path.c_str(), &actions, nullptr,
                                arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    fail(ErrorCode::kIo, "cannot run {}: {}", compiler_.path, std::strerror(error));
  }
}

std::string CompileCache::finish(Unit& unit) const {
  int status = 0;
  while (waitpid(unit.process, &status, 0) < 0) {
    check(errno == EINTR, "waiting for the compiler: {}", std::strerror(errno));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string log = read_file(unit.log());
    const std::size_t error = log.find("error");
    const std::size_t begin = error == std::string::npos ? 0 : log.rfind('\n', error) + 1;
    return fmt::format("{} failed on {}: {}", compiler_.path, unit.source(),
                       log.substr(begin, log.find('\n', begin) - begin));
  }
  publish(unit);
  std::error_code ignored;
  fs::remove_all(unit.folder, ignored);
  return "";
}

void CompileCache::publish(const Unit& unit) const {
  for (const std::string& key : unit.keys) {
    // A new name first, then rename: replaces a file that is there but cannot be used.
    const std::string name = unit.folder + "/" + key;
    std::error_code error;
    fs::create_hard_link(unit.object(), name, error);
    if (error) fs::copy_file(unit.object(), name, error);
    if (!error) fs::rename(name, library_path(key), error);
    if (error) {
      fail(ErrorCode::kIo, "cannot write to the folder {}: {}", folder_, error.message());
    }
  }
}

}  // namespace lamina::cpu
