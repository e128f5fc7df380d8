// Files: models (Lamina's text form, ONNX), programs of Mirage, tensors (NumPy .npy, safetensors).
//
// Every reader checks each length against the bytes that exist and throws kInvalidArgument for a
// malformed file, kUnsupported (naming what is missing) for a well-formed file that Lamina cannot
// take, kNotFound for an absent one and kIo when the system fails. Every writer writes a temporary
// file beside the target and renames it, so that a failure leaves an existing file intact.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/error.h"
#include "lamina/graph.h"
#include "lamina/tensor.h"

namespace lamina {

// How a model file becomes a graph.
struct LoadOptions {
  // Elements of graph inputs, by name. The graph is specialised on them: such an input is a
  // constant. Needed for inputs that decide shapes, axes or branches in an ONNX model.
  std::map<std::string, Tensor, std::less<>> fixed_inputs;
  // Use fixed_inputs only where something that must be known (a shape, an axis, a branch) depends
  // on them; the other inputs stay inputs of the graph.
  bool fix_only_needed = false;
  // Values of named sizes (ONNX dim_param). Sizes without a value stay symbolic.
  Sizes sizes;
};

// Reads a model in any format of model_formats(). The format is told by the extension, and by the
// first bytes when no format has that extension. A .lam file gets the elements of its weights from
// the sibling NAME.safetensors when there is one. Of a folder of programs (below) it is the one of
// the class that the sizes of the options are in.
Graph load_model(const std::string& path, const LoadOptions& options = {});
// Writes the text form to a `path` that ends in .lam and, when the graph carries the elements of
// weights, the sibling NAME.safetensors, which is written first. To a path that ends in .onnx it
// writes ONNX and throws kUnsupported that names what ONNX cannot say (docs/formats.md).
void save_model(const std::string& path, const Graph& graph);

// One row per model format.
struct ModelFormat {
  std::string_view name;       // "onnx"
  std::string_view extension;  // ".onnx"
  // True when a file that begins with these bytes (at most 4096) may be of this format.
  bool (*looks_like)(std::string_view head);
  Graph (*load)(const std::string& path, const LoadOptions& options);
};
std::span<const ModelFormat> model_formats();

// A program that serves a class of sizes: within the ranges of another, one range for each name.
struct ClassProgram {
  std::vector<SizeRange> sizes;
  Graph graph;  // names with one value in the class are bound in it
};

// Writes a folder of programs (docs/formats.md): graph.lam, which serves all sizes, graph_<n>.lam
// for the classes, classes.json that lists them, and one file of weights. The graphs of the classes
// have the inputs of `graph` and share the elements of its weights; classes do not overlap. Classes
// that were there before are removed first.
void save_programs(const std::string& folder, const Graph& graph,
                   std::span<const ClassProgram> classes = {});

// A folder that holds graph.lam, or classes that want it, and no config.json of another model.
bool is_program_folder(const std::string& path);

// Reads the programs of a folder. Throws kNotFound for a missing file, kInvalidArgument when the
// files are damaged or are not of one run.
class ProgramFolder {
 public:
  explicit ProgramFolder(const std::string& path);

  const Graph& graph() const { return graph_; }  // serves all sizes
  std::size_t classes() const { return classes_.size(); }
  const std::vector<SizeRange>& sizes(std::size_t n) const { return classes_.at(n).sizes; }
  // Reads the program of a class; its weights share their elements with those of graph().
  Graph load_class(std::size_t n) const;
  // The program of the class that these sizes are in; graph() where they are in none, or not all
  // given.
  Graph program_for(const Sizes& sizes) const;

 private:
  struct Entry {
    std::vector<SizeRange> sizes;
    std::string path;
    GraphHash hash;
  };

  Graph graph_;
  std::vector<Entry> classes_;
};

// A stored program of Mirage: a graph with block graphs, or why Lamina cannot read it.
struct StoredProgram {
  Graph graph;  // inputs x0, x1, ... in the order of the file
  std::optional<Error> refusal;
};

// Reads the JSON of one program or of a list of programs (docs/formats.md). Rounding aside, a
// program means the same in any float type: `dtype` replaces that of the file. Throws
// kInvalidArgument for what is no such JSON; what is wrong with one program is its `refusal`.
std::vector<StoredProgram> load_programs(const std::string& path, std::optional<DType> dtype = {});
std::vector<StoredProgram> parse_programs(std::string_view text, std::string_view origin,
                                          std::optional<DType> dtype = {});

// NumPy arrays, format versions 1 to 3, any byte order, C or Fortran order; dtypes f8 f4 f2 i8 i4
// i1 u1 b1. bf16 has no NumPy name: it is written as '<V2' (what ml_dtypes does), and '<V2' is
// read as bf16. '<u2' is refused unless `u2_is_bf16`: it may hold the bits of bf16 or integers.
Tensor load_npy(const std::string& path, bool u2_is_bf16 = false);
// Packed dtypes are written decoded, as f4.
void save_npy(const std::string& path, const Tensor& tensor);

using NamedTensors = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

// The tensors of a safetensors file (dtypes F64 F32 F16 BF16 I64 I32 I8 U8 BOOL). Their elements
// are mapped from the file, not copied, whenever their place in it is aligned.
NamedTensors load_safetensors(const std::string& path);
// The "__metadata__" of a safetensors file.
Metadata load_safetensors_metadata(const std::string& path);
// Packed dtypes are refused with kUnsupported: safetensors has no names for them.
void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const Metadata& metadata = {});

}  // namespace lamina
