// Runs generated CUDA kernels on the CPU: for tests.
//
// Each thread of a block is a fibre (ucontext). A fibre runs until it meets a barrier, a shuffle or
// a tensor-core product, in an order drawn from a seed, so that a missing barrier shows as a wrong
// result under some seed. Shared memory and registers begin as garbage. Asynchronous copies happen
// when they are waited for, not before. Products by tensor cores follow the register layouts of the
// PTX manual, lane by lane.
#pragma once

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/check.h"
#include "base/hash.h"
#include "base/process.h"
#include "exec/cpu/compile_cache.h"
#include "exec/cuda/kernel.h"
#include "exec/cuda/prelude.h"

namespace lamina::cuda {

inline constexpr std::string_view kEmulation = R"lm(
#include <math.h>
#include <string.h>
#include <ucontext.h>
#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>
#define LM static inline
#define __device__
#define __forceinline__ inline
#define LM_KERNEL(threads) extern "C" void
#define LM_SHARED(name) unsigned char* const name = emu::shared()
#define LM_SYNC() emu::barrier()
namespace emu {
constexpr std::size_t kStack = 256 << 10;
struct Copy { void* to; const void* from; int bytes, valid; };
struct Fibre {
  ucontext_t context;
  bool finished = false;
  long passed = 0, met = 0;  // barriers of the block, meetings of the warp
  std::vector<std::vector<Copy>> groups;
  std::vector<Copy> open;
};
struct Meeting { unsigned long words[32][8]; int arrived = 0, left = 0; };
struct Block {
  std::vector<Fibre> fibres;
  std::vector<unsigned char> memory;
  std::vector<Meeting> meetings;
  ucontext_t scheduler;
  int current = 0, waiting = 0;
  long barriers = 0, index = 0;
  std::function<void()> body;
};
inline Block* block = nullptr;
inline unsigned char* shared() { return block->memory.data(); }
inline Fibre& self() { return block->fibres[(std::size_t)block->current]; }
inline void yield() { Fibre& f = self(); swapcontext(&f.context, &block->scheduler); }
inline void barrier() {
  const long mine = block->barriers;
  if (++block->waiting == (int)block->fibres.size()) {
    block->waiting = 0;
    ++block->barriers;
  }
  while (block->barriers == mine) yield();
}
// Every lane gives `mine`; when all 32 have, `use` sees them all.
template <class F> inline void meet(const unsigned long (&mine)[8], F use) {
  Meeting& m = block->meetings[(std::size_t)block->current / 32];
  while (m.left > 0) yield();
  memcpy(m.words[block->current % 32], mine, sizeof mine);
  if (++m.arrived == 32) m.left = 32;
  while (m.left == 0) yield();
  use(m);
  if (--m.left == 0) m.arrived = 0;
}
inline void enter() {
  block->body();
  self().finished = true;
  yield();
}
// False when threads wait for others that have ended.
inline bool run(long blocks, int threads, long bytes, unsigned seed,
                const std::function<void()>& body) {
  std::mt19937 random(seed);
  // Of all blocks in turn: fresh ones would cost more than most kernels.
  const std::unique_ptr<char[]> stacks(new char[kStack * (std::size_t)threads]);
  for (long b = 0; b < blocks; ++b) {
    Block now;
    block = &now;
    now.index = b;
    now.body = body;
    now.memory.resize((std::size_t)bytes + 64);
    for (auto& byte : now.memory) byte = 0xff;
    now.fibres.resize((std::size_t)threads);
    now.meetings.resize((std::size_t)(threads + 31) / 32);
    std::vector<int> order;
    for (int t = 0; t < threads; ++t) {
      Fibre& f = now.fibres[(std::size_t)t];
      getcontext(&f.context);
      f.context.uc_stack.ss_sp = stacks.get() + kStack * (std::size_t)t;
      f.context.uc_stack.ss_size = kStack;
      f.context.uc_link = nullptr;
      makecontext(&f.context, (void (*)())enter, 0);
      order.push_back(t);
    }
    long idle = 0;
    for (std::size_t ended = 0; ended < order.size();) {
      std::shuffle(order.begin(), order.end(), random);
      const std::size_t before = ended;
      const long barriers = now.barriers;
      for (const int t : order) {
        Fibre& f = now.fibres[(std::size_t)t];
        if (f.finished) continue;
        now.current = t;
        swapcontext(&now.scheduler, &f.context);
        ended += f.finished;
      }
      idle = ended == before && now.barriers == barriers ? idle + 1 : 0;
      if (idle > 1000000 / threads || (now.waiting > 0 && ended > 0 && idle > 100)) return false;
    }
  }
  return true;
}
inline void finish_copy(const Copy& copy) {
  memset(copy.to, 0, (std::size_t)copy.bytes);
  memcpy(copy.to, copy.from, (std::size_t)copy.valid);
}
inline float half_float(unsigned short h) {
  const int e = h >> 10 & 31, m = h & 1023;
  const float finite = e ? ldexpf((float)(m + 1024), e - 25) : ldexpf((float)m, -24);
  const float x = e < 31 ? finite : m ? NAN : INFINITY;
  return h & 0x8000 ? -x : x;
}
inline float word_float(unsigned u) { float x; memcpy(&x, &u, 4); return x; }
inline float bf16_float(unsigned short h) { return word_float((unsigned)h << 16); }
template <class F> inline void mma16(float* c, const unsigned* a, const unsigned* b, F number) {
  const unsigned long mine[8] = {a[0], a[1], a[2], a[3], b[0], b[1], 0, 0};
  meet(mine, [&](const Meeting& m) {
    const int lane = block->current % 32, g = lane / 4, t = lane % 4;
    const auto half = [&](int from, int word, int high) {
      return number((unsigned short)(m.words[from][word] >> (16 * high)));
    };
    for (int e = 0; e < 4; ++e) {
      const int row = g + 8 * (e / 2), column = 2 * t + e % 2;
      float sum = 0;
      for (int k = 0; k < 16; ++k) {
        const int from_a = row % 8 * 4 + k % 8 / 2, from_b = column * 4 + k % 8 / 2;
        sum += half(from_a, row / 8 + 2 * (k / 8), k % 2) * half(from_b, 4 + k / 8, k % 2);
      }
      c[e] += sum;
    }
  });
}
// Times that two of the eight rows which ldmatrix reads at once lay in the same banks.
inline long conflicts = 0;
inline void count_conflicts(const Meeting& m, int matrix) {
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < i; ++j) {
      const unsigned long a = m.words[8 * matrix + i][0], b = m.words[8 * matrix + j][0];
      conflicts += a != b && a / 16 % 8 == b / 16 % 8;
    }
}
}  // namespace emu
extern "C" long bank_conflicts() { return emu::conflicts; }
template <int COUNT, bool TRANSPOSED> LM void lm_ldmatrix(unsigned* r, const void* p) {
  if ((unsigned long)p % 16) __builtin_trap();
  const unsigned long mine[8] = {(unsigned long)p};
  emu::meet(mine, [&](const emu::Meeting& m) {
    const int lane = emu::block->current % 32, g = lane / 4, t = lane % 4;
    for (int k = 0; k < COUNT; ++k) {
      if (lane == 0) emu::count_conflicts(m, k);
      r[k] = 0;
      for (int e = 0; e < 2; ++e) {
        const int row = TRANSPOSED ? 2 * t + e : g, column = TRANSPOSED ? g : 2 * t + e;
        const auto* from = (const unsigned short*)m.words[8 * k + row][0];
        r[k] |= (unsigned)from[column] << (16 * e);
      }
    }
  });
}
LM int lm_thread() { return emu::block->current; }
LM long lm_block() { return emu::block->index; }
LM float lm_bits_float(unsigned u) { return emu::word_float(u); }
LM unsigned lm_float_bits(float x) { unsigned u; memcpy(&u, &x, 4); return u; }
LM float lm_f16_float(unsigned short h) { return emu::half_float(h); }
LM unsigned short lm_float_f16(float x) {
  const unsigned short sign = signbit(x) ? 0x8000 : 0;
  x = fabsf(x);
  if (x != x) return sign | 0x7e00;
  if (x >= 65520.0f) return sign | 0x7c00;
  if (x < 0x1p-14f) return sign | (unsigned short)rintf(x * 0x1p24f);
  int e;
  const int m = (int)rintf(ldexpf(frexpf(x, &e), 11));
  return sign | (unsigned short)(((e + 14) << 10) + (m - 1024));
}
LM unsigned lm_to_tf32(float x) { return (lm_float_bits(x) + 0x1000u) & ~0x1fffu; }
template <class X> LM X lm_shuffle_xor(X x, int step) {
  unsigned long mine[8] = {};
  memcpy(mine, &x, sizeof x);
  emu::meet(mine, [&](const emu::Meeting& m) {
    memcpy(&x, m.words[(emu::block->current % 32) ^ step], sizeof x);
  });
  return x;
}
template <int BYTES> LM void lm_copy_async(void* to, const void* from, int valid) {
  if ((unsigned long)to % BYTES || (unsigned long)from % BYTES) __builtin_trap();
  emu::self().open.push_back({to, from, BYTES, valid});
}
LM void lm_copy_commit() {
  emu::Fibre& f = emu::self();
  f.groups.push_back(f.open);
  f.open.clear();
}
template <int LEFT> LM void lm_copy_wait() {
  emu::Fibre& f = emu::self();
  while (f.groups.size() > LEFT) {
    for (const auto& copy : f.groups.front()) emu::finish_copy(copy);
    f.groups.erase(f.groups.begin());
  }
}
LM void lm_mma_bf16(float* c, const unsigned* a, const unsigned* b) {
  emu::mma16(c, a, b, emu::bf16_float);
}
LM void lm_mma_f16(float* c, const unsigned* a, const unsigned* b) {
  emu::mma16(c, a, b, emu::half_float);
}
LM void lm_mma_tf32(float* c, const unsigned* a, const unsigned* b) {
  const unsigned long mine[8] = {a[0], a[1], a[2], a[3], b[0], b[1], 0, 0};
  emu::meet(mine, [&](const emu::Meeting& m) {
    const int lane = emu::block->current % 32, g = lane / 4, t = lane % 4;
    for (int e = 0; e < 4; ++e) {
      const int row = g + 8 * (e / 2), column = 2 * t + e % 2;
      for (int k = 0; k < 8; ++k)
        c[e] += emu::word_float((unsigned)m.words[row % 8 * 4 + k % 4][row / 8 + 2 * (k / 4)]) *
                emu::word_float((unsigned)m.words[column * 4 + k % 4][4 + k / 4]);
    }
  });
}
)lm";

