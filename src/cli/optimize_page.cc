// Writes the page from the JSON report, so that both say the same.
#include "cli/optimize_page.h"

#include <fmt/core.h>

#include <vector>

#include "base/markup.h"

namespace lamina::cli {
namespace {

constexpr const char* kStyle = R"(<style>
:root{color-scheme:light dark;--text:#1c2230;--soft:#566077;--page:#fff;
--line:#d5dae3;--card:#f6f7f9;
--good:#1d7a3d}
@media (prefers-color-scheme:dark){:root{--text:#e6e9f0;--soft:#a9b2c6;
--page:#14171e;--line:#343b49;--card:#1c212b;--good:#5fc482}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1280px;padding:20px 16px 60px;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif}
h1{font-size:24px;margin:0 0 4px}
h2{font-size:20px;margin:36px 0 8px;border-bottom:1px solid var(--line);padding-bottom:4px;
overflow-wrap:anywhere}
h3{font-size:16px;margin:22px 0 8px}
p{margin:6px 0;max-width:80ch}
.soft{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;margin:12px 0}
.fact{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px 12px}
.fact b{display:block;font-size:20px;line-height:1.3;overflow-wrap:anywhere}
.fact span{color:var(--soft);font-size:13px}
.good b{color:var(--good)}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:6px;margin:8px 0}
table{border-collapse:collapse;font-size:13px;width:100%}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}
tr:last-child td{border-bottom:0}
th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}
.wide svg{display:block;margin:0 auto}
code,pre{font:12.5px/1.5 ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:10px;
overflow-x:auto}
summary{cursor:pointer;color:var(--soft);margin:6px 0}
</style>
)";

std::string text_of(const Json& value) { return escape_markup(value.text()); }

// A cell: numbers with a sensible number of digits, null as a dash.
std::string cell(const Json& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value.value())) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value.value())) return fmt::format("{:.4g}", *real);
  if (const auto* flag = std::get_if<bool>(&value.value())) return *flag ? "yes" : "no";
  if (std::holds_alternative<std::string>(value.value())) return text_of(value);
  const auto* parts = std::get_if<Json::Object>(&value.value());
  std::string text;
  for (const auto& [name, part] : parts == nullptr ? Json::Object{} : *parts) {
    text += (text.empty() ? "" : ", ") + escape_markup(name) + " " + cell(part);
  }
  return text.empty() ? "-" : text;
}

struct Column {
  const char* key;
  const char* title;
};

