#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "paths/paths.h"

namespace tinyai {

// Compares `text` with the file `path` of the source tree ("src/plan/goldens/streaming.txt").
// TINYAI_UPDATE_GOLDENS=1 writes the file instead, so that a change of behaviour is reviewed as a
// diff.
inline void ExpectGolden(const std::string& path, const std::string& text) {
  const std::string full = SourceFolder() + "/" + path;
  if (const char* update = std::getenv("TINYAI_UPDATE_GOLDENS"); update != nullptr) {
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::ofstream(full, std::ios::binary) << text;
    return;
  }
  std::ifstream file(full, std::ios::binary);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << path << "; TINYAI_UPDATE_GOLDENS=1 rewrites it";
}

}  // namespace tinyai
