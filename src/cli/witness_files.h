// A witness as files, and the commands that show it (docs/cli.md, "Witnesses").
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "lamina/graph.h"
#include "lamina/verify.h"

namespace lamina::cli {

// One of two graphs that differ. Without a path it is written beside the witness.
struct WitnessModel {
  const Graph& graph;
  std::string path;
  std::vector<std::string> size;  // of --size, as it was given
};

// Writes folder/NAME.npy for every input and folder/witness.json, runs both models there on the
// reference device, prints the commands that do the same, and adds what it wrote to the report as
// `witness_files`. Without a witness it writes nothing and says so.
void write_witness(const std::string& folder, const WitnessModel& first, const WitnessModel& second,
                   const Verdict& verdict, Json& report);

}  // namespace lamina::cli