// The columns that at least one row has, in the order that is given.
std::string table(const Json::Array& rows, std::span<const Column> columns) {
  std::string head;
  std::vector<Column> used;
  for (const Column& column : columns) {
    bool present = false;
    for (const Json& row : rows) present = present || row.find(column.key) != nullptr;
    if (!present) continue;
    used.push_back(column);
    head += fmt::format("<th>{}</th>", column.title);
  }
  std::string html = "<div class=\"wide\"><table><tr>" + head + "</tr>\n";
  for (const Json& row : rows) {
    html += "<tr>";
    for (const Column& column : used) {
      const Json* value = row.find(column.key);
      html += "<td>" + (value == nullptr ? "-" : cell(*value)) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string fact(const std::string& value, const char* name, bool good = false) {
  return fmt::format("<div class=\"fact{}\"><b>{}</b><span>{}</span></div>\n", good ? " good" : "",
                     value, name);
}

// What is known of a program: a CPU has timed it, a GPU that is not here has a cost model.
std::string summary(const Json& program) {
  struct Fact {
    const char* key;
    const char* unit;
    const char* name;
  };
  const Fact facts[] = {{"before_ms", " ms", "before, unfused (median)"},
                        {"after_ms", " ms", "after (median)"},
                        {"ratio", "x", "before / after"},
                        {"unfused_us_by_model", " us", "unfused, by the cost model"},
                        {"predicted_us", " us", "chosen, by the cost model"},
                        {"kernels", "", "kernels"},
                        {"compiled", "", "compiled by nvcc"},
                        {"bits", "", "proved bits"},
                        {"verdict", "", "verdict"},
                        {"search_s", " s", "search, proof and timing"}};
  std::string html = "<div class=\"facts\">\n";
  for (const Fact& each : facts) {
    const Json* value = program.find(each.key);
    if (value == nullptr) continue;
    const bool good =
        std::string_view(each.key) == "ratio" && !value->is_null() && value->real() > 1.0;
    html += fact(value->is_null() ? "-" : cell(*value) + each.unit, each.name, good);
  }
  html += "</div>\n";
  const auto note = [&](const char* key, const char* before, const char* usual) {
    const Json* value = program.find(key);
    if (value == nullptr || value->is_null() || value->text() == usual) return;
    html += "<p>" + std::string(before) + text_of(*value) + ".</p>\n";
  };
  note("refusal", "A program with fused regions was refused: ", "");
  note("stopped", "The search ended early: ", "finished");
  note("run", "On a GPU: ", "");
  return html;
}

std::string pictures_section(const ProgramPictures& pictures) {
  const auto picture = [](const char* title, const std::string& svg, bool open) {
    return fmt::format(
        "<details{}><summary>{}</summary>\n<div class=\"wide\">\n{}</div></details>\n",
        open ? " open" : "", title, svg);
  };
  return "<h3>The program</h3>\n" + picture("after: what was found", pictures.after, true) +
         picture("before: the model as it came", pictures.before, false);
}

std::string classes_section(const Json& program) {
  const Json* classes = program.find("classes");
  if (classes == nullptr || classes->array().empty()) return "";
  const Column columns[] = {{"name", "sizes"},      {"general_ms", "all sizes ms"},
                            {"own_ms", "own ms"},   {"gain", "gain"},
                            {"verdict", "verdict"}, {"bits", "proved bits"},
                            {"refusal", "refused"}, {"search_s", "search s"}};
  return "<h3>Classes of sizes</h3>\n<p class=\"soft\">The program of all sizes and that of the "
         "class, interleaved in one run at sizes of the class.</p>\n" +
         table(classes->array(), columns);
}

std::string timing_section(const Json::Array& regions) {
  const Column columns[] = {{"name", "subprogram"},
                            {"count", "times"},
                            {"nodes", "nodes"},
                            {"before_ms", "before ms"},
                            {"after_ms", "after ms"},
                            {"unfused_us_by_model", "unfused us"},
                            {"predicted_us", "chosen us"},
                            {"ratio", "ratio"},
                            {"choice", "choice"}};
  const bool timed = regions.front().find("before_ms") != nullptr;
  return std::string("<h3>Timing of the subprograms</h3>\n<p class=\"soft\">") +
         (timed ? "Each distinct subprogram by itself, on cold weights; before and after "
                  "interleaved in one run."
                : "By the cost model of the machine: nothing of this was run.") +
         "</p>\n" + table(regions, columns);
}

std::string search_section(const Json::Array& regions) {
  const Column columns[] = {
      {"name", "subprogram"},       {"states", "states"},        {"pruned", "pruned"},
      {"unsafe", "unsafe"},         {"large", "too large"},      {"misfits", "misfits"},
      {"merged", "merged"},         {"values", "values"},        {"enumerate_s", "enumeration s"},
      {"candidates", "candidates"}, {"refused", "refused"},      {"timed", "timed"},
      {"search_s", "total s"},      {"from_cache", "remembered"}};
  return "<h3>The search</h3>\n" + table(regions, columns);
}

std::string tuple_table(const Json& proof) {
  const Json* tuples = proof.find("tuples");
  if (tuples == nullptr || tuples->array().empty()) return "";
  const Column columns[] = {{"pass", "pass"},
                            {"p", "p"},
                            {"q", "q"},
                            {"omega", "omega"},
                            {"candidates", "drawn among"},
                            {"seed", "seed of the pass"}};
  return "<details><summary>the primes</summary>\n" + table(tuples->array(), columns) +
         "</details>\n";
}

std::string joined(const Json::Array& texts) {
  std::string all;
  for (const Json& text : texts) all += (all.empty() ? "" : ", ") + text_of(text);
  return all;
}

// What was proved of its output elements at full shape.
std::string elements_record(const Json& region) {
  const Json* full = region.find("full_shape");
  if (full == nullptr || full->is_null()) return "";
  std::string html = "<p>At full shape: " + cell(full->at("verdict")) + ", " +
                     text_of(full->at("reason")) + " (" + cell(full->at("seconds")) + " s).";
  for (const Json& element : full->at("elements").array()) {
    html += " " + text_of(element.at("output")) + element.at("at").dump() + ",";
  }
  html.back() = '.';
  return html + "</p>\n";
}

// What was proved for the choice of one subprogram.
std::string proof_record(const Json& region) {
  const Json* proof = region.find("proof");
  if (proof == nullptr || proof->is_null()) return "";
  std::string html = "<p><b>" + text_of(region.at("name")) + "</b>: " + cell(region.at("verdict"));
  html += ", " + cell(region.at("bits")) + " bits. " + text_of(proof->at("reason")) + ".</p>\n";
  html += "<p class=\"soft\">Checked at " + joined(proof->at("shapes").array());
  if (proof->at("shrunk").flag()) html += " (a small instance of the same recipe)";
  return html + ".</p>\n" + elements_record(region) + tuple_table(*proof);
}

// The bits of a report that has no record of the primes.
std::string proved_bits(const Json& region) {
  const Json* bits = region.find("bits");
  if (bits == nullptr || bits->is_null() || bits->real() <= 0.0) return "";
  return "<p><b>" + text_of(region.at("name")) + "</b>: " + cell(*bits) + " bits.</p>\n";
}

std::string proof_section(const Json::Array& regions) {
  std::string records;
  for (const Json& region : regions) {
    const std::string record = proof_record(region);
    records += record.empty() ? proved_bits(region) : record;
  }
  if (records.empty()) return "<h3>The proof</h3>\n<p>Nothing was changed.</p>\n";
  const bool timed = regions.front().find("before_ms") != nullptr;
  return std::string("<h3>The proof</h3>\n<p class=\"soft\">Each fused subprogram was evaluated ") +
         "beside what it replaces over random prime fields drawn from the operating system" +
         (timed
              ? ", and compared with the reference device at full shape, every element, before it "
                "was timed"
              : "") +
         ". Bits are those proved for the choice, less log2 of the number of candidates "
         "tried.</p>\n" +
         records;
}

// A word of a command line, quoted where a shell would read more than a word.
std::string shell_word(const std::string& text) {
  const char* const plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string commands_section(const Json& report, const Json& program, const std::string& folder) {
  const Json& options = report.at("options");
  const std::string& target = report.at("target").text();
  const bool runs = !target.starts_with("cuda:");
  const Json* path = program.find("model");
  const std::string model = path == nullptr ? "MODEL" : shell_word(path->text());
  const std::string own =
      report.at("programs").array().size() == 1 ? folder : folder + "/" + program.at("name").text();
  const Json* classes = program.find("classes");
  const bool has_classes = classes != nullptr && !classes->array().empty();
  const std::string result = shell_word(has_classes ? own : own + "/graph.lam");
  std::string optimize = "lamina optimize " + model + " -o " + shell_word(folder);
  if (target != "cpu") optimize += " --target " + shell_word(target);
  for (const auto& [name, flag] :
       {std::pair{"threads", "--threads"}, {"seed", "--seed"}, {"candidates", "--candidates"}}) {
    if (const Json* value = options.find(name)) {
      optimize += fmt::format(" {} {}", flag, value->integer());
    }
  }
  if (has_classes) optimize += " --size-classes";
  std::vector<std::string> commands{optimize + " --fresh", "lamina check " + model + " " + result};
  if (runs) {
    commands.push_back("lamina bench " + model);
    commands.push_back("lamina bench " + result);
  }
  commands.push_back("lamina show " + result);
  std::string lines;
  for (const std::string& line : commands) lines += escape_markup(line) + "\n";
  return "<h3>Again</h3>\n<p class=\"soft\">Search, check (at full size, which may take minutes) "
         "and time it once more; show it as text.</p>\n<pre>" +
         lines + "</pre>\n";
}

}  // namespace

std::string report_page(const Json& report, std::span<const ProgramPictures> pictures,
                        const std::string& folder) {
  const Json::Array& programs = report.at("programs").array();
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>lamina optimize</title>\n";
  html += kStyle;
  const Json* machine = report.find("machine");
  if (machine == nullptr && !programs.empty()) machine = programs.front().find("machine");
  html += "</head><body>\n<h1>lamina optimize</h1>\n<p class=\"soft\">lamina " +
          text_of(report.at("lamina")) + ", target " + text_of(report.at("target")) +
          (machine == nullptr ? "" : ": " + text_of(*machine)) + "</p>\n";
  if (programs.size() > 1) {
    const Column columns[] = {{"name", "program"},           {"before_ms", "before ms"},
                              {"after_ms", "after ms"},      {"ratio", "ratio"},
                              {"spread", "spread"},          {"bits", "proved bits"},
                              {"search_s", "search s"},      {"unfused_us_by_model", "unfused us"},
                              {"predicted_us", "chosen us"}, {"kernels", "kernels"},
                              {"verdict", "verdict"}};
    html += table(programs, columns);
  }
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const Json& program = programs[i];
    const Json::Array& regions = program.at("regions").array();
    html += "<h2>" + text_of(program.at("name")) + "</h2>\n" + summary(program);
    if (i < pictures.size()) html += pictures_section(pictures[i]);
    html += classes_section(program);
    if (!regions.empty()) {
      html += timing_section(regions) + search_section(regions) + proof_section(regions);
    }
    html += commands_section(report, program, folder);
  }
  return html + "</body></html>\n";
}

}  // namespace lamina::cli
