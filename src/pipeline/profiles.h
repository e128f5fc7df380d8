// Profiles that the planners before us were measured with.
#pragma once

#include <string_view>

#include "lamina/pipeline.h"

namespace lamina::pipeline {

// `graph.txt` of PipeDream's profiler (arXiv:1806.03377), a line for each operator and each edge:
//   NAME " -- " DESCRIPTION " -- forward_compute_time=" MS ", backward_compute_time=" MS
//        ", activation_size=" BYTES ", parameter_size=" BYTES
//   TAB NAME " -- " NAME
// Sizes of several tensors are "[" BYTES {"; " BYTES} "]". Operators called Input... cost nothing:
// their times are those of reading data. Half of a backward time is taken for each gradient.
Computation read_pipedream(std::string_view text, std::string_view source, double batch);

// JSON of Piper (Tarnawski et al., NeurIPS 2021): the entries of tensor degree 1 that do not
// recompute. A time is that of all passes; a third of it is taken for each.
Computation read_piper(std::string_view text, std::string_view source);

}  // namespace lamina::pipeline
