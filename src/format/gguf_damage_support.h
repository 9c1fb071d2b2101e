#pragma once

// What the tests of damaged GGUF files share.

#include <string>

#include "format/gguf_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {

inline constexpr uint64_t kHuge[] = {~uint64_t{0}, ~uint64_t{0} - 1, uint64_t{1} << 63,
                                     uint64_t{1} << 40};
// Type ids of GGUF, of tensors and of values.
inline constexpr uint32_t kF32 = 0, kQ8_0 = 8, kQ4K = 12;
inline constexpr auto kU8 = static_cast<uint32_t>(MetaType::kU8);
inline constexpr auto kU64 = static_cast<uint32_t>(MetaType::kU64);
inline constexpr auto kString = static_cast<uint32_t>(MetaType::kString);
inline constexpr auto kArray = static_cast<uint32_t>(MetaType::kArray);

// A file of one key and one tensor that is good until a test damages it.
inline RawGguf Good() {
  RawGguf raw;
  raw.Number<uint32_t>("k", MetaType::kU32, 7);
  raw.Tensor("t", {4, 2}, kF32, 0);
  raw.data_bytes = 32;
  return raw;
}

// Expects the error and that it says where: file, offset, and no control byte in the message.
inline void ExpectError(const Bytes& bytes, std::string_view key, const std::string& what,
                        ErrorCode code = ErrorCode::kBadFile) {
  const Result<ModelFile> file = Read(bytes);
  ASSERT_EQ(KeyOf(file), key) << what << (file ? "" : ": " + file.error().message);
  EXPECT_EQ(file.error().code, code) << what;
  EXPECT_EQ(file.error().file, "test.gguf") << what;
  for (const char c : file.error().message) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << what;
}

inline void ExpectError(const RawGguf& raw, std::string_view key, const std::string& what,
                        ErrorCode code = ErrorCode::kBadFile) {
  ExpectError(raw.Build(), key, what, code);
}

}  // namespace tinyai
