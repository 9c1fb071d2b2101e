#include "format/safetensors.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "format/memory_source.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string File(const std::string& header, uint64_t data_bytes) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header +
         std::string(data_bytes, '\x11');
}

// Two tensors, 24 and 8 bytes.
const std::string kGood =
    R"({"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 3],)"
    R"( "data_offsets": [0, 24]}, "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]}})";

std::string_view KeyOf(const std::string& file) {
  const auto header = ReadSafetensorsHeader(MemorySource("m.safetensors", AsBytes(file)));
  return header ? std::string_view() : header.error().key;
}

// The error for a header of one tensor whose fields are these, with 32 bytes of data.
std::string_view KeyOfTensor(const std::string& fields) {
  return KeyOf(File(R"({"a": {)" + fields + "}}", 32));
}

TEST(Safetensors, TellsWhereEachTensorLies) {
  const std::string file = File(kGood, 32);
  const auto header = ReadSafetensorsHeader(MemorySource("m", AsBytes(file)));
  ASSERT_TRUE(header) << Describe(header.error());
  ASSERT_EQ(header->tensors.size(), 2u);
  const SafeTensor& a = header->tensors[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, DType::kF32);
  EXPECT_EQ(a.n_dims, 2u);
  EXPECT_EQ(a.shape[0], 2u);
  EXPECT_EQ(a.shape[1], 3u);
  EXPECT_EQ(a.offset, 8 + kGood.size());
  EXPECT_EQ(a.bytes, 24u);
  EXPECT_EQ(header->tensors[1].type, DType::kBF16);
}

TEST(Safetensors, EveryPrefixIsAnError) {
  const std::string file = File(kGood, 32);
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_NE(KeyOf(file.substr(0, size)), "") << size;
}

TEST(Safetensors, LengthsOfHeadersThatCannotBe) {  // C1
  for (size_t size = 0; size < 8; ++size)
    EXPECT_EQ(KeyOf(std::string(size, '\0')), "ST_HEADER_LEN");
  for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{100'000'001}, uint64_t{1} << 63,
                                ~uint64_t{0}, uint64_t{1000}}) {
    std::string file = File(kGood, 32);
    std::copy_n(reinterpret_cast<const char*>(&length), 8, file.begin());
    EXPECT_EQ(KeyOf(file), "ST_HEADER_LEN") << length;
  }
}

TEST(Safetensors, HeadersThatAreNoJson) {  // C2
  const std::string deep(100'000, '[');
  for (const std::string& header : std::vector<std::string>{
           " {}", "\xEF\xBB\xBF{}", "[]", "{} x", "{}{}", "{\"a\": NaN}", "{/* */}",
           "{\"\xFF\": 1}", "{\"a\": " + deep, "{ ", "{\"a\"}", "{\"a\": 1}", "{\"a\": []}",
           "{\"\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [0, 4]}}",
           "{\"a\\n\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [0, 4]}}",
           "{\"a\": {\"x\": 1}}"}) {
    EXPECT_EQ(KeyOf(File(header, 4)), "ST_HEADER_JSON") << header.substr(0, 40);
  }
  EXPECT_EQ(KeyOf(File("{}  \n ", 0)), "") << "padding is allowed";
}

TEST(Safetensors, KeysThatAreThereTwice) {  // C3
  const std::string a = R"("a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})";
  EXPECT_EQ(KeyOf(File("{" + a + ", " + a + "}", 4)), "ST_DUP_KEY");
  EXPECT_EQ(KeyOf(File(R"({"__metadata__": {}, "__metadata__": {}})", 0)), "ST_DUP_KEY");
  EXPECT_EQ(KeyOf(File(R"({"__metadata__": {"a": "1", "a": "2"}})", 0)), "ST_DUP_KEY");
  for (const std::string value : {"1", "null", "{}", "[]", "true"}) {
    EXPECT_EQ(KeyOf(File(R"({"__metadata__": {"a": )" + value + "}}", 0)), "ST_METADATA") << value;
  }
  EXPECT_EQ(KeyOf(File(R"({"__metadata__": 1})", 0)), "ST_METADATA");
}

TEST(Safetensors, TypesThatDoNotExist) {  // C4
  const std::string rest = R"(, "shape": [32], "data_offsets": [0, 32])";
  for (const std::string type : {"\"F31\"", "\"f32\"", "\"\"", "1", "null", "[]", "{}"}) {
    EXPECT_EQ(KeyOfTensor("\"dtype\": " + type + rest), "ST_DTYPE") << type;
  }
  EXPECT_EQ(KeyOfTensor(R"("shape": [32], "data_offsets": [0, 32])"), "ST_DTYPE");
  EXPECT_EQ(KeyOfTensor(R"("dtype": "F4", "shape": [63], "data_offsets": [0, 32])"), "ST_DTYPE");
  EXPECT_EQ(KeyOfTensor(R"("dtype": "F4", "shape": [64], "data_offsets": [0, 32])"), "");
  EXPECT_EQ(KeyOfTensor(R"("dtype": "I64", "shape": [4], "data_offsets": [0, 32])"), "");
}

