// Rows A7 to A16 of the catalogue of faults: damaged keys and values.

#include "format/gguf_damage_support.h"
#include "format/limits.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(GgufDamage, A7ImpossibleKeyLengthsAreStringErrors) {
  RawGguf raw = Good();
  raw.data_bytes = 4096;
  const uint64_t file_size = raw.Build().size();
  for (const uint64_t length : {kHuge[0], kHuge[2], file_size, kMaxGgufKeyBytes + 1}) {
    Bytes bytes = raw.Build();
    std::memcpy(bytes.data() + 24, &length, 8);
    ExpectError(bytes, "GGUF_STRING", std::to_string(length));
  }
}

TEST(GgufDamage, A8AnEmptyKeyIsAnError) {
  RawGguf raw = Good();
  raw.Number<uint8_t>("", MetaType::kU8, 1);
  ExpectError(raw, "GGUF_EMPTY_KEY", "");
}

TEST(GgufDamage, A9AKeyThatIsThereTwiceIsAnError) {
  for (const uint32_t value : {7u, 8u}) {
    RawGguf raw = Good();
    raw.Number<uint32_t>("other", MetaType::kU32, 7);
    raw.Number<uint32_t>("k", MetaType::kU32, value);
    ExpectError(raw, "GGUF_DUP_KEY", std::to_string(value));
  }
}

TEST(GgufDamage, A10UnknownValueTypesAreErrors) {
  for (const uint32_t type : {13u, 255u, 1u << 31, ~0u}) {
    RawGguf raw = Good();
    raw.Key("x", type, Bytes(16));
    ExpectError(raw, "GGUF_TYPE", std::to_string(type));
    RawGguf items = Good();
    items.Array("x", type, 1, Bytes(16));
    ExpectError(items, "GGUF_TYPE", "items of " + std::to_string(type));
  }
}

TEST(GgufDamage, A11BoolsAreZeroOrOne) {
  for (const uint8_t value : {2, 255}) {
    RawGguf raw = Good();
    raw.Number<uint8_t>("x", MetaType::kBool, value);
    ExpectError(raw, "GGUF_BOOL", std::to_string(value));
    RawGguf items = Good();
    items.Array("x", static_cast<uint32_t>(MetaType::kBool), 3,
                {std::byte{1}, std::byte{0}, static_cast<std::byte>(value)});
    ExpectError(items, "GGUF_BOOL", "item " + std::to_string(value));
  }
}

TEST(GgufDamage, A12NestedArraysAreRefusedAtAnyDepth) {
  for (const int depth : {2, 100'000}) {
    Bytes items;
    for (int i = 1; i < depth; ++i) {
      PutNumber(items, kArray);
      PutNumber<uint64_t>(items, 1);
    }
    RawGguf raw = Good();
    raw.Array("x", kArray, 1, items);
    ExpectError(raw, "GGUF_NESTED", std::to_string(depth));
  }
}

TEST(GgufDamage, A13ArraysLongerThanTheFileAreErrors) {
  const auto expect = [](uint32_t type, uint64_t count) {
    RawGguf raw = Good();
    raw.data_bytes = 1000;
    raw.Array("x", type, count, Bytes(64));
    ExpectError(raw, "GGUF_ARRAY", std::to_string(type) + " x " + std::to_string(count));
  };
  for (const uint64_t count : kHuge) {
    for (const uint32_t type : {kU8, kU64, kString}) expect(type, count);
  }
  expect(kU8, uint64_t{1} << 60);
  expect(kU64, uint64_t{1} << 61);
  expect(kU8, kMaxGgufArrayItems + 1);
  expect(kU8, 1'000'000);
  expect(kU64, 300);  // 2400 bytes of a file of about 1200
}

TEST(GgufDamage, A13AnArrayOfStringsThatClaimsTooManyIsAnArrayError) {
  for (const uint64_t count : {20u, 1'000'000u}) {  // there are 3, and room for fewer than 20
    RawGguf raw;
    Bytes items;
    for (const char* token : {"a", "bc", "def"}) PutString(items, token);
    raw.Array("tokenizer.ggml.tokens", kString, count, items);
    raw.Number<uint32_t>("general.alignment", MetaType::kU32, 32);
    ExpectError(raw, "GGUF_ARRAY", std::to_string(count) + " strings");
  }
}

TEST(GgufDamage, StringLengthsAreCapped) {
  for (const uint64_t length : {kHuge[0], kHuge[2], kMaxGgufStringBytes + 1}) {
    Bytes value;
    PutNumber(value, length);
    RawGguf raw = Good();
    raw.Key("x", kString, value);
    ExpectError(raw, "GGUF_STRING", std::to_string(length));
  }
}

TEST(GgufDamage, A15NamesArePrintableAndStringsMayHoldAnything) {
  const std::string odd[] = {"\xFF\xFE", std::string("a\0b", 3), "\x1B[2J", "a\nb", "\xC2\x85",
                             "\x7F"};
  for (const std::string& name : odd) {
    RawGguf key = Good();
    key.Number<uint8_t>(name, MetaType::kU8, 1);
    ExpectError(key, "GGUF_NAME", "key");
    RawGguf tensor = Good();
    tensor.Tensor(name, {4}, kF32, 32);
    ExpectError(tensor, "GGUF_NAME", "tensor");
    RawGguf value = Good();
    Bytes string;
    PutString(string, name);
    value.Key("x", kString, string);
    value.Array("y", kString, 1, string);
    const Result<ModelFile> file = Read(value.Build());
    ASSERT_TRUE(file);
    EXPECT_EQ(file->metadata.OptionalString("x").value(), name);
  }
  RawGguf good = Good();
  good.Number<uint8_t>("größe.名前", MetaType::kU8, 1);
  EXPECT_TRUE(Read(good.Build()));
}

TEST(GgufDamage, A16AlignmentIsAPowerOfTwoAndAU32) {
  for (const uint32_t alignment :
       {0u, 13u, 1u << 31, static_cast<uint32_t>(kMaxGgufAlignment) * 2}) {
    RawGguf raw = Good();
    raw.Number("general.alignment", MetaType::kU32, alignment);
    ExpectError(raw, "GGUF_ALIGN", std::to_string(alignment));
  }
  RawGguf other_type = Good();
  other_type.Number<int32_t>("general.alignment", MetaType::kI32, 32);
  ExpectError(other_type, "GGUF_ALIGN", "i32");
  RawGguf text = Good();
  Bytes string;
  PutString(string, "32");
  text.Key("general.alignment", kString, string);
  ExpectError(text, "GGUF_ALIGN", "string");
  RawGguf list = Good();
  list.Array("general.alignment", static_cast<uint32_t>(MetaType::kU32), 1, Bytes(4));
  ExpectError(list, "GGUF_ALIGN", "array");
}

}  // namespace
}  // namespace tinyai
