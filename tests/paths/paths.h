#pragma once

#include <string>

namespace tinyai {

// The root of the source tree, for a test's own files.
std::string SourceFolder();

// Sample data that does not belong to the tree: what the environment's TINYAI_SHARED names, else
// the folder `shared` beside the tree. Tests skip where it is missing.
std::string SharedFolder();

}  // namespace tinyai
