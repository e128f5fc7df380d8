// The readers of datasets, and what they share.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "lamina/train.h"

namespace lamina::train {

std::unique_ptr<Dataset> load_fashion_mnist(const DatasetOptions& options, Split split,
                                            const Network& network);
std::unique_ptr<Dataset> load_cifar10(const DatasetOptions& options, Split split,
                                      const Network& network);
std::unique_ptr<Dataset> load_text(const DatasetOptions& options, Split split,
                                   const Network& network);
std::unique_ptr<Dataset> make_synthetic(const DatasetOptions& options, Split split,
                                        const Network& network);

// The type of a network's input. Throws kNotFound that lists the inputs there are.
Type input_type(const Network& network, std::string_view name, std::string_view dataset);
// Its shape without the first axis, which must be N.
Shape sample_shape(const Type& type, std::string_view name);
// Throws kInvalidArgument for a number outside [0, size).
void check_samples(std::span<const std::int64_t> samples, std::int64_t size);

}  // namespace lamina::train