// Kernels compiled for the CPU; called as cuLaunchKernel calls them.
class Emulator {
 public:
  explicit Emulator(const std::vector<Kernel>& kernels) : kernels_(kernels) {
    std::string text = std::string(kEmulation) + std::string(kPrelude) +
                       std::string(kPreludeProduct) + std::string(kPreludeOrder);
    for (std::size_t i = 0; i < kernels.size(); ++i) text += kernel_text(kernels[i], i);
    namespace fs = std::filesystem;
    const fs::path folder =
        fs::temp_directory_path() / fmt::format("lamina_emulation_{}", getuid());
    fs::create_directories(folder);
    const fs::path kept = folder / (Hasher().add(text).hex() + ".so");
    if (!fs::exists(kept)) compile(text, kept);
    library_ = dlopen(kept.c_str(), RTLD_NOW | RTLD_LOCAL);
    REQUIRE(library_ != nullptr);
  }
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;
  ~Emulator() {
    if (library_ != nullptr) dlclose(library_);
  }

  // Of all launches until now: see the emulation.
  long bank_conflicts() const {
    return reinterpret_cast<long (*)()>(dlsym(library_, "bank_conflicts"))();
  }

  // False when threads waited for ever.
  bool launch(std::size_t kernel, void** arguments, long blocks, unsigned seed) const {
    using Run = bool (*)(void**, long, int, long, unsigned);
    void* const symbol = dlsym(library_, fmt::format("run_{}", kernel).c_str());
    REQUIRE(symbol != nullptr);
    return reinterpret_cast<Run>(symbol)(arguments, blocks, kernels_[kernel].threads,
                                         static_cast<long>(kernels_[kernel].shared_bytes), seed);
  }

