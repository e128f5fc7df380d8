// Tensors by name: looked up, and copied over others of the same type.
#pragma once

#include <string>
#include <string_view>

#include "lamina/io.h"

namespace lamina::train {

// "<parameter>/<what>"
std::string state_name(std::string_view parameter, std::string_view what);

// Throws kInvalidArgument that names the tensor and where it was looked for.
const Tensor& find_tensor(const NamedTensors& tensors, const std::string& name,
                          std::string_view where);

// Copies the elements of `from` over those of the dense `to`. Throws kInvalidArgument unless type
// and shape are equal.
void copy_into(const Tensor& from, Tensor& to, std::string_view name);

}  // namespace lamina::train
