#include "os/file_mapping.h"

#include <cstring>
#include <filesystem>

#include "gtest/gtest.h"
#include "os/process_stats.h"
#include "os/testing.h"

namespace tinyai {
namespace {

uint64_t Resident() { return ReadProcessStats().resident_bytes; }

TEST(FileMapping, LoadedBytesAreResidentAndDroppedOnesAreNot) {
  const ScratchDirectory scratch;
  const std::string bytes = PatternBytes(16 << 20);
  const auto file = File::Open(scratch.Write("f", bytes));
  ASSERT_TRUE(file);
  const auto mapping = FileMapping::Map(**file);
  ASSERT_TRUE(mapping);
  const uint64_t before = Resident();
  uint64_t seen = 100;
  ASSERT_TRUE(mapping->Load(seen, 8 << 20, [&](std::span<const std::byte> piece) -> Status {
    EXPECT_EQ(std::memcmp(piece.data(), bytes.data() + seen, piece.size()), 0) << seen;
    seen += piece.size();
    return {};
  }));
  EXPECT_EQ(seen, 100u + (8 << 20));
  EXPECT_GE(Resident(), before + (7 << 20));
  EXPECT_EQ(std::memcmp(mapping->data(), bytes.data(), bytes.size()), 0);
  mapping->Drop(0, bytes.size());
  EXPECT_LT(Resident(), before + (2 << 20));
  EXPECT_EQ(std::memcmp(mapping->data(), bytes.data(), 1 << 20), 0) << "the contents stay";
}

TEST(FileMapping, AFileThatWasCutIsAnErrorAndNoSignal) {
  const ScratchDirectory scratch;
  const std::string path = scratch.Write("f", PatternBytes(1 << 20));
  const auto file = File::Open(path);
  ASSERT_TRUE(file);
  const auto mapping = FileMapping::Map(**file);
  ASSERT_TRUE(mapping);
  std::filesystem::resize_file(path, 1 << 19);
  EXPECT_TRUE(mapping->Load(0, 1 << 19, {}));
  const Status cut = mapping->Load(0, 1 << 20, {});
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().key, "MODEL_CHANGED");
}

TEST(FileMapping, AVisitorEndsTheReading) {
  const ScratchDirectory scratch;
  const auto file = File::Open(scratch.Write("f", PatternBytes(1 << 20)));
  ASSERT_TRUE(file);
  const auto mapping = FileMapping::Map(**file);
  ASSERT_TRUE(mapping);
  int pieces = 0;
  const Status stopped = mapping->Look(0, 1 << 20, [&](std::span<const std::byte>) -> Status {
    ++pieces;
    return Fail(ErrorCode::kBadFile, "TEST", "enough");
  });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(pieces, 1);
}

}  // namespace
}  // namespace tinyai
