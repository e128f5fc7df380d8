// What a verdict of the identity tester means for a command.
#pragma once

#include "lamina/verify.h"

namespace lamina::cli {

// 0 equivalent, 1 different, 4 unsupported, 5 inconclusive.
int exit_status(Outcome outcome);

}  // namespace lamina::cli
