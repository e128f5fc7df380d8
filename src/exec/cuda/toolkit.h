// nvcc, where there is one: from the text of kernels to cubins in a folder.
#pragma once

#include <optional>
#include <string>

namespace lamina::cuda {

struct Nvcc {
  std::string path;
  std::string identity;  // changes when the compiler is replaced
};

// nvcc in PATH, or in /usr/local/cuda/bin where the toolkit puts it.
std::optional<Nvcc> find_nvcc();

// The cubin of a translation unit for sm_<sm>. Kept in `folder` under a hash of the text, the
// compiler and the target, so that equal text is compiled once; safe for concurrent processes.
// Throws kInternal with the compiler's first error.
std::string compile_cubin(const Nvcc& nvcc, const std::string& text, int sm,
                          const std::string& folder);

}  // namespace lamina::cuda
