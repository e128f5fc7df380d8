// From the text of kernels to functions in memory, through the system's C++ compiler and a folder
// of shared objects.
//
// Every kernel has its own key: a hash of its text, the prelude, the compiler and its flags, and
// the processor. Kernels that are new are compiled together, up to 16 in a translation unit, and
// the shared object is linked into the folder under the key of each (<key>.so), so that equal
// kernels are compiled once, over all programs and processes. Safe for concurrent processes:
// files appear complete or not at all.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "exec/cpu/kernel.h"

namespace lamina::cpu {

// What a kernel is called with (LmCall of the prelude).
struct KernelCall {
  void* const* buffers = nullptr;
  const long* sizes = nullptr;
  char* scratch = nullptr;
};
using KernelFunction = void (*)(const KernelCall* call, long begin, long end);

struct Compiler {
  std::string path;
  std::string identity;  // changes when the compiler is replaced
};

// The first of c++, g++ and clang++ in PATH.
std::optional<Compiler> find_compiler();

// Where compiled kernels are kept when RunOptions does not say: $XDG_CACHE_HOME/lamina,
// ~/.cache/lamina, or a folder of this user under the folder for temporary files.
std::string default_cache_dir();

class CompileCache {
 public:
  // Makes the folder, readable by this user only; throws kIo when that fails and kInvalidArgument
  // when it belongs to somebody else (who could put code into it).
  CompileCache(std::string folder, Compiler compiler, Target target);

  struct Loaded {
    std::vector<KernelFunction> functions;         // one per text
    std::vector<std::shared_ptr<void>> libraries;  // keep the functions in memory
    int compiles = 0;                              // compiler runs
  };
  // Equal texts share a function. Throws kExhausted when more than `max_compiles` runs of the
  // compiler would be needed.
  Loaded load(std::span<const std::string> texts, int max_compiles) const;

 private:
  struct Unit;  // a translation unit
  std::string key(const std::string& text) const;
  std::string library_path(const std::string& key) const;
  std::vector<Unit> make_units(const std::vector<std::pair<std::string, std::string>>& fresh) const;
  void compile(std::vector<Unit>& units) const;
  void start(Unit& unit) const;
  std::string finish(Unit& unit) const;  // an error message, or ""
  void publish(const Unit& unit) const;

  std::string folder_;
  Compiler compiler_;
  Target target_;
  std::string environment_;  // all of a key but the kernel's text, hashed
};

}  // namespace lamina::cpu
