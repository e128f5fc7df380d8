// Folders with a program for all sizes and programs for classes of them.
#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "lamina/io.h"

namespace lamina {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVersion = 1;

std::string general_path(const std::string& folder) {
  return (fs::path(folder) / "graph.lam").string();
}
std::string list_path(const std::string& folder) {
  return (fs::path(folder) / "classes.json").string();
}
std::string class_name(std::size_t n) { return fmt::format("graph_{}.lam", n + 1); }

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) fail(ErrorCode::kIo, "cannot remove '{}': {}", path.string(), error.message());
}

bool overlap(std::span<const SizeRange> a, std::span<const SizeRange> b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].max < b[i].min || b[i].max < a[i].min) return false;
  }
  return true;
}

bool is_within(std::span<const SizeRange> sizes, std::span<const SizeRange> all) {
  if (sizes.size() != all.size()) return false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (sizes[i].name != all[i].name || sizes[i].min < all[i].min || sizes[i].max > all[i].max ||
        sizes[i].min > sizes[i].max) {
      return false;
    }
  }
  return !all.empty();
}

bool contains(std::span<const SizeRange> ranges, const Sizes& sizes) {
  return std::all_of(ranges.begin(), ranges.end(), [&](const SizeRange& range) {
    const auto found = sizes.find(range.name);
    return found != sizes.end() && found->second >= range.min && found->second <= range.max;
  });
}

const Node& node_of(const Graph& graph, const Input& input) { return graph.node({input.node, 0}); }

// What callers of either program see: inputs and outputs by name, role and dtype, in order.
bool same_signature(const Graph& a, const Graph& b) {
  const auto inputs = [](const Graph& x, const Input& i, const Graph& y, const Input& j) {
    return i.role == j.role && node_of(x, i).name == node_of(y, j).name &&
           node_of(x, i).types[0].dtype == node_of(y, j).types[0].dtype;
  };
  return std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(),
                    [&](const Input& i, const Input& j) { return inputs(a, i, b, j); }) &&
         std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(),
                    [](const Output& i, const Output& j) { return i.name == j.name; });
}

Json written(std::span<const SizeRange> sizes) {
  Json json;
  for (const SizeRange& range : sizes) {
    json[range.name] = Json::Array{Json(range.min), Json(range.max)};
  }
  return json;
}

std::vector<SizeRange> read_sizes(const Json& json) {
  std::vector<SizeRange> sizes;
  for (const auto& [name, range] : json.object()) {
    require(range.array().size() == 2, "'{}' wants a smallest and a largest value", name);
    sizes.push_back({name, range.array()[0].integer(), range.array()[1].integer()});
  }
  return sizes;
}

// The list goes first, then its programs from the last on: what an interrupted run leaves is told
// from a whole folder.
void remove_classes(const std::string& folder) {
  remove_file(list_path(folder));
  std::size_t n = 0;
  while (is_there(fs::path(folder) / class_name(n))) ++n;
  while (n > 0) remove_file(fs::path(folder) / class_name(--n));
}

}  // namespace

void save_programs(const std::string& folder, const Graph& graph,
                   std::span<const ClassProgram> classes) {
  for (std::size_t i = 0; i < classes.size(); ++i) {
    require(is_within(classes[i].sizes, graph.sizes), "class {} is not one of '{}'", i + 1,
            graph.name);
    require(same_signature(classes[i].graph, graph), "class {} has other inputs or outputs", i + 1);
    for (std::size_t j = 0; j < i; ++j) {
      require(!overlap(classes[i].sizes, classes[j].sizes), "classes {} and {} overlap", j + 1,
              i + 1);
    }
  }
  make_folder(folder);
  remove_classes(folder);
  save_model(general_path(folder), graph);
  if (classes.empty()) return;
  Json list;
  list["version"] = kVersion;
  list["graph"] = structure_hash(graph);
  for (std::size_t n = 0; n < classes.size(); ++n) {
    write_file_atomically((fs::path(folder) / class_name(n)).string(),
                          print_graph(classes[n].graph));
    Json row;
    row["file"] = class_name(n);
    row["hash"] = structure_hash(classes[n].graph);
    row["sizes"] = written(classes[n].sizes);
    list["classes"].push_back(std::move(row));
  }
  // Last: what it lists is there.
  write_file_atomically(list_path(folder), list.dump());
}

bool is_program_folder(const std::string& path) {
  if (is_there(fs::path(path) / "config.json")) return false;
  return is_there(general_path(path)) || is_there(list_path(path));
}

ProgramFolder::ProgramFolder(const std::string& path) : graph_(load_model(general_path(path))) {
  const std::string list = list_path(path);
  if (!is_there(list)) {
    if (!is_there(fs::path(path) / class_name(0))) return;
    fail(ErrorCode::kNotFound, "'{}' is missing, which lists {} and what follows it", list,
         class_name(0));
  }
  try {
    const Json json = Json::parse(read_file(list));
    require(json.at("version").integer() == kVersion, "version {} is not {}",
            json.at("version").integer(), kVersion);
    require(json.at("graph").text() == structure_hash(graph_), "graph.lam is of another run");
    for (const Json& row : json.at("classes").array()) {
      const std::size_t n = classes_.size();
      const std::string& file = row.at("file").text();
      require(file == class_name(n), "entry {} is '{}', not '{}'", n, file, class_name(n));
      Entry entry{read_sizes(row.at("sizes")), (fs::path(path) / file).string(),
                  row.at("hash").text()};
      require(is_within(entry.sizes, graph_.sizes), "{}: its sizes are not those of graph.lam",
              file);
      for (const Entry& other : classes_) {
        require(!overlap(entry.sizes, other.sizes), "{} overlaps an earlier class", file);
      }
      classes_.push_back(std::move(entry));
    }
  } catch (const Error& error) {
    throw Error(error.code(), list + ": " + error.what());
  }
}

Graph ProgramFolder::load_class(std::size_t n) const {
  const Entry& entry = classes_.at(n);
  Graph graph = parse_graph(read_file(entry.path), entry.path);
  require(structure_hash(graph) == entry.hash && same_signature(graph, graph_),
          "'{}' is not the program that classes.json lists", entry.path);
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    graph.inputs[i].value = graph_.inputs[i].value;
  }
  return graph;
}

Graph ProgramFolder::program_for(const Sizes& sizes) const {
  for (std::size_t n = 0; n < classes_.size(); ++n) {
    if (contains(classes_[n].sizes, sizes)) return load_class(n);
  }
  return graph_;
}

}  // namespace lamina
