// Made-up samples for the inputs of any network. Targets follow from the other inputs, so that
// there is something to learn: a sample's score is a random weighted sum of its values, squashed to
// (0, 1); a real target is the score, a class is the score's part of the classes. Values at the
// same place of the last axis (features of tokens) have the same weight, so that networks that do
// not know the order of tokens can learn it, too.
#include <cmath>
#include <unordered_map>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"
#include "nn/train/readers.h"

namespace lamina::train {
namespace {

struct Source {
  std::string name;
  Type type;
  std::int64_t rows = 1;   // for each sample
  Shape row;               // shape of one
  std::int64_t limit = 0;  // integers are below it
  bool target = false;

  std::int64_t elements() const { return rows * element_count(row); }
  std::int64_t features() const { return row.empty() ? 1 : row.back(); }
};

bool is_target(std::string_view name) {
  return name.find("target") != std::string_view::npos ||
         name.find("label") != std::string_view::npos;
}

// Integers are indices into what their readers say: rows of a table, or classes.
std::int64_t limit_of(const Graph& graph, Value value) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] != value) continue;
      const std::string_view op = op_name(node);
      std::optional<std::int64_t> limit;
      if ((op == "embedding" || op == "gather") && i == 1) {
        limit = graph.type(node.inputs[0]).shape[0].constant();
      } else if (op == "cross_entropy" && i == 1) {
        const Dims& shape = graph.type(node.inputs[0]).shape;
        const std::int64_t axis = node.attrs.integer("axis");
        limit =
            shape[static_cast<std::size_t>(axis < 0 ? axis + std::ssize(shape) : axis)].constant();
      } else if (op == "one_hot") {
        limit = node.attrs.dims("depth")[0].constant();
      } else if (op == "reshape" || op == "cast" || op == "slice" || op == "transpose") {
        limit = limit_of(graph, {static_cast<NodeId>(n), 0});
      }
      if (limit.value_or(0) > 0) return *limit;
    }
  }
  return 0;
}

class Synthetic final : public Dataset {
 public:
  Synthetic(std::vector<Source> sources, std::uint64_t seed, std::int64_t first, std::int64_t size)
      : sources_(std::move(sources)), seed_(seed), first_(first), size_(size) {}

  std::int64_t size() const override { return size_; }

  NamedTensors batch(std::span<const std::int64_t> samples) const override {
    check_samples(samples, size_);
    Values values(sources_.size());
    for (const std::int64_t sample : samples) append(first_ + sample, values);
    NamedTensors result;
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      Shape shape = sources_[s].row;
      shape.insert(shape.begin(), sources_[s].rows * static_cast<std::int64_t>(samples.size()));
      result[sources_[s].name] = Tensor::from_doubles(sources_[s].type.dtype, shape, values[s]);
    }
    return result;
  }

 private:
  using Values = std::vector<std::vector<double>>;  // by source

  // Drawing takes longer than a small network does: samples are remembered.
  void append(std::int64_t sample, Values& values) const {
    const auto found = known_.find(sample);
    if (found == known_.end()) {
      Values drawn(sources_.size());
      draw(sample, drawn);
      append(drawn, values);
      for (const std::vector<double>& of_source : drawn) remembered_ += std::ssize(of_source);
      if (remembered_ < kMostRemembered) known_.emplace(sample, std::move(drawn));
    } else {
      append(found->second, values);
    }
  }
  static void append(const Values& sample, Values& values) {
    for (std::size_t s = 0; s < sample.size(); ++s) {
      values[s].insert(values[s].end(), sample[s].begin(), sample[s].end());
    }
  }

  // Weights of the score: one number for each feature, the same for all samples.
  double weight(std::size_t source, std::int64_t feature) const {
    return Rng(seed_).split(source + 1).split(static_cast<std::uint64_t>(feature)).normal();
  }

  void draw(std::int64_t sample, Values& values) const {
    double score = 0.0;
    std::int64_t count = 0;
    const Rng stream = Rng(seed_).split(0).split(static_cast<std::uint64_t>(sample));
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      const Source& source = sources_[s];
      if (source.target) continue;
      Rng rng = stream.split(s);
      for (std::int64_t e = 0; e < source.elements(); ++e) {
        const bool whole = traits(source.type.dtype).is_integer;
        const double value =
            whole ? static_cast<double>(rng.integer(0, source.limit - 1)) : rng.normal();
        values[s].push_back(value);
        const std::int64_t feature = e % source.features();
        if (feature >= kScored) continue;
        const double centred =
            whole ? 3.4 * (value + 0.5) / static_cast<double>(source.limit) - 1.7 : value;
        score += weight(s, feature) * centred;
        ++count;
      }
    }
    score /= std::sqrt(static_cast<double>(std::max<std::int64_t>(1, count)));
    add_targets(1.0 / (1.0 + std::exp(-2.0 * score)), values);
  }

  void add_targets(double score, Values& values) const {
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      const Source& source = sources_[s];
      if (!source.target) continue;
      const double value = traits(source.type.dtype).is_float
                               ? score
                               : std::floor(score * static_cast<double>(source.limit));
      values[s].insert(values[s].end(), static_cast<std::size_t>(source.elements()), value);
    }
  }

  static constexpr std::int64_t kScored = 16;  // features of an input that the score depends on

  std::vector<Source> sources_;
  std::uint64_t seed_;
  std::int64_t first_;  // tests have samples behind those of training
  std::int64_t size_;
  static constexpr std::int64_t kMostRemembered = 1 << 25;  // numbers
  mutable std::unordered_map<std::int64_t, Values> known_;
  mutable std::int64_t remembered_ = 0;
};

Source source_of(const Graph& graph, const Input& input) {
  const Node& node = graph.nodes[static_cast<std::size_t>(input.node)];
  Source source{node.name, node.types[0]};
  source.target = is_target(node.name);
  Dims row = source.type.shape;
  source.rows = row[0].evaluate({{std::string(kSamples), 1}});
  row.erase(row.begin());
  const std::optional<Shape> shape = constant_shape(row);
  require(shape.has_value(), "synthetic: input '{}' has no fixed shape: {}", node.name,
          to_string(source.type));
  source.row = *shape;
  if (traits(source.type.dtype).is_integer) {
    source.limit = limit_of(graph, {input.node, 0});
    require(source.limit > 0, "synthetic: nothing says how large the integers of input '{}' may be",
            node.name);
  } else {
    require(traits(source.type.dtype).is_float, "synthetic: input '{}' is {}", node.name,
            traits(source.type.dtype).name);
  }
  return source;
}

}  // namespace

std::unique_ptr<Dataset> make_synthetic(const DatasetOptions& options, Split split,
                                        const Network& network) {
  require(options.samples > 0, "samples {}: expected at least 1", options.samples);
  std::vector<Source> sources;
  for (const Input& input : network.graph.inputs) {
    if (input.role != Role::kWeight) sources.push_back(source_of(network.graph, input));
  }
  const bool training = split == Split::kTraining;
  const std::int64_t tests = std::max<std::int64_t>(1, options.samples / 8);
  return std::make_unique<Synthetic>(
      std::move(sources), static_cast<std::uint64_t>(options.data_seed),
      training ? 0 : options.samples, training ? options.samples : tests);
}

}  // namespace lamina::train
