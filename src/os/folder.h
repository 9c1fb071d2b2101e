#pragma once

#include <cstdint>
#include <string>

namespace tinyai {

bool IsFolder(const std::string& path);

enum class FolderEntry : uint8_t {
  kMissing,
  kFile,
  kOutside,  // a link to somewhere else
};

// What `name`, which has no '/', is in a folder. Links are followed as far as they stay in the
// folder; the cache of Hugging Face, where "snapshots/X/NAME" leads to "blobs" beside "snapshots",
// is one place too. Lists nothing.
FolderEntry LookInFolder(const std::string& folder, const std::string& name);

}  // namespace tinyai
