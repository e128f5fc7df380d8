// Branches cell by cell: what is done when branches as free variables prove nothing
// (docs/design/verify.md, "Cells").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "verify/cell_run.h"
#include "verify/point_check.h"

namespace lamina {

struct CellSummary {
  bool agree = false;       // on all cells that were looked at
  bool exhaustive = false;  // these are all
  std::int64_t cells = 0;
  std::int64_t elements = 0;  // of the outputs
  int passes = 0;
  double bits = 0.0;   // proved on each of the cells
  std::string reason;  // why not `agree`, or why not `exhaustive`
  // A point of a cell on which the graphs differ formally.
  std::optional<RealPoint> point;
};

// First all cells if they are few, else those of random points: `options.cells` of them, or a few.
CellSummary look_at_cells(const Graph& a, const Graph& b, std::vector<InputPlan> plans,
                          const Sizes& sizes, const VerifyOptions& options);

}  // namespace lamina
