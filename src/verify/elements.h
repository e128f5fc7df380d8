// Checking single output elements at full shape (docs/design/verify.md, "Elements").
#pragma once

#include "lamina/verify.h"

namespace lamina {

// Of graphs of one signature, both valid. See VerifyOptions::elements.
Verdict verify_elements(const Graph& a, const Graph& b, const VerifyOptions& options);

}  // namespace lamina
