#include "os/testing.h"

#include <stdlib.h>

#include <fstream>

namespace tinyai {

ScratchDirectory::ScratchDirectory() {
  std::string name = (std::filesystem::current_path() / "scratch-XXXXXX").string();
  path_ = ::mkdtemp(name.data());
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchDirectory::Write(const std::string& name, const std::string& bytes) const {
  const std::string path = (path_ / name).string();
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string PatternBytes(uint64_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15;
  for (char& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace tinyai
