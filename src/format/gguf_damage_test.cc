// The rows A1 to A29 of the catalogue of faults: what damage to a GGUF file gives.

#include <array>
#include <functional>

#include "format/gguf_test_support.h"
#include "format/limits.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

constexpr uint64_t kHuge[] = {~uint64_t{0}, ~uint64_t{0} - 1, uint64_t{1} << 63, uint64_t{1} << 40};
constexpr uint32_t kF32 = 0, kQ8_0 = 8, kQ4K = 12;
constexpr auto kU8 = static_cast<uint32_t>(MetaType::kU8);
constexpr auto kU64 = static_cast<uint32_t>(MetaType::kU64);
constexpr auto kString = static_cast<uint32_t>(MetaType::kString);
constexpr auto kArray = static_cast<uint32_t>(MetaType::kArray);

// A file of one key and one tensor that is good until a test damages it.
RawGguf Good() {
  RawGguf raw;
  raw.Number<uint32_t>("k", MetaType::kU32, 7);
  raw.Tensor("t", {4, 2}, kF32, 0);
  raw.data_bytes = 32;
  return raw;
}

// Expects the error and that it says where: file, offset, and no control byte in the message.
void ExpectError(const Bytes& bytes, std::string_view key, const std::string& what,
                 ErrorCode code = ErrorCode::kBadFile) {
  const Result<ModelFile> file = Read(bytes);
  ASSERT_EQ(KeyOf(file), key) << what << (file ? "" : ": " + file.error().message);
  EXPECT_EQ(file.error().code, code) << what;
  EXPECT_EQ(file.error().file, "test.gguf") << what;
  for (const char c : file.error().message) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << what;
}

void ExpectError(const RawGguf& raw, std::string_view key, const std::string& what,
                 ErrorCode code = ErrorCode::kBadFile) {
  ExpectError(raw.Build(), key, what, code);
}

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
  for (const uint64_t count : {kHuge[0], kHuge[2], kHuge[3], kMaxGgufTensors + 1}) {
    RawGguf raw = Good();
    raw.tensor_count = count;
    ExpectError(raw, "GGUF_COUNT", std::to_string(count));
  }
  RawGguf raw = Good();  // within the cap, but not within the file
  raw.tensor_count = kMaxGgufTensors;
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
  RawGguf raw;
  Bytes items;
  for (const char* token : {"a", "bc", "def"}) PutString(items, token);
  raw.Array("tokenizer.ggml.tokens", kString, 1'000'000, items);
  raw.Number<uint32_t>("general.alignment", MetaType::kU32, 32);
  ExpectError(raw, "GGUF_ARRAY", "a million strings");
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

TEST(GgufDamage, A18TensorsHaveOneToFourDimensions) {
  RawGguf none = Good();
  none.Tensor("x", {}, kF32, 32);
  ExpectError(none, "GGUF_DIMS", "0");
  RawGguf five = Good();
  five.Tensor("x", {1, 1, 1, 1, 1}, kF32, 32);
  ExpectError(five, "GGUF_DIMS", "5");
  for (const uint32_t count : {9u, ~0u}) {
    RawGguf raw = Good();
    std::memcpy(raw.tensors[0].data() + 9, &count, 4);
    ExpectError(raw, "GGUF_DIMS", std::to_string(count));
  }
}

TEST(GgufDamage, A19NoDimensionIsZero) {
  for (size_t zero = 0; zero < 4; ++zero) {
    std::array<uint64_t, 4> dims = {4, 1, 1, 1};
    dims[zero] = 0;
    RawGguf raw;
    raw.Tensor("x", {dims[0], dims[1], dims[2], dims[3]}, kF32, 0);
    raw.data_bytes = 64;
    ExpectError(raw, "GGUF_ZERO_DIM", std::to_string(zero));
  }
}

TEST(GgufDamage, A20ShapesThatWrapAreErrors) {
  const std::initializer_list<uint64_t> shapes[] = {
      {uint64_t{1} << 63},
      {~uint64_t{0}},
      {4, ~uint64_t{0}},
      {uint64_t{1} << 32, uint64_t{1} << 32},        // wraps to 0
      {(uint64_t{1} << 42) + 1, uint64_t{1} << 22},  // wraps to 2^22
      {4194305, 4194305, 211106198978564},           // wraps to a small number
      {uint64_t{1} << 16, uint64_t{1} << 16, uint64_t{1} << 16, uint64_t{1} << 16},
  };
  for (const std::initializer_list<uint64_t>& shape : shapes) {
    RawGguf raw;
    raw.Tensor("x", shape, kF32, 0);
    raw.data_bytes = 64;
    ExpectError(raw, "GGUF_SHAPE_OVERFLOW", std::to_string(*shape.begin()));
  }
}

TEST(GgufDamage, A21SizesThatWrapAreErrors) {
  RawGguf product;  // 2^62 floats
  product.Tensor("x", {uint64_t{1} << 62}, kF32, 0);
  ExpectError(product, "GGUF_SIZE_OVERFLOW", "elements times size");
  RawGguf padding;  // 2^64 - 4 bytes, which padding takes past the end
  padding.Tensor("x", {(uint64_t{1} << 62) - 1}, kF32, 0);
  ExpectError(padding, "GGUF_SIZE_OVERFLOW", "padding");
  RawGguf sum;  // 2^63 bytes each
  sum.Tensor("x", {uint64_t{1} << 61}, kF32, 0);
  sum.Tensor("y", {uint64_t{1} << 61}, kF32, 0);
  ExpectError(sum, "GGUF_SIZE_OVERFLOW", "sum");
}

