// Writing and reading recipes.
#include "search/recipe_text.h"

#include <fmt/core.h>

#include <charconv>

#include "base/check.h"

namespace lamina::search {
namespace {

using Kind = BlockStep::Kind;

template <class T>
std::string join(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

template <class T>
T number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size(), "recipe: '{}' is not a number",
          text);
  return value;
}

template <class T>
std::vector<T> numbers(std::string_view text) {
  std::vector<T> values;
  if (text.empty()) return values;
  for (const std::string_view part : split(text, ',')) values.push_back(number<T>(part));
  return values;
}

// Flags, integers, reals, element types and lists of constant integers: a letter and the value.
std::optional<std::string> encode(const Attr& attr) {
  if (const auto* flag = std::get_if<bool>(&attr)) return *flag ? "b1" : "b0";
  if (const auto* integer = std::get_if<std::int64_t>(&attr)) return fmt::format("i{}", *integer);
  if (const auto* real = std::get_if<double>(&attr)) return fmt::format("r{}", *real);
  if (const auto* dtype = std::get_if<DType>(&attr))
    return fmt::format("t{}", static_cast<int>(*dtype));
  const auto* dims = std::get_if<Dims>(&attr);
  const auto shape = dims != nullptr ? constant_shape(*dims) : std::nullopt;
  return shape ? std::optional("d" + join(*shape)) : std::nullopt;
}

Attr decode_attr(std::string_view text) {
  require(!text.empty(), "recipe: an attribute without a value");
  const std::string_view rest = text.substr(1);
  switch (text[0]) {
    case 'b':
      return rest == "1";
    case 'i':
      return number<std::int64_t>(rest);
    case 'r':
      return number<double>(rest);
    case 't':
      return static_cast<DType>(number<int>(rest));
    case 'd': {
      const auto values = numbers<std::int64_t>(rest);
      return Dims(values.begin(), values.end());
    }
    default:
      fail(ErrorCode::kInvalidArgument, "recipe: unknown attribute '{}'", text);
  }
}

char letter_of(Kind kind) { return "LCASMRZ"[static_cast<int>(kind)]; }

std::optional<std::string> encode(const BlockStep& step) {
  std::string text(1, letter_of(step.kind));
  if (step.kind == Kind::kLoad) return text + std::to_string(step.input) + ":" + join(step.cuts);
  if (step.kind == Kind::kConstant) {
    text += fmt::format("{}", step.constant);
    return step.attrs.has("dtype") ? text + ":" + *encode(Attr(step.attrs.dtype("dtype"))) : text;
  }
  if (step.kind == Kind::kApply) {
    text += std::string(step.op->name) + ":";
    bool first = true;
    for (const auto& [name, attr] : step.attrs) {
      const auto value = encode(attr);
      if (!value) return std::nullopt;
      text += (first ? "" : "&") + name + "=" + *value;
      first = false;
    }
    text += ":";
  }
  return text + join(step.operands);
}

BlockStep decode_step(std::string_view text) {
  require(!text.empty(), "recipe: an empty step");
  BlockStep step;
  const std::size_t kind = std::string_view("LCASMRZ").find(text[0]);
  require(kind != std::string_view::npos, "recipe: unknown step '{}'", text);
  step.kind = static_cast<Kind>(kind);
  const std::string_view rest = text.substr(1);
  const auto fields = split(rest, ':');
  if (step.kind == Kind::kLoad) {
    require(fields.size() == 2, "recipe: expected input:cuts, got '{}'", rest);
    step.input = number<std::size_t>(fields[0]);
    step.cuts = numbers<int>(fields[1]);
  } else if (step.kind == Kind::kConstant) {
    step.constant = number<double>(fields[0]);
    if (fields.size() == 2) step.attrs.set("dtype", decode_attr(fields[1]));
  } else if (step.kind == Kind::kApply) {
    require(fields.size() == 3, "recipe: expected op:attributes:operands, got '{}'", rest);
    step.op = &find_op(fields[0]);
    for (const std::string_view part : split(fields[1], '&')) {
      if (part.empty()) continue;
      const std::size_t at = part.find('=');
      require(at != std::string_view::npos, "recipe: expected name=value, got '{}'", part);
      step.attrs.set(std::string(part.substr(0, at)), decode_attr(part.substr(at + 1)));
    }
    step.operands = numbers<std::size_t>(fields[2]);
  } else {
    step.operands = numbers<std::size_t>(rest);
  }
  return step;
}

std::optional<std::string> encode(const BlockProgram& program) {
  std::string text =
      join(program.grid) + ":" + std::to_string(program.loops ? program.split : 0) + "|";
  for (const BlockStep& step : program.steps) {
    const auto line = encode(step);
    if (!line) return std::nullopt;
    text += *line + "|";
  }
  return text + join(program.outputs);
}

// Accumulators read one value, rescaled sums a running maximum as well.
void check_operands(const BlockProgram& program) {
  const BlockStep& step = program.steps.back();
  if (step.kind == Kind::kLoad || step.kind == Kind::kConstant || step.kind == Kind::kApply) return;
  const std::size_t wanted = step.kind == Kind::kRescaledSum ? 2 : 1;
  require(step.operands.size() == wanted, "recipe: an accumulator of {} values, expected {}",
          step.operands.size(), wanted);
  require(wanted == 1 || program.steps[step.operands[1]].kind == Kind::kRunningLargest,
          "recipe: a sum is rescaled by step {}, which is no running maximum", step.operands[1]);
}

BlockProgram decode_program(std::string_view text) {
  const auto lines = split(text, '|');
  require(lines.size() >= 3, "recipe: a block program of {} lines", lines.size());
  const auto head = split(lines[0], ':');
  require(head.size() == 2, "recipe: expected grid:parts of the loop, got '{}'", lines[0]);
  const auto parts = number<std::int64_t>(head[1]);
  BlockProgram program{numbers<std::size_t>(head[0]), parts > 0, {}, {}};
  program.split = std::max<std::int64_t>(1, parts);
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    program.steps.push_back(decode_step(lines[i]));
    for (const std::size_t operand : program.steps.back().operands) {
      require(operand + 1 < program.steps.size(), "recipe: step {} reads step {}", i - 1, operand);
    }
    check_operands(program);
  }
  program.outputs = numbers<std::size_t>(lines.back());
  for (const std::size_t output : program.outputs) {
    require(output < program.steps.size(), "recipe: output {} of {} steps", output,
            program.steps.size());
  }
  return program;
}

}  // namespace

std::optional<std::string> encode(const Recipe& recipe) {
  std::string text;
  for (const Recipe::Part& part : recipe.parts) {
    text += (text.empty() ? "" : ";") + join(part.region.nodes) + "/" + join(part.tiling.tile) +
            "/" + std::to_string(part.tiling.loop_tile);
    if (!part.program) continue;
    const auto program = encode(*part.program);
    if (!program) return std::nullopt;
    text += "/" + *program;
  }
  return text;
}

Recipe decode(std::string_view text) {
  Recipe recipe;
  if (text.empty()) return recipe;
  for (const std::string_view part : split(text, ';')) {
    const auto fields = split(part, '/');
    require(fields.size() == 3 || fields.size() == 4,
            "recipe: expected nodes/tiles/loop[/program], got '{}'", part);
    recipe.parts.push_back({{numbers<NodeId>(fields[0])},
                            {numbers<std::int64_t>(fields[1]), number<std::int64_t>(fields[2])},
                            {}});
    if (fields.size() == 4) recipe.parts.back().program = decode_program(fields[3]);
  }
  return recipe;
}

}  // namespace lamina::search
