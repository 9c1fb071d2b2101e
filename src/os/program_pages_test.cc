#include "os/program_pages.h"

#include <gtest/gtest.h>

#include <cinttypes>
#include <fstream>
#include <string>

namespace tinyai {
namespace {

// The kernel's flags of the mapping that holds this address, as in /proc/self/smaps.
std::string FlagsOfMappingAt(uintptr_t address) {
  std::ifstream maps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
      here = begin <= address && address < end;
    }
    if (here && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

TEST(ProgramPages, AreNotReadAheadAfterwards) {
  const auto code = reinterpret_cast<uintptr_t>(&FlagsOfMappingAt);
  if (FlagsOfMappingAt(code).empty()) GTEST_SKIP() << "this kernel tells no flags";
  EXPECT_EQ(FlagsOfMappingAt(code).find(" rr "), std::string::npos);
  ReadProgramByThePage();
  EXPECT_NE(FlagsOfMappingAt(code).find(" rr "), std::string::npos);
}

}  // namespace
}  // namespace tinyai
