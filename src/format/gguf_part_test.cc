// Rows A1 to A6 and A34 of the catalogue of faults: the start of a file, and damage anywhere.

#include "format/gguf_damage_support.h"
#include "format/limits.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(GgufDamage, TheUndamagedFileIsGood) {
  EXPECT_EQ(KeyOf(Read(Good().Build())), "");
  EXPECT_EQ(KeyOf(Read(SmallGguf())), "");
}

TEST(GgufDamage, A1EveryPrefixOfAFileIsTruncatedAndSaysWhere) {
  const Bytes bytes = SmallGguf();
  const Result<ModelFile> whole = Read(bytes);
  ASSERT_TRUE(whole);
  const uint64_t header = whole->tensors[0].offset;
  const uint64_t end = whole->tensors[2].offset + whole->tensors[2].bytes;
  for (uint64_t size = 0; size < end; ++size) {
    const Result<ModelFile> file = Read(std::span(bytes).first(size));
    ASSERT_FALSE(file) << "cut at byte " << size;
    const std::string_view key = file.error().key;
    if (key == "GGUF_TENSOR_RANGE") {  // the header is whole, less its padding
      EXPECT_GT(size, header - 32) << "cut at byte " << size;
    } else {
      EXPECT_EQ(key, "GGUF_TRUNCATED") << "cut at byte " << size;
      EXPECT_LT(size, header);
      ASSERT_TRUE(file.error().offset.has_value());
      EXPECT_LE(*file.error().offset, size);
    }
  }
  EXPECT_TRUE(Read(std::span(bytes).first(end))) << "padding at the end may be missing";
}

TEST(GgufDamage, A2OtherFilesAreNamedForWhatTheyAre) {
  const std::pair<std::string, std::string> cases[] = {
      {"FUGG", "byte-swapped"},
      {"GGML", "before GGUF"},
      {"lmgg", "before GGUF"},
      {"GGJT", "before GGUF"},
      {"tjgg", "before GGUF"},
      {"PK\x03\x04", "ZIP"},
      {"PK\x05\x06", "ZIP"},
      {"\x7F"
       "ELF",
       "ELF"},
      {"<!DOCTYPE html>", "download failed?"},
      {"<html>", "download failed?"},
      {"version https://git-lfs.github.com", "git lfs pull"},
      {"GGUE", "47 47 55 45"},
      {"gguf", "67 67 75 66"},
      {std::string("\x40\0\0\0\0\0\0\0{\"a\"", 12), "safetensors"},
      {std::string(40, '\0'), "zeros"},
  };
  for (const auto& [start, text] : cases) {
    Bytes bytes;
    Put(bytes, start);
    bytes.resize(std::max<size_t>(bytes.size(), 4));
    ExpectError(bytes, "GGUF_BAD_MAGIC", start);
    EXPECT_NE(Read(bytes).error().message.find(text), std::string::npos)
        << Read(bytes).error().message;
  }
}

TEST(GgufDamage, A3OtherVersionsAreRefused) {
  for (const uint32_t version : {0u, 1u, 4u, ~0u}) {
    RawGguf raw = Good();
    raw.version = version;
    ExpectError(raw, "GGUF_VERSION", std::to_string(version));
  }
}

TEST(GgufDamage, A4BigEndianFilesAreUnsupported) {
  for (const uint32_t version : {0x01000000u, 0x02000000u, 0x03000000u}) {
    RawGguf raw = Good();
    raw.version = version;
    ExpectError(raw, "GGUF_ENDIAN", std::to_string(version), ErrorCode::kUnsupported);
  }
}

TEST(GgufDamage, A5TooManyTensorsAreRefusedByTheirNumber) {
  for (const uint64_t count : {kHuge[0], kHuge[2], kHuge[3], kMaxTensors + 1}) {
    RawGguf raw = Good();
    raw.tensor_count = count;
    ExpectError(raw, "GGUF_COUNT", std::to_string(count));
  }
  RawGguf raw = Good();  // within the cap, but not within the file
  raw.tensor_count = kMaxTensors;
  ExpectError(raw, "GGUF_TRUNCATED", "at the cap");
}

TEST(GgufDamage, A6KeyCountsThatDoNotMatchAreErrors) {
  for (const uint64_t count : {kHuge[0], kHuge[3], kMaxGgufKeys + 1}) {
    RawGguf raw = Good();
    raw.key_count = count;
    ExpectError(raw, "GGUF_COUNT", std::to_string(count));
  }
  RawGguf raw = Good();
  raw.key_count = kMaxGgufKeys;
  ExpectError(raw, "GGUF_TRUNCATED", "at the cap");
  for (const uint64_t count : {0u, 2u}) {  // a key is read as a tensor, a tensor as a key
    raw.key_count = count;
    EXPECT_FALSE(Read(raw.Build())) << count;
  }
}

// A34: whatever one byte or one field says, the result is clean.
class AnyDamage {
 public:
  explicit AnyDamage(const Bytes& good) : bytes_(good) {}

  void Try(size_t at, std::span<const std::byte> replacement) {
    const Bytes old(bytes_.begin() + static_cast<std::ptrdiff_t>(at),
                    bytes_.begin() + static_cast<std::ptrdiff_t>(at + replacement.size()));
    std::memcpy(bytes_.data() + at, replacement.data(), replacement.size());
    const Result<ModelFile> file = Read(bytes_);
    if (file) {
      ++accepted_;
      EXPECT_EQ(FindContradiction(*file), "") << "field at byte " << at;
    } else {
      EXPECT_TRUE(file.error().key.starts_with("GGUF_") || file.error().key == "MODEL_SPLIT");
      EXPECT_EQ(file.error().file, "test.gguf");
    }
    std::memcpy(bytes_.data() + at, old.data(), old.size());
    ++tried_;
  }
  template <typename T>
  void TryNumbers(size_t at) {
    if (at + sizeof(T) > bytes_.size()) return;
    for (const T value : {T{0}, T{1}, static_cast<T>(~T{0}), static_cast<T>(~T{0} - 1),
                          static_cast<T>(uint64_t{1} << 31), static_cast<T>(uint64_t{1} << 63)}) {
      Try(at, std::as_bytes(std::span(&value, 1)));
    }
  }
  size_t tried() const { return tried_; }
  size_t accepted() const { return accepted_; }

 private:
  Bytes bytes_;
  size_t tried_ = 0, accepted_ = 0;
};

TEST(GgufDamage, A34AnyDamagedByteOrFieldGivesACleanResult) {
  const Bytes good = SmallGguf();
  const uint64_t header = Read(good)->tensors[0].offset;
  AnyDamage damage(good);
  for (size_t at = 0; at < header; ++at) {
    for (const std::byte value :
         {static_cast<std::byte>(static_cast<int>(good[at]) + 1), std::byte{0}, std::byte{255}}) {
      damage.Try(at, std::span(&value, 1));
    }
    damage.TryNumbers<uint32_t>(at);
    damage.TryNumbers<uint64_t>(at);
  }
  EXPECT_GT(damage.tried(), 9'000u);
  EXPECT_GT(damage.accepted(), 100u) << "values of keys may change";
  EXPECT_LT(damage.accepted(), damage.tried() / 2);
}

}  // namespace
}  // namespace tinyai
