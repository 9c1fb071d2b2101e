// Rule 4 of the catalogue of faults: a rejected file costs at most 100 ms and 8 MiB + 4 times its
// header. This program counts every allocation.

#include <ctime>

#include "fmt/format.h"
#include "format/allocation_meter.h"
#include "format/gguf_test_support.h"
#include "format/limits.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr double kMostSeconds = 2;  // sanitizers and unoptimised builds are slower
#else
constexpr double kMostSeconds = 0.1;
#endif
constexpr size_t kFixedBytes = size_t{8} << 20;

// Reads a file, which must be refused, and checks what that cost. `header_bytes`: how much of the
// file is header.
void ExpectCheapRejection(std::unique_ptr<ByteSource> source, uint64_t header_bytes,
                          std::string_view key, const std::string& what) {
  const size_t before = StartMeter();
  const std::clock_t start = std::clock();
  {
    std::vector<std::unique_ptr<ByteSource>> parts;
    EXPECT_EQ(KeyOf(ReadGguf(std::move(source), nullptr, parts)), key) << what;
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_LE(PeakBytes() - before, kFixedBytes + 4 * header_bytes) << what;
  // A header of 30 MB may take longer than one of a real model, in proportion.
  const double most = kMostSeconds * std::max(1.0, static_cast<double>(header_bytes) / 4e6);
  EXPECT_LE(seconds, most) << what;
}

void ExpectCheapRejection(const RawGguf& raw, std::string_view key, const std::string& what) {
  const Bytes bytes = raw.Build();
  ExpectCheapRejection(std::make_unique<MemorySource>("test.gguf", bytes), bytes.size(), key, what);
}

// The file claims to be as large as a real model, so that no count is refused for the file's size.
void ExpectCheapInALargeFile(const RawGguf& raw, std::string_view key, const std::string& what) {
  Bytes bytes = raw.Build();
  const uint64_t header_bytes = bytes.size();
  ExpectCheapRejection(std::make_unique<SparseSource>(std::move(bytes), uint64_t{8} << 40),
                       header_bytes, key, what);
}

TEST(GgufCost, CountsThatOnlyTheCapsBoundCostNothing) {
  RawGguf keys;
  keys.key_count = kMaxGgufKeys;
  ExpectCheapInALargeFile(keys, "GGUF_EMPTY_KEY", "keys");
  RawGguf tensors;
  tensors.tensor_count = kMaxTensors;
  ExpectCheapInALargeFile(tensors, "GGUF_NAME", "tensors");
}

TEST(GgufCost, LengthsOfKeysAndNamesCostWhatTheyHold) {
  RawGguf raw;
  raw.Number<uint8_t>("x", MetaType::kU8, 1);
  raw.keys[0].resize(8);
  const uint64_t length = kMaxGgufKeyBytes;
  std::memcpy(raw.keys[0].data(), &length, 8);
  ExpectCheapInALargeFile(raw, "GGUF_NAME", "a key of zeros");
}

TEST(GgufCost, AHundredThousandKeysOfWhichTheLastIsBad) {
  RawGguf raw;
  for (uint64_t i = 0; i + 1 < kMaxGgufKeys; ++i) {
    raw.Number<uint8_t>(fmt::format("{}", i), MetaType::kU8, 1);
  }
  raw.Number<uint8_t>("bad", MetaType::kBool, 2);
  ExpectCheapRejection(raw, "GGUF_BOOL", "keys");
}

TEST(GgufCost, TensorsWithOneBadRecordAtTheEnd) {
  for (const uint64_t count : {1'000u, 60'000u, 140'000u, 999'999u}) {
    RawGguf raw;
    for (uint64_t i = 0; i < count; ++i) raw.Tensor(fmt::format("{}", i), {8}, 0, i * 32);
    raw.Tensor("bad", {8}, 4, 0);
    raw.data_bytes = 0;
    ExpectCheapRejection(raw, "GGUF_TENSOR_TYPE", fmt::format("{} tensors", count));
  }
}

TEST(GgufCost, AVocabularyCutAtItsEnd) {
  RawGguf raw;
  Bytes tokens;
  for (int i = 0; i < 200'000; ++i) PutString(tokens, fmt::format("token {}", i));
  raw.Array("tokenizer.ggml.tokens", static_cast<uint32_t>(MetaType::kString), 200'001, tokens);
  ExpectCheapRejection(raw, "GGUF_TRUNCATED", "tokens");
}

}  // namespace
}  // namespace tinyai