TEST(Safetensors, ShapesThatCannotBe) {  // C5
  std::string many = "1";
  for (int i = 0; i < 100'000; ++i) many += ", 1";
  for (const std::string& shape : std::vector<std::string>{
           "[-1]", "[1e3]", "[1.5]", "[\"8\"]", "8", "\"8\"", "{}", "[[8]]", "[true]", "[null]",
           "[18446744073709551616]", "[9223372036854775808]", "[4294967296, 4294967296, 4]",
           "[4194305, 4194305, 211106198978564]", "[" + many + "]"}) {
    EXPECT_EQ(KeyOfTensor(R"("dtype": "F32", "data_offsets": [0, 32], "shape": )" + shape),
              "ST_SHAPE")
        << shape.substr(0, 60);
  }
}

TEST(Safetensors, OffsetsThatCannotBe) {  // C6
  for (const std::string offsets :
       {"[32]", "[0, 32, 32]", "[-1, 31]", "[32, 0]", "[0, 33]", "[0, 28]", "[4, 32]", "[]", "32",
        "[0, 1e1]", "[0, null]", "[0, 18446744073709551615]", "[[0, 32]]"}) {
    EXPECT_EQ(
        KeyOfTensor(R"("dtype": "F32", "shape": [8], "data_offsets": )" + std::string(offsets)),
        "ST_OFFSETS")
        << offsets;
  }
  EXPECT_EQ(KeyOfTensor(R"("dtype": "F32", "shape": [8])"), "ST_OFFSETS");
}

TEST(Safetensors, DataWithHolesOrOverlaps) {  // C7
  const auto key_of = [](std::vector<std::pair<int, int>> ranges, uint64_t data_bytes) {
    std::string header;
    for (size_t i = 0; i < ranges.size(); ++i) {
      header +=
          fmt::format(R"({}"t{}": {{"dtype": "U8", "shape": [{}], "data_offsets": [{}, {}]}})",
                      i == 0 ? "" : ", ", i, ranges[i].second - ranges[i].first, ranges[i].first,
                      ranges[i].second);
    }
    return KeyOf(File("{" + header + "}", data_bytes));
  };
  EXPECT_EQ(key_of({{0, 8}, {8, 16}}, 16), "");
  EXPECT_EQ(key_of({{8, 16}, {0, 8}}, 16), "") << "the order does not matter";
  EXPECT_EQ(key_of({{0, 8}, {8, 8}, {8, 16}, {16, 16}}, 16), "") << "empty ones at a boundary";
  EXPECT_EQ(key_of({{0, 8}, {9, 16}}, 16), "ST_NOT_CONTIGUOUS");
  EXPECT_EQ(key_of({{0, 8}, {7, 16}}, 16), "ST_NOT_CONTIGUOUS");
  EXPECT_EQ(key_of({{0, 8}, {4, 4}, {8, 16}}, 16), "ST_NOT_CONTIGUOUS");
  EXPECT_EQ(key_of({{0, 8}, {0, 8}}, 8), "ST_NOT_CONTIGUOUS");
  EXPECT_EQ(key_of({{0, 8}, {8, 16}}, 17), "ST_NOT_CONTIGUOUS");
  EXPECT_EQ(key_of({{1, 8}}, 8), "ST_NOT_CONTIGUOUS");
}

TEST(Safetensors, EveryChangedByteOfTheHeaderIsAnErrorOrAHeader) {
  std::string file = File(kGood, 32);
  for (size_t at = 0; at < file.size() - 32; ++at) {
    const char before = file[at];
    for (const char byte : {'\0', '\xFF', '"', '{', '9', static_cast<char>(before ^ 1)}) {
      file[at] = byte;
      const auto header = ReadSafetensorsHeader(MemorySource("m", AsBytes(file)));
      if (!header) continue;
      for (const SafeTensor& tensor : header->tensors) {
        EXPECT_LE(tensor.offset + tensor.bytes, file.size());
      }
    }
    file[at] = before;
  }
}

Result<SafetensorsIndex> ReadIndex(const std::string& text) {
  return ReadSafetensorsIndex(MemorySource("index", AsBytes(text)));
}

TEST(SafetensorsIndex, TellsTheFileOfEachTensor) {
  const auto index = ReadIndex(
      R"({"metadata": {"total_size": 1}, "weight_map": {"c": "2.safetensors", "a": "1.safetensors",)"
      R"( "b": "2.safetensors"}})");
  ASSERT_TRUE(index) << Describe(index.error());
  EXPECT_EQ(index->shards, (std::vector<std::string>{"1.safetensors", "2.safetensors"}));
  const std::vector<std::pair<std::string, uint32_t>> map = {{"a", 0}, {"b", 1}, {"c", 1}};
  EXPECT_EQ(index->weight_map, map);
}

TEST(SafetensorsIndex, OnlyPlainNamesAreTaken) {  // C8
  for (const std::string name :
       {"../x.safetensors", "/etc/passwd", "a/../../b.safetensors", "a/b.safetensors", "", ".",
        "..", "x\\u0000.safetensors", "x\\n.safetensors", "x.bin", "./x.safetensors"}) {
    const auto index = ReadIndex(R"({"weight_map": {"a": ")" + name + "\"}}");
    ASSERT_FALSE(index) << name;
    EXPECT_EQ(index.error().key, "ST_SHARD_PATH") << name;
  }
  EXPECT_EQ(ReadIndex(R"({"weight_map": {"a": 1}})").error().key, "ST_SHARD_PATH");
}

TEST(SafetensorsIndex, OthersAreNoIndex) {
  for (const std::string text :
       {"", "[]", "{}", "null", R"({"weight_map": {}})", R"({"weight_map": []})",
        R"({"weight_map": {"a": {}}})", R"({"weight_map": 1})"}) {
    EXPECT_EQ(ReadIndex(text).error().key, "ST_HEADER_JSON") << text;
  }
  EXPECT_EQ(
      ReadIndex(R"({"weight_map": {"a": "1.safetensors", "a": "1.safetensors"}})").error().key,
      "ST_DUP_KEY");
}

}  // namespace
}  // namespace tinyai
