// Parses the command line with CLI11, runs the command, reports errors and writes --json.
#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/files.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/output_files.h"
#include "lamina/pipeline_run.h"

namespace lamina::cli {
namespace {

// A command on the command line.
struct Entry {
  Command command;
  Invocation invocation;
  CLI::App* app = nullptr;
};

// Sets a field; what it refuses is said with the name of the flag.
void set(const Flag& flag, const std::string& text) {
  try {
    flag.set(text);
  } catch (const Error& e) {
    throw Error(e.code(),
                fmt::format("{}{}: {}", flag.positional ? "" : "--", flag.name, e.what()));
  }
}

// Flags that have a short form too, in every command that has them.
std::string spelling(const Flag& flag) {
  if (flag.positional) return flag.name;
  const bool results = flag.name == "output-dir" || flag.name == "output";
  return (results ? "-o,--" : "--") + flag.name;
}

void add_flag(CLI::App& app, const Flag& flag) {
  if (flag.value_name.empty()) {
    app.add_flag_function(
        "--" + flag.name, [&flag](std::int64_t) { set(flag, "true"); }, flag.help);
    return;
  }
  const auto set_all = [&flag](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) set(flag, text);
  };
  const auto set_one = [&flag](const std::string& text) { set(flag, text); };
  CLI::Option* option =
      flag.repeated
          ? app.add_option_function<std::vector<std::string>>(spelling(flag), set_all, flag.help)
          : app.add_option_function<std::string>(spelling(flag), set_one, flag.help);
  option->type_name(flag.positional ? "" : flag.value_name);
  if (!flag.fallback.empty()) option->default_str(flag.fallback);
  if (flag.required) option->required();
}

void add_command(CLI::App& app, Entry& entry, std::string& json_file) {
  entry.invocation = entry.command.start();
  entry.app = app.add_subcommand(std::string(entry.command.name), std::string(entry.command.help));
  for (const Flag& flag : entry.invocation.flags) add_flag(*entry.app, flag);
  entry.app->add_option("--json", json_file, "write a report as JSON")->type_name("FILE");
}

void check_command(const std::vector<Entry>& entries, std::string_view wanted) {
  std::string known;
  for (const Entry& entry : entries) {
    if (entry.command.name == wanted) return;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.command.name);
  }
  fail(ErrorCode::kInvalidArgument, "no command '{}'; the commands are: {}", wanted, known);
}

int report_error(Json& report, const Error& error) {
  fmt::print(stderr, "lamina: error: {}\n", error.what());
  report["error"] = error.what();
  return exit_status(error.code());
}

// Runs `work`, which gives an exit status; this is the edge where every exception ends.
template <class Work>
int guarded(Json& report, Work work) {
  try {
    return work();
  } catch (const Error& e) {
    return report_error(report, e);
  } catch (const std::bad_alloc&) {
    return report_error(report, Error(ErrorCode::kExhausted, "out of memory"));
  } catch (const std::exception& e) {
    return report_error(report, Error(ErrorCode::kInternal, e.what()));
  }
}

// Null when the arguments asked for --help or --version, which are then printed.
Entry* parse(CLI::App& app, std::vector<Entry>& entries, int argc, const char* const* argv) {
  app.set_version_flag("--version", "lamina " + std::string(version()));
  app.set_help_all_flag("--help-all", "print the help of all commands");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    app.exit(e);
    return nullptr;
  } catch (const CLI::ParseError& e) {
    fail(ErrorCode::kInvalidArgument, "{}", e.what());
  }
  for (Entry& entry : entries) {
    if (entry.app->parsed()) return &entry;
  }
  fail(ErrorCode::kInvalidArgument, "no command; 'lamina --help' lists them");
}

// Results that did not reach standard output are a failure.
void flush_results() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fail(ErrorCode::kIo, "writing to standard output failed");
  }
}

// Before work is done whose report would be lost. Of several ranks only one writes, perhaps on
// another machine. A file that is no use is forgotten.
void check_report_file(std::string& json_file) {
  if (pipeline::is_started_by_mpi()) return;
  const std::string file = std::exchange(json_file, "");
  check_writable({file});
  json_file = file;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  // Writing beyond a limit on file sizes then fails like a full disk, instead of ending the
  // process.
  std::signal(SIGXFSZ, SIG_IGN);
  Json report = Json::Object{};
  std::string json_file;
  int status = guarded(report, [&] {
    std::vector<Entry> entries;
    for (Command& command : all_commands()) entries.push_back({std::move(command), {}, nullptr});
    CLI::App app("Lamina: tensor programs, optimised, checked and run.", "lamina");
    for (Entry& entry : entries) add_command(app, entry, json_file);
    if (argc > 1 && argv[1][0] != '-') check_command(entries, argv[1]);
    Entry* entry = parse(app, entries, argc, argv);
    if (entry != nullptr) report["command"] = entry->command.name;
    check_report_file(json_file);
    const int result = entry == nullptr ? kYes : entry->invocation.run(report);
    flush_results();
    return result;
  });
  if (report.is_null()) return status;  // a rank of many, which leaves reporting to another
  report["exit_status"] = status;
  if (json_file.empty()) return status;
  const int written = guarded(report, [&] {
    write_file_atomically(json_file, report.dump());
    return status;
  });
  return status == kYes ? written : status;
}

}  // namespace lamina::cli
