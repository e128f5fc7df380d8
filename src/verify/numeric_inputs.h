// Harsh inputs for the numerical layer: what each input ranges over, and samples of it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/array.h"
#include "lamina/numeric.h"

namespace lamina {

// One input of two programs with the same signature.
struct NumericInput {
  DType dtype = DType::kF32;
  Shape shape;
  bool is_weight = false;
  // Reals: what they range over, and the deviation of normal samples about the middle of that.
  ValueRange range;
  double size = 1.0;
  // Other types: first..last.
  std::int64_t first = 0;
  std::int64_t last = 0;
  // Weights have the same elements in all samples, at corners only if they came with the graph.
  bool given = false;
  std::vector<double> elements;
  std::vector<std::int64_t> integers;
};

// All inputs, weights and states of the graphs (named sizes bound), in order.
std::vector<NumericInput> numeric_inputs(const Graph& reference, const Graph& candidate,
                                         const NumericOptions& options);

// How many samples of a distribution there are: one per maskable input, several corners.
int sample_count(Distribution distribution, const std::vector<NumericInput>& inputs);

// Sample `index`: elements rounded to the dtypes of the inputs. The same for the same seed.
std::vector<Array<double>> draw_sample(const std::vector<NumericInput>& inputs,
                                       Distribution distribution, int index, std::uint64_t seed);

}  // namespace lamina
