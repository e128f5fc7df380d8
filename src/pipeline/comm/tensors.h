// Tensors by name, from one rank to another that does not know their names and shapes.
#pragma once

#include "lamina/io.h"
#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

// Both wait. Messages of other uses of `tag` between the two ranks must be done.
void send_tensors(Transport& transport, int to, int tag, const NamedTensors& tensors);
NamedTensors receive_tensors(Transport& transport, int from, int tag);

// Text of any length.
void send_text(Transport& transport, int to, int tag, std::string_view text);
std::string receive_text(Transport& transport, int from, int tag);

}  // namespace lamina::pipeline
