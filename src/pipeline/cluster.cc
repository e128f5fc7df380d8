// Descriptions of the machines that a network is planned for.
#include <cmath>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "lamina/pipeline.h"
#include "pipeline/json_fields.h"

namespace lamina::pipeline {
namespace {

constexpr std::string_view kKind = "cluster";

Link read_link(const Json& json, const std::string& place) {
  const JsonFields fields(json, place);
  const Link link{fields.number("bytes_per_s"), fields.number_or("latency_s", 0.0)};
  fields.refuse_unread();
  return link;
}

Json write_link(const Link& link) {
  Json json;
  json["bytes_per_s"] = link.bytes_per_s;
  json["latency_s"] = link.latency_s;
  return json;
}

void validate_link(const Link& link, std::string_view which) {
  require(std::isfinite(link.bytes_per_s) && link.bytes_per_s > 0.0,
          "links {}: bytes_per_s must be positive, got {}", which, link.bytes_per_s);
  require(std::isfinite(link.latency_s) && link.latency_s >= 0.0,
          "links {}: latency_s must not be negative, got {}", which, link.latency_s);
}

}  // namespace

Cluster uniform_cluster(int devices, double memory_bytes, const Link& link, int per_node) {
  require(devices > 0 && per_node > 0, "expected devices and devices a node, got {} and {}",
          devices, per_node);
  Cluster cluster;
  for (int d = 0; d < devices; ++d) cluster.devices.push_back({memory_bytes, 1.0, d / per_node});
  cluster.inside = cluster.between = link;
  return cluster;
}

void validate(const Cluster& cluster) {
  require(!cluster.devices.empty(), "the cluster has no devices");
  for (std::size_t d = 0; d < cluster.devices.size(); ++d) {
    const DeviceSpec& device = cluster.devices[d];
    require(std::isfinite(device.speed) && device.speed > 0.0,
            "device {}: speed must be positive, got {}", d, device.speed);
    require(std::isfinite(device.memory_bytes) && device.memory_bytes > 0.0,
            "device {}: memory_bytes must be positive, got {}", d, device.memory_bytes);
    require(device.node >= 0, "device {}: node must not be negative, got {}", d, device.node);
  }
  validate_link(cluster.inside, "inside nodes");
  validate_link(cluster.between, "between nodes");
}

// Devices that follow each other and are alike are written once.
std::string to_json(const Cluster& cluster) {
  Json json;
  json["kind"] = kKind;
  json["version"] = 1;
  json["inside"] = write_link(cluster.inside);
  json["between"] = write_link(cluster.between);
  json["devices"] = Json::Array();
  for (std::size_t d = 0; d < cluster.devices.size();) {
    std::size_t end = d;
    while (end < cluster.devices.size() && cluster.devices[end] == cluster.devices[d]) ++end;
    Json each;
    each["count"] = static_cast<std::int64_t>(end - d);
    each["memory_bytes"] = cluster.devices[d].memory_bytes;
    each["speed"] = cluster.devices[d].speed;
    each["node"] = cluster.devices[d].node;
    json["devices"].push_back(std::move(each));
    d = end;
  }
  return json.dump();
}

Cluster parse_cluster(std::string_view text, std::string_view source) {
  const Json json = parse_versioned(text, source, kKind);
  const JsonFields fields(json, std::string(source));
  Cluster cluster;
  cluster.inside = read_link(fields.at("inside"), fmt::format("{}: inside", source));
  cluster.between = read_link(fields.at("between"), fmt::format("{}: between", source));
  constexpr int kMostDevices = 1 << 20;
  for (const Json& each : fields.array("devices")) {
    const JsonFields device(each, fmt::format("{}: device {}", source, cluster.devices.size()));
    const int count = device.integer_or("count", 1);
    require(count + cluster.devices.size() <= kMostDevices, "{}: more than {} devices", source,
            kMostDevices);
    cluster.devices.insert(cluster.devices.end(), static_cast<std::size_t>(count),
                           {device.number("memory_bytes"), device.number_or("speed", 1.0),
                            device.integer_or("node", 0)});
    device.refuse_unread();
  }
  fields.refuse_unread({"kind", "version"});
  try {
    validate(cluster);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", source, error.what());
  }
  return cluster;
}

Cluster load_cluster(const std::string& path) { return parse_cluster(read_file(path), path); }

}  // namespace lamina::pipeline
