// Plans: what is a valid one, and their JSON form.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "lamina/pipeline.h"
#include "pipeline/json_fields.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {
namespace {

constexpr std::string_view kKind = "plan";

struct NamedKind {
  ScheduleKind kind;
  std::string_view name;
};
constexpr std::array kSchedules = {
    NamedKind{ScheduleKind::kGPipe, "gpipe"}, NamedKind{ScheduleKind::kOneF1B, "1f1b"},
    NamedKind{ScheduleKind::kSplit, "split"}, NamedKind{ScheduleKind::kZeroBubble, "zero_bubble"}};

// Every member is there, and belongs to no other stage before this one.
void check_members(const std::vector<int>& members, std::vector<int>& owner, int stage,
                   std::string_view what) {
  require(!members.empty(), "stage {} has no {}s", stage, what);
  for (const int member : members) {
    require(member >= 0 && member < static_cast<int>(owner.size()),
            "stage {}: there is no {} {}, only {}", stage, what, member, owner.size());
    int& known = owner[static_cast<std::size_t>(member)];
    require(known < 0, "{} {} is in stage {} and in stage {}", what, member, known, stage);
    known = stage;
  }
}

bool has_devices_of_earlier(const Plan& plan, std::size_t stage) {
  const auto end = plan.stages.begin() + static_cast<std::ptrdiff_t>(stage);
  return std::any_of(plan.stages.begin(), end, [&](const Stage& other) {
    return other.devices == plan.stages[stage].devices;
  });
}

void check_batches(const Plan& plan) {
  require(plan.batch > 0, "the batch must be positive, got {}", plan.batch);
  require(plan.batch <= kMostSamples, "a batch of {} samples, of at most {}", plan.batch,
          kMostSamples);
  double passes = 0.0;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const Stage& stage = plan.stages[s];
    const auto devices = static_cast<int>(stage.devices.size());
    require(stage.micro_batch > 0 && plan.batch % stage.micro_batch == 0,
            "stage {}: micro-batches of {} do not divide the batch of {}", s, stage.micro_batch,
            plan.batch);
    require(stage.micro_batch % devices == 0,
            "stage {}: {} devices do not divide its micro-batch of {}", s, devices,
            stage.micro_batch);
    const int micro_batches = plan.batch / stage.micro_batch;
    require(stage.in_flight > 0 && stage.in_flight <= micro_batches,
            "stage {}: in_flight must be from 1 to {}, the number of its micro-batches, got {}", s,
            micro_batches, stage.in_flight);
    require(stage.run > 0, "stage {}: run must be positive, got {}", s, stage.run);
    passes += 2.0 * micro_batches * devices;
  }
  require(passes <= kMostPasses,
          "an iteration of {:.3g} passes, of at most {:.3g}: expected larger micro-batches", passes,
          kMostPasses);
}

Json list(const std::vector<int>& values) {
  Json::Array array;
  for (const int value : values) array.emplace_back(std::int64_t{value});
  return array;
}

std::vector<int> integers(const JsonFields& fields, std::string_view key) {
  std::vector<int> values;
  for (const Json& value : fields.array(key)) values.push_back(fields.integer_of(value, key));
  return values;
}

}  // namespace

std::string_view name(ScheduleKind kind) {
  return std::find_if(kSchedules.begin(), kSchedules.end(),
                      [&](const NamedKind& each) { return each.kind == kind; })
      ->name;
}

ScheduleKind parse_schedule_kind(std::string_view text) {
  std::string known;
  for (const NamedKind& each : kSchedules) {
    if (each.name == text) return each.kind;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  fail(ErrorCode::kInvalidArgument, "there is no schedule '{}'; known: {}", text, known);
}

void validate(const Computation& computation, const Cluster& cluster, const Plan& plan) {
  validate(computation);
  validate(cluster);
  require(plan.computation == computation.name, "the plan is of '{}', the network is '{}'",
          plan.computation, computation.name);
  require(!plan.stages.empty(), "the plan has no stages");
  std::vector<int> stages(computation.operators.size(), -1);
  std::vector<int> devices(cluster.devices.size(), -1);
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    check_members(plan.stages[s].operators, stages, static_cast<int>(s), "operator");
    if (has_devices_of_earlier(plan, s)) continue;
    check_members(plan.stages[s].devices, devices, static_cast<int>(s), "device");
  }
  const auto missing = std::find(stages.begin(), stages.end(), -1);
  require(missing == stages.end(), "operator {} is in no stage", missing - stages.begin());
  check_batches(plan);
  const StageGraph graph = stage_graph(computation, plan);
  if (graph.order.size() == plan.stages.size()) return;
  std::string left;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    if (std::count(graph.order.begin(), graph.order.end(), static_cast<int>(s)) == 0) {
      left += (left.empty() ? "" : ", ") + std::to_string(s);
    }
  }
  fail(ErrorCode::kInvalidArgument, "the stage graph has a cycle, among the stages {}", left);
}

std::string to_json(const Plan& plan) {
  Json json;
  json["kind"] = kKind;
  json["version"] = 1;
  json["computation"] = plan.computation;
  json["planner"] = plan.planner;
  json["batch"] = plan.batch;
  json["schedule"] = name(plan.schedule);
  if (plan.chain) json["chain"] = true;
  json["stages"] = Json::Array();
  for (const Stage& stage : plan.stages) {
    Json each;
    each["operators"] = list(stage.operators);
    each["devices"] = list(stage.devices);
    each["micro_batch"] = stage.micro_batch;
    each["in_flight"] = stage.in_flight;
    each["recompute"] = stage.recompute;
    each["shard_optimizer"] = stage.shard_optimizer;
    each["run"] = stage.run;
    json["stages"].push_back(std::move(each));
  }
  return json.dump();
}

Plan parse_plan(std::string_view text, std::string_view source) {
  const Json json = parse_versioned(text, source, kKind);
  const JsonFields fields(json, std::string(source));
  Plan plan;
  plan.computation = fields.text("computation");
  plan.planner = fields.text("planner");
  plan.batch = fields.integer("batch");
  try {
    plan.schedule = parse_schedule_kind(fields.text("schedule"));
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", source, error.what());
  }
  plan.chain = fields.flag_or("chain", false);
  for (const Json& each : fields.array("stages")) {
    const JsonFields stage(each, fmt::format("{}: stage {}", source, plan.stages.size()));
    plan.stages.push_back({integers(stage, "operators"), integers(stage, "devices"),
                           stage.integer("micro_batch"), stage.integer("in_flight"),
                           stage.flag_or("recompute", false),
                           stage.flag_or("shard_optimizer", false), stage.integer_or("run", 1)});
    stage.refuse_unread();
  }
  fields.refuse_unread({"kind", "version"});
  return plan;
}

Plan load_plan(const std::string& path) { return parse_plan(read_file(path), path); }

}  // namespace lamina::pipeline
