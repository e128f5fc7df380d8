// The machine that tests of the search price programs with: one that ships.
#pragma once

#include "lamina/machine.h"

namespace lamina::search {

inline CpuMachine test_machine() { return load_cpu_machine("share/machines/epyc_zen3.json"); }

}  // namespace lamina::search
