#include "format/block_checker.h"

#include "format/tmai_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// A file of some pages, its reader's view of it, and a checker.
class BlockCheckerTest : public ::testing::Test {
 protected:
  BlockCheckerTest() {
    TmaiContents contents;
    contents.tensors = {NewTensor("a", DType::kF32, {4096, 3}),
                        NewTensor("b", DType::kF32, {3000})};
    bytes_ = BuildTmai(contents);
    file_ = *ReadTmaiBytes(bytes_);
    source_ = std::make_unique<MemorySource>("m.tmai", bytes_);
    checker_ = std::make_unique<BlockChecker>(file_, *source_);
  }
  Status CheckBlocks(uint64_t begin, uint64_t count) {
    return checker_->Check(begin * 4096, std::span(bytes_).subspan(begin * 4096, count * 4096));
  }

  std::vector<std::byte> bytes_;
  ModelFile file_;
  std::unique_ptr<MemorySource> source_;
  std::unique_ptr<BlockChecker> checker_;
};

TEST_F(BlockCheckerTest, WhatIsWholePasses) {
  EXPECT_TRUE(CheckBlocks(0, bytes_.size() / 4096)) << "header and tables pass too";
  std::vector<std::byte> out(20'000);
  ASSERT_TRUE(checker_->ReadAt(file_.tensors[0].offset + 777, out));
  for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], PatternByte(0, 777 + i));
}

TEST_F(BlockCheckerTest, EveryDamagedBlockIsFoundAndNamed) {
  for (uint64_t block = 0; block < file_.checksums->blocks(); ++block) {
    const uint64_t at = 4096 + block * 4096 + block * 11 % 4096;
    bytes_[at] ^= std::byte{4};
    const Status found = CheckBlocks(1, file_.checksums->blocks());
    ASSERT_FALSE(found) << block;
    EXPECT_EQ(found.error().key, "TMAI_CHECKSUM");
    EXPECT_EQ(found.error().offset, 4096 + block * 4096);
    const std::string name = block < 12 ? "'a'" : "'b'";
    EXPECT_NE(found.error().message.find("block " + std::to_string(block) + " "),
              std::string::npos);
    EXPECT_NE(found.error().message.find(name), std::string::npos) << found.error().message;
    bytes_[at] ^= std::byte{4};
    checker_->Forget();
  }
}

TEST_F(BlockCheckerTest, ADamagedChecksumIsFoundToo) {
  bytes_[file_.checksums->table_offset + 8 * 2 + 3] ^= std::byte{1};
  EXPECT_TRUE(CheckBlocks(1, 2));
  EXPECT_EQ(CheckBlocks(3, 1).error().key, "TMAI_CHECKSUM");
}

TEST_F(BlockCheckerTest, ABlockAtAnothersPlaceIsFound) {
  std::copy_n(bytes_.begin() + 4096 * 2, 4096, bytes_.begin() + 4096 * 5);
  std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(file_.checksums->table_offset) + 8, 8,
              bytes_.begin() + static_cast<ptrdiff_t>(file_.checksums->table_offset) + 8 * 4);
  EXPECT_FALSE(CheckBlocks(5, 1));
}

TEST_F(BlockCheckerTest, EachBlockIsCheckedOnce) {
  ASSERT_TRUE(CheckBlocks(1, 4));
  bytes_[4096 * 2] ^= std::byte{1};
  EXPECT_TRUE(CheckBlocks(2, 1)) << "only the first reading counts";
  checker_->Forget();
  EXPECT_FALSE(CheckBlocks(2, 1));
}

TEST_F(BlockCheckerTest, AReadPastTheEndIsAnError) {
  std::vector<std::byte> out(5000);
  EXPECT_FALSE(checker_->ReadAt(bytes_.size() - 100, out));
  EXPECT_FALSE(checker_->ReadAt(bytes_.size() + 100, out));
}

TEST_F(BlockCheckerTest, HoldsABitPerBlock) {
  EXPECT_EQ(BlockChecker::MemoryBytes({.begin = 4096, .end = 4096 + (uint64_t{8} << 30)}),
            (uint64_t{8} << 30) / 4096 / 8 + (16 << 10));
}

}  // namespace
}  // namespace tinyai
