// Tensors by name.
#include "nn/train/tensor_names.h"

#include <cstring>

#include "base/check.h"

namespace lamina::train {

std::string state_name(std::string_view parameter, std::string_view what) {
  return fmt::format("{}/{}", parameter, what);
}

const Tensor& find_tensor(const NamedTensors& tensors, const std::string& name,
                          std::string_view where) {
  const auto found = tensors.find(name);
  require(found != tensors.end(), "{}: there is no '{}'", where, name);
  return found->second;
}

void copy_into(const Tensor& from, Tensor& to, std::string_view name) {
  require(from.dtype() == to.dtype() && from.shape() == to.shape(), "'{}' is {}{}; expected {}{}",
          name, traits(from.dtype()).name, to_string(from.shape()), traits(to.dtype()).name,
          to_string(to.shape()));
  const Tensor dense = from.dense();
  std::memcpy(to.data(), dense.data(), to.bytes());
}

}  // namespace lamina::train
