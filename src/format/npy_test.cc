#include "format/npy.h"

#include <cstring>

#include "fmt/format.h"
#include "format/memory_source.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// A file with this dict, as a version has it, and so many bytes behind.
std::string File(std::string_view dict, size_t data_bytes, char version = 1) {
  std::string file = std::string("\x93NUMPY") + version + '\0';
  const size_t bytes = dict.size();
  file += static_cast<char>(bytes & 0xff);
  file += static_cast<char>(bytes >> 8);
  if (version > 1) file += std::string(2, '\0');
  return file + std::string(dict) + std::string(data_bytes, 'x');
}
std::string Dict(std::string_view shape, std::string_view type = "<f4",
                 std::string_view fortran = "False") {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}   \n", type, fortran,
                     shape);
}

Result<NpyArray> Read(std::string_view file) {
  return ReadNpy(MemorySource("a.npy", std::as_bytes(std::span(file))));
}
std::string KeyOf(std::string_view file) {
  const Result<NpyArray> read = Read(file);
  return read ? "" : std::string(read.error().key);
}

TEST(Npy, ShapesAreRead) {
  using Shape = std::vector<uint64_t>;
  const std::pair<const char*, Shape> cases[] = {{"()", {}},
                                                 {"(3,)", {3}},
                                                 {"(3, 4)", {3, 4}},
                                                 {"( 2,1 ,5, )", {2, 1, 5}},
                                                 {"(0, 7)", {0, 7}}};
  for (const auto& [text, shape] : cases) {
    uint64_t elements = 1;
    for (const uint64_t axis : shape) elements *= axis;
    for (const char version : {1, 2, 3}) {
      const std::string dict = Dict(text);
      const Result<NpyArray> read = Read(File(dict, 4 * elements, version));
      ASSERT_TRUE(read) << text << ": " << read.error().message;
      EXPECT_EQ(read->shape, shape);
      EXPECT_EQ(read->elements, elements);
      EXPECT_EQ(read->data_offset, (version == 1 ? 10 : 12) + dict.size());
    }
  }
}

TEST(Npy, EntriesMayComeInAnyOrderAndInEitherQuotes) {
  EXPECT_TRUE(Read(File(R"({"shape": (2,), "fortran_order": False, 'descr': "<f4"})", 8)));
  EXPECT_TRUE(Read(File(Dict("(5,)", "<f4", "True"), 20)));  // of a vector both orders are one
  EXPECT_TRUE(Read(File(Dict("(1, 5)", "<f4", "True"), 20)));
}

TEST(Npy, WhatIsWrittenIsReadAgain) {
  for (const std::vector<uint64_t>& shape :
       {std::vector<uint64_t>{}, {1}, {10}, {3, 224, 224}, {1, 1, 1, 1, 1, 9}}) {
    const std::string header = NpyHeader(shape);
    EXPECT_EQ(header.size() % 64, 0u);
    EXPECT_EQ(header.back(), '\n');
    uint64_t elements = 1;
    for (const uint64_t axis : shape) elements *= axis;
    const Result<NpyArray> read = Read(header + std::string(4 * elements, 'x'));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->shape, shape);
    EXPECT_EQ(read->data_offset, header.size());
  }
}

TEST(Npy, WhatIsNoArrayOfFloatsIsRefused) {
  EXPECT_EQ(KeyOf(""), "NPY_HEADER");
  EXPECT_EQ(KeyOf("GGUF and more bytes"), "NPY_HEADER");
  EXPECT_EQ(KeyOf(File(Dict("(2,)"), 8, 4)), "NPY_HEADER");
  for (const char* dict : {"", "{", "{}", "()", "{'descr': '<f4'}", "{'shape': (2,), 'x': 1}"}) {
    EXPECT_EQ(KeyOf(File(dict, 8)), "NPY_HEADER") << dict;
  }
  for (const char* shape : {"(-1,)", "(1.5,)", "2", "(2", "(2,,)", "('a',)", "(2L,)",
                            "(99999999999999999999,)", "(4294967296, 4294967296)"}) {
    EXPECT_EQ(KeyOf(File(Dict(shape), 8)), "NPY_HEADER") << shape;
  }
  for (const char* type : {"<f8", ">f4", "<i4", "|u1", "<f2", ""}) {
    EXPECT_EQ(KeyOf(File(Dict("(2,)", type), 8)), "NPY_TYPE") << type;
  }
  EXPECT_EQ(KeyOf(File("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8)),
            "NPY_HEADER");
  EXPECT_EQ(KeyOf(File(Dict("(2, 3)", "<f4", "True"), 24)), "NPY_ORDER");
}

TEST(Npy, TheElementsAreAllThereIs) {
  EXPECT_EQ(KeyOf(File(Dict("(2,)"), 7)), "NPY_SIZE");
  EXPECT_EQ(KeyOf(File(Dict("(2,)"), 9)), "NPY_SIZE");
  EXPECT_EQ(KeyOf(File(Dict("(4611686018427387904,)"), 0)), "NPY_SIZE");
  const std::string file = File(Dict("(3, 4)"), 48);
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(KeyOf(std::string_view(file).substr(0, size)), "") << "cut at byte " << size;
  }
}

TEST(Npy, AHeaderThatSaysItIsLongIsNotBelieved) {
  std::string file = File(Dict("(2,)"), 8, 2);
  file[8] = file[9] = file[10] = file[11] = '\xff';
  EXPECT_EQ(KeyOf(file), "NPY_HEADER");
}

}  // namespace
}  // namespace tinyai
