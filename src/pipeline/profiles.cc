// Readers of other planners' profiles.
#include "pipeline/profiles.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <queue>

#include "base/check.h"
#include "base/json.h"
#include "pipeline/json_fields.h"

namespace lamina::pipeline {
namespace {

// Puts the operators into topological order, of those that could come next the first in the file.
Computation sorted(Computation given, std::string_view source) {
  const std::size_t count = given.operators.size();
  std::vector<int> waiting(count, 0);
  std::vector<std::vector<int>> after(count);
  for (const Edge& edge : given.edges) {
    ++waiting[static_cast<std::size_t>(edge.to)];
    after[static_cast<std::size_t>(edge.from)].push_back(edge.to);
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (std::size_t i = 0; i < count; ++i) {
    if (waiting[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<int> place(count, -1);
  Computation result = given;
  result.operators.clear();
  while (!ready.empty()) {
    const auto next = static_cast<std::size_t>(ready.top());
    ready.pop();
    place[next] = static_cast<int>(result.operators.size());
    result.operators.push_back(given.operators[next]);
    for (const int to : after[next]) {
      if (--waiting[static_cast<std::size_t>(to)] == 0) ready.push(to);
    }
  }
  require(result.operators.size() == count, "{}: the edges have a cycle", source);
  for (Edge& edge : result.edges) {
    edge.from = place[static_cast<std::size_t>(edge.from)];
    edge.to = place[static_cast<std::size_t>(edge.to)];
  }
  std::sort(result.edges.begin(), result.edges.end(), [](const Edge& a, const Edge& b) {
    return std::pair(a.from, a.to) < std::pair(b.from, b.to);
  });
  return result;
}

// One file of PipeDream, line by line.
class PipeDreamReader {
 public:
  PipeDreamReader(std::string_view source, double batch) : source_(source), batch_(batch) {}

  Computation read(std::string_view text) {
    result_.name = source_;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line_;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      if (line[0] == '\t') {
        edges_.push_back({part(line.substr(1), 0, 2), part(line.substr(1), 1, 2), line_});
      } else {
        add_operator(line);
      }
    }
    for (const auto& [from, to, line] : edges_) {
      line_ = line;
      const int source = find(from);
      result_.edges.push_back({source, find(to), outputs_[static_cast<std::size_t>(source)]});
    }
    return sorted(std::move(result_), source_);
  }

 private:
  struct NamedEdge {
    std::string from;
    std::string to;
    int line = 0;
  };

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kInvalidArgument, "{}:{}: {}", source_, line_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  // Part `index` of `count` that " -- " separates.
  std::string part(std::string_view line, int index, int count) const {
    constexpr std::string_view kBetween = " -- ";
    std::vector<std::string_view> parts;
    for (std::size_t at = 0; at != std::string_view::npos;) {
      const std::size_t end = line.find(kBetween, at);
      parts.push_back(line.substr(at, end == std::string_view::npos ? end : end - at));
      at = end == std::string_view::npos ? end : end + kBetween.size();
    }
    if (static_cast<int>(parts.size()) != count) {
      refuse("expected {} parts with ' -- ' between them, got {}", count, parts.size());
    }
    return std::string(parts[static_cast<std::size_t>(index)]);
  }

  double number(std::string_view text) const {
    double value = 0.0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= 0.0)) {
      refuse("expected a number that is not negative, got '{}'", text);
    }
    return value;
  }

  // The value of `key`, several tensors added.
  double field(std::string_view costs, std::string_view key) const {
    const std::size_t at = costs.find(key);
    if (at == std::string_view::npos) refuse("'{}' is missing", key.substr(0, key.size() - 1));
    std::string_view text = costs.substr(at + key.size());
    if (!text.starts_with('[')) return number(text.substr(0, text.find(',')));
    text = text.substr(1, text.find(']') - 1);
    double sum = 0.0;
    while (true) {
      const std::size_t end = text.find("; ");
      sum += number(text.substr(0, end));
      if (end == std::string_view::npos) return sum;
      text.remove_prefix(end + 2);
    }
  }

  void add_operator(std::string_view line) {
    const std::string name = part(line, 0, 3);
    const std::string description = part(line, 1, 3);
    const std::string costs = part(line, 2, 3);
    if (!places_.emplace(name, static_cast<int>(result_.operators.size())).second) {
      refuse("'{}' is there twice", name);
    }
    constexpr double kMs = 1e-3;
    const double forward = field(costs, "forward_compute_time=") * kMs / batch_;
    const double backward = field(costs, "backward_compute_time=") * kMs / batch_;
    const double bytes = field(costs, "activation_size=") / batch_;
    Operator op;
    op.name = name + " " + description;
    op.parameter_bytes = field(costs, "parameter_size=");
    if (!description.starts_with("Input")) {
      const bool trained = op.parameter_bytes > 0.0;
      op.forward_s = forward;
      op.weight_gradient_s = trained ? backward / 2.0 : 0.0;
      op.input_gradient_s = backward - op.weight_gradient_s;
      op.saved_bytes = bytes;
    }
    outputs_.push_back(bytes);
    result_.operators.push_back(std::move(op));
  }

  int find(const std::string& name) const {
    const auto known = places_.find(name);
    if (known == places_.end()) refuse("there is no operator '{}'", name);
    return known->second;
  }

  std::string source_;
  double batch_;
  int line_ = 0;
  Computation result_;
  std::map<std::string, int> places_;
  std::vector<double> outputs_;  // bytes, by operator
  std::vector<NamedEdge> edges_;
};

}  // namespace

Computation read_pipedream(std::string_view text, std::string_view source, double batch) {
  return PipeDreamReader(source, batch).read(text);
}

Computation read_piper(std::string_view text, std::string_view source) {
  const Json json = Json::parse(text);
  const JsonFields fields(json, std::string(source));
  Computation result;
  result.name = source;
  std::map<int, int> places;
  for (const Json& each : fields.array("nodes")) {
    const auto place = static_cast<int>(result.operators.size());
    const JsonFields node(each, fmt::format("{}: node {}", source, place));
    const JsonFields degrees(node.at("TMPCs"), node.place());
    require(places.emplace(node.integer("id"), place).second, "{}: its id is there twice",
            node.place());
    Operator& op = result.operators.emplace_back();
    op.name = node.text("name");
    bool found = false;
    for (const Json& variant : degrees.array("1")) {
      const JsonFields costs(variant, node.place());
      if (costs.text("id") != "vanilla") continue;
      found = true;
      op.forward_s = costs.number("timePerSample") / 3.0;
      op.input_gradient_s = op.weight_gradient_s = op.forward_s;
      op.parameter_bytes = costs.number("parameterSize");
      op.saved_bytes = costs.number("memoryUsageA");
    }
    require(found, "{}: no 'vanilla' entry of degree 1", node.place());
  }
  for (const Json& each : fields.array("edges")) {
    const JsonFields edge(each, fmt::format("{}: edge {}", source, result.edges.size()));
    const auto place = [&](std::string_view key) {
      const auto known = places.find(edge.integer(key));
      require(known != places.end(), "{}: there is no node {}", edge.place(), edge.integer(key));
      return known->second;
    };
    result.edges.push_back({place("sourceId"), place("destId"), edge.number("communicationCost")});
  }
  return sorted(std::move(result), source);
}

}  // namespace lamina::pipeline
