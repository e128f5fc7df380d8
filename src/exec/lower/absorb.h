// Transposes that their readers or their producer can do on the way.
#pragma once

#include "lamina/graph.h"

namespace lamina::lower {

// `graph` without the transposes that need not be copies: products become einsums that read and
// write other layouts, blocks load and store tiles of them. A transpose stays where one of its
// readers would be slower for it, or where it depends on weights alone (it is done once then).
Graph absorb_transposes(Graph graph);

}  // namespace lamina::lower
