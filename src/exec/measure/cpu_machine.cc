// Descriptions of processors as JSON, and the one that the cache folder remembers.
#include <filesystem>
#include <type_traits>

#include "base/check.h"
#include "base/file_lock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "exec/cpu/compile_cache.h"
#include "exec/cpu/target.h"
#include "lamina/machine.h"

namespace lamina {
namespace {

constexpr std::int64_t kVersion = 2;
constexpr std::string_view kDevice = "cpu";

// Reads the values of one description; messages name the file and the key.
class Reader {
 public:
  Reader(const Json& json, std::string_view source) : json_(json), source_(source) {}

  const Json& at(std::string_view key) const {
    const Json* value = json_.find(key);
    require(value != nullptr, "{}: '{}' is missing", source_, key);
    return *value;
  }

  void read(std::string_view key, std::string& field) const {
    require(std::holds_alternative<std::string>(at(key).value()), "{}: {} must be a text", source_,
            key);
    field = at(key).text();
  }

  template <class Number>
  void read(std::string_view key, Number& field) const {
    const double value = number(key);
    // Only a shared cache may be absent.
    const bool absent_is_fine = key.starts_with("l3_") && value == 0.0;
    require(value > 0.0 || absent_is_fine, "{}: {} must be positive, got {}", source_, key, value);
    if constexpr (std::is_integral_v<Number>) {
      require(std::holds_alternative<std::int64_t>(at(key).value()),
              "{}: {} must be a whole number, got {}", source_, key, value);
      require(value <= static_cast<double>(kLargest<Number>), "{}: {} is too large: {}", source_,
              key, value);
    }
    field = static_cast<Number>(value);
  }

 private:
  template <class Number>
  static constexpr std::int64_t kLargest = sizeof(Number) == sizeof(int) ? 1 << 20
                                                                         : std::int64_t{1} << 50;

  double number(std::string_view key) const {
    const Json& value = at(key);
    const bool fits = std::holds_alternative<std::int64_t>(value.value()) ||
                      std::holds_alternative<double>(value.value());
    require(fits, "{}: {} must be a number", source_, key);
    return value.real();
  }

  const Json& json_;
  std::string_view source_;
};

// By what decides the rates: the processor and how many of its cores are used.
std::string remembered_path(const RunOptions& options) {
  const int threads = options.threads > 0 ? options.threads : usable_cores();
  Hasher hasher;
  hasher.add(cpu::processor_identity()).add(std::to_string(threads)).add(std::to_string(kVersion));
  const std::string folder =
      options.cache_dir.empty() ? cpu::default_cache_dir() : options.cache_dir;
  return folder + "/machine-" + hasher.hex() + ".json";
}

}  // namespace

std::string to_json(const CpuMachine& machine) {
  Json json;
  json["version"] = kVersion;
  json["device"] = kDevice;
  CpuMachine::fields(machine,
                     [&](std::string_view key, const auto& field) { json[key] = Json(field); });
  return json.dump();
}

CpuMachine parse_cpu_machine(std::string_view text, std::string_view source) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Error& error) {
    fail(ErrorCode::kInvalidArgument, "{}: expected a machine description: {}", source,
         error.what());
  }
  require(std::holds_alternative<Json::Object>(json.value()), "{}: expected a JSON object", source);
  const Reader reader(json, source);
  std::string device;
  require(json.find("sm") == nullptr, "{}: describes a GPU, expected a processor", source);
  reader.read("device", device);
  require(device == kDevice, "{}: device must be \"{}\", got \"{}\"", source, kDevice, device);
  std::int64_t version = 0;
  reader.read("version", version);
  if (version != kVersion) {
    fail(ErrorCode::kUnsupported, "{}: version {}, known is {}", source, version, kVersion);
  }
  CpuMachine machine;
  CpuMachine::fields(machine, [&](std::string_view key, auto& field) { reader.read(key, field); });
  return machine;
}

CpuMachine load_cpu_machine(const std::string& path) {
  return parse_cpu_machine(read_file(path), path);
}

RememberedMachine remembered_cpu_machine(const RunOptions& options) {
  const std::string path = remembered_path(options);
  make_folder(std::filesystem::path(path).parent_path().string());
  // Two that measured at once would disturb each other, and each would go by other figures.
  const FileLock lock(path + ".lock");
  RememberedMachine result;
  if (std::filesystem::exists(path)) {
    try {
      return {load_cpu_machine(path), ""};
    } catch (const Error& error) {
      result.warning = fmt::format("{}; the processor is measured again", error.what());
    }
  }
  result.machine = measure_cpu_machine(options);
  write_file_atomically(path, to_json(result.machine));
  return result;
}

}  // namespace lamina