 private:
  static void compile(const std::string& text, const std::filesystem::path& to) {
    static int next = 0;
    const std::string base = fmt::format("{}.{}.{}", to.string(), getpid(), next++);
    std::ofstream(base + ".cc") << text;
    const auto compiler = cpu::find_compiler();
    REQUIRE(compiler.has_value());
    const ProcessResult result = run_process(
        {compiler->path, "-std=c++20", "-O1", "-w", "-fPIC", "-shared", "-o", base, base + ".cc"});
    INFO(result.output.substr(0, 4000));
    REQUIRE(result.status == 0);
    std::filesystem::remove(base + ".cc");
    std::filesystem::rename(base, to);
  }
  static std::string kernel_text(const Kernel& kernel, std::size_t i) {
    std::string text = kernel.text;
    const std::string name = fmt::format("kernel_{}", i);
    for (std::size_t at = 0; (at = text.find("NAME", at)) != std::string::npos;) {
      text.replace(at, 4, name);
    }
    std::string call = name + "(";
    for (std::size_t k = 0; k < kernel.parameters.size(); ++k) {
      call += fmt::format("*({}**)arguments[{}], ", kernel.parameters[k].type, k);
    }
    call += fmt::format("*(LmSizes*)arguments[{}])", kernel.parameters.size());
    return text + fmt::format(
                      "extern \"C\" bool run_{}(void** arguments, long blocks, int threads, long "
                      "bytes, unsigned seed) {{\nreturn emu::run(blocks, threads, bytes, seed, [=] "
                      "{{ {}; }});\n}}\n",
                      i, call);
  }

  std::vector<Kernel> kernels_;
  void* library_ = nullptr;
};

}  // namespace lamina::cuda