TEST(GgufDamage, A22RowsAreWholeBlocks) {
  for (const auto& [dim, type] :
       {std::pair{33u, kQ8_0}, std::pair{255u, kQ4K}, std::pair{1u, 2u}}) {
    RawGguf raw;
    raw.Tensor("x", {dim, 32}, type, 0);
    raw.data_bytes = 1 << 16;
    ExpectError(raw, "GGUF_BLOCK", std::to_string(dim));
  }
}

TEST(GgufDamage, A23TensorTypesAreKnownUnsupportedOrErrors) {
  for (const uint32_t type : {4u, 5u, 31u, 33u, 36u, 38u, 43u, 999u, ~0u}) {
    RawGguf raw;
    raw.Tensor("x", {256}, type, 0);
    raw.data_bytes = 4096;
    ExpectError(raw, "GGUF_TENSOR_TYPE", std::to_string(type));
  }
  const std::pair<uint32_t, std::string> known[] = {
      {9, "Q8_1"},    {10, "Q2_K"},    {11, "Q3_K"},  {15, "Q8_K"},   {16, "IQ2_XXS"},
      {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
      {22, "IQ2_S"},  {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},    {26, "I32"},
      {27, "I64"},    {28, "F64"},     {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},
      {39, "MXFP4"},  {40, "NVFP4"}};
  for (const auto& [type, name] : known) {
    RawGguf raw;
    raw.Tensor("x", {256}, type, 0);
    raw.data_bytes = 4096;
    ExpectError(raw, "GGUF_TENSOR_TYPE", name, ErrorCode::kUnsupported);
    EXPECT_NE(Read(raw.Build()).error().message.find(" " + name + " "), std::string::npos);
  }
}

TEST(GgufDamage, A24TensorsLieInTheFileAndAreAligned) {
  for (const uint64_t offset : {uint64_t{1}, uint64_t{16}, uint64_t{33}, ~uint64_t{0},
                                ~uint64_t{31}, uint64_t{64}, uint64_t{1} << 40}) {
    RawGguf raw = Good();
    raw.Tensor("x", {4}, kF32, offset);
    ExpectError(raw, "GGUF_TENSOR_RANGE", std::to_string(offset));
  }
  RawGguf by_one = Good();
  by_one.data_bytes = 31;
  ExpectError(by_one, "GGUF_TENSOR_RANGE", "one byte is missing");
}

TEST(GgufDamage, A25TensorsDoNotOverlap) {
  RawGguf same = Good();
  same.Tensor("x", {8}, kF32, 0);
  ExpectError(same, "GGUF_TENSOR_OVERLAP", "the same place");
  RawGguf partial;
  partial.Tensor("a", {16}, kF32, 32);
  partial.Tensor("b", {9}, kF32, 0);
  partial.data_bytes = 96;
  ExpectError(partial, "GGUF_TENSOR_OVERLAP", "by one element");
}

TEST(GgufDamage, A26GapsAndAnyOrderAreAcceptedWithAWarning) {
  RawGguf raw;
  raw.Tensor("b", {8}, kF32, 128);
  raw.Tensor("a", {8}, kF32, 0);
  raw.data_bytes = 160;
  const Result<ModelFile> file = Read(raw.Build());
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->warnings.size(), 2u);
  EXPECT_NE(file->warnings[0].find("order"), std::string::npos);
  EXPECT_NE(file->warnings[1].find("1 gap"), std::string::npos);
}

TEST(GgufDamage, A27TensorNamesAreUniqueAndNotTooLong) {
  RawGguf twice = Good();
  twice.Tensor("t", {4}, kF32, 0);
  ExpectError(twice, "GGUF_DUP_TENSOR", "");
  RawGguf empty = Good();
  empty.Tensor("", {4}, kF32, 32);
  ExpectError(empty, "GGUF_NAME", "empty");
  for (const size_t length : {size_t{64}, size_t{kMaxTensorNameBytes}}) {
    RawGguf raw;
    raw.Tensor(std::string(length, 'n'), {8}, kF32, 0);
    raw.data_bytes = 32;
    EXPECT_TRUE(Read(raw.Build())) << length;
  }
  for (const size_t length : {size_t{kMaxTensorNameBytes} + 1, size_t{65'536}}) {
    RawGguf raw;
    raw.Tensor(std::string(length, 'n'), {8}, kF32, 0);
    raw.data_bytes = 32;
    ExpectError(raw, "GGUF_STRING", std::to_string(length));
  }
}

TEST(GgufDamage, A28CutDataIsFoundAtOpen) {
  RawGguf raw;
  raw.Tensor("x", {64, 10}, kQ8_0, 0);
  raw.data_bytes = 680;
  Bytes bytes = raw.Build();
  EXPECT_TRUE(Read(bytes));
  for (const size_t missing : {1, 34, 340}) {
    ExpectError(Bytes(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(missing)),
                "GGUF_TENSOR_RANGE", std::to_string(missing));
  }
}

TEST(GgufDamage, A29BytesAfterTheDataGiveAWarning) {
  RawGguf raw = Good();
  raw.data_bytes = 32 + 5;
  Result<ModelFile> file = Read(raw.Build());
  ASSERT_TRUE(file);
  ASSERT_EQ(file->warnings.size(), 1u);
  EXPECT_NE(file->warnings[0].find("5 bytes"), std::string::npos);
  raw.data_bytes = 32 + (2 << 20);
  file = Read(raw.Build());
  EXPECT_NE(file->warnings.at(0).find("more than any padding"), std::string::npos);
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
