#include <map>

#include "format/tmai_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

std::string_view KeyOf(std::span<const std::byte> bytes) {
  const Result<ModelFile> file = ReadTmaiBytes(bytes);
  return file ? "" : file.error().key;
}

template <typename T>
void PutAt(std::vector<std::byte>& file, size_t at, T value) {
  std::memcpy(file.data() + at, &value, sizeof(value));
}

TEST(Tmai, ReadsWhatWasWritten) {
  TmaiContents contents = SmallContents();
  const std::vector<std::byte> bytes = BuildTmai(contents);
  const Result<ModelFile> file = ReadTmaiBytes(bytes);
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_EQ(file->format, "TMAI v1");
  EXPECT_EQ(file->graph->Unpack(), contents.graph);
  EXPECT_EQ(file->metadata.OptionalString("general.name").value(), "small");
  EXPECT_EQ(file->metadata.Find("tokenizer.ggml.tokens")->count, 3u);
  ASSERT_EQ(file->tensors.size(), contents.tensors.size());
  for (size_t i = 0; i < file->tensors.size(); ++i) {
    const TensorInfo& tensor = file->tensors[i];
    EXPECT_EQ(tensor.name, contents.tensors[i].name);
    EXPECT_EQ(tensor.type, contents.tensors[i].type);
    EXPECT_EQ(tensor.dims, contents.tensors[i].dims);
    for (uint64_t at = 0; at < tensor.bytes; ++at) {
      ASSERT_EQ(bytes[tensor.offset + at], PatternByte(i, at)) << tensor.name << " byte " << at;
    }
  }
  EXPECT_EQ(file->FindTensor("dense.weight")->bytes, 40u * 68);
}

TEST(Tmai, LayersAndLargeTensorsBeginOnPages) {
  TmaiContents contents = SmallContents();
  contents.tensors[1] = NewTensor("conv.bias", DType::kF32, {16384});
  ASSERT_TRUE(LayOutTmai(contents));
  for (const size_t first_of_layer : {0, 2}) {
    EXPECT_EQ(contents.tensors[first_of_layer].offset % 4096, 0u);
  }
  EXPECT_EQ(contents.tensors[1].offset % 4096, 0u);
  EXPECT_EQ(contents.tensors[3].offset % 4096, 0u) << "what is of no layer is not of the last";
}

TEST(Tmai, LargeTensorsArePutTogetherFromPieces) {
  TmaiContents contents;
  contents.tensors = {NewTensor("a", DType::kF32, {1000, 3000}),
                      NewTensor("one row", DType::kQ4_0, {uint64_t{32} << 18}),
                      NewTensor("b", DType::kF16, {7})};
  std::map<size_t, uint64_t> next;
  const TensorSource source = [&](size_t index, uint64_t offset, std::span<std::byte> out) {
    EXPECT_EQ(offset, next[index]);
    EXPECT_EQ(out.size() % (index == 0 ? 4000 : index == 1 ? 18 : 14), 0u);
    next[index] += out.size();
    return PatternSource(index, offset, out);
  };
  MemorySink sink;
  const Result<uint64_t> size = LayOutTmai(contents);
  ASSERT_TRUE(size);
  ASSERT_TRUE(WriteTmai(contents, source, sink));
  EXPECT_EQ(sink.bytes.size(), *size);
  const Result<ModelFile> file = ReadTmaiBytes(sink.bytes);
  ASSERT_TRUE(file) << Describe(file.error());
  EXPECT_FALSE(file->graph);
  for (size_t i = 0; i < 3; ++i) {
    for (uint64_t at = 0; at < file->tensors[i].bytes; ++at) {
      ASSERT_EQ(sink.bytes[file->tensors[i].offset + at], PatternByte(i, at)) << i << ", " << at;
    }
  }
}

TEST(Tmai, EveryPrefixIsAnError) {
  const std::vector<std::byte> bytes = SmallTmai();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string_view key = KeyOf(std::span(bytes).first(size));
    EXPECT_TRUE(key == "TMAI_MAGIC" || key == "TMAI_HEADER" || key == "TMAI_VERSION")
        << "cut at byte " << size << ": " << key;
  }
}

// Of the header and the tables; that of the weights is found when they are read.
TEST(Tmai, EveryFlippedBitIsAnErrorOrChangesNothing) {
  std::vector<std::byte> bytes = SmallTmai();
  const Result<ModelFile> whole = ReadTmaiBytes(bytes);
  ASSERT_TRUE(whole);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      bytes[at] ^= std::byte{1} << bit;
      const Result<ModelFile> file = ReadTmaiBytes(bytes);
      const bool in_tables = at >= whole->checksums->table_offset + whole->checksums->blocks() * 8;
      if (at < kTmaiPage) {
        EXPECT_FALSE(file) << at;
      } else if (file) {
        EXPECT_EQ(file->graph->Unpack(), whole->graph->Unpack());
        EXPECT_EQ(file->tensors.size(), whole->tensors.size());
      } else {
        EXPECT_TRUE(in_tables) << at;
        EXPECT_EQ(file.error().key, "TMAI_TABLE");
      }
      bytes[at] ^= std::byte{1} << bit;
    }
  }
}

TEST(Tmai, AnotherVersionOrAnUnknownRequiredFeatureIsUnsupported) {
  const std::vector<std::byte> good = SmallTmai();
  for (const uint32_t version : {0u, 2u, 99u, ~0u}) {
    std::vector<std::byte> bytes = good;
    PutAt(bytes, 8, version);
    FixTmaiChecksums(bytes);
    const Result<ModelFile> file = ReadTmaiBytes(bytes);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().key, "TMAI_VERSION");
    EXPECT_EQ(file.error().code, ErrorCode::kUnsupported);
  }
  std::vector<std::byte> bytes = good;
  PutAt(bytes, 16, uint64_t{1} << 40);
  FixTmaiChecksums(bytes);
  EXPECT_EQ(KeyOf(bytes), "TMAI_VERSION");
  bytes = good;
  PutAt(bytes, 24, ~uint64_t{0});  // optional features
  FixTmaiChecksums(bytes);
  EXPECT_EQ(KeyOf(bytes), "");
}

TEST(Tmai, EveryFieldOfTheHeaderThatLiesIsAnError) {
  const std::vector<std::byte> good = SmallTmai();
  for (size_t at = 12; at < 120; at += at < 16 ? 4 : 8) {
    if (at == 24 || at == 88 || at == 112) continue;  // optional features; checksums
    for (const uint64_t value : {uint64_t{1}, ~uint64_t{0}, ~uint64_t{0} - 1, uint64_t{1} << 31,
                                 uint64_t{1} << 63, uint64_t{8}}) {
      if (at == 16 && value == kTmaiOwnTypes) continue;  // known, whether or not there are some
      std::vector<std::byte> bytes = good;
      if (at == 12) {
        PutAt(bytes, at, static_cast<uint32_t>(value));
      } else {
        PutAt(bytes, at, value);
      }
      FixTmaiChecksums(bytes);
      EXPECT_NE(KeyOf(bytes), "") << "field at " << at << " is " << value;
    }
  }
}

// D3: cycle, repeat, out of range, with checksums that are right.
TEST(Tmai, AGraphThatIsNoneIsAnError) {
  const auto key_of = [](const std::function<void(GraphRecords&)>& change) {
    TmaiContents contents = SmallContents();
    EXPECT_TRUE(LayOutTmai(contents));
    std::vector<std::byte> bytes = SmallTmai();
    change(*contents.graph);
    // The same file with another directory behind its end.
    const std::vector<std::byte> directory = EncodeTmaiDirectory(contents.tensors, contents.graph);
    Result<TmaiHeader> header = ReadTmaiHeader(MemorySource("", bytes));
    EXPECT_TRUE(header);
    const std::vector<std::byte> metadata(
        bytes.begin() + static_cast<ptrdiff_t>(header->metadata.offset),
        bytes.begin() + static_cast<ptrdiff_t>(header->metadata.offset + header->metadata.bytes));
    header->directory = {bytes.size(), directory.size(), Checksum(directory)};
    header->metadata = {bytes.size() + directory.size(), metadata.size(), Checksum(metadata)};
    header->file_bytes = bytes.size() + directory.size() + metadata.size();
    bytes.insert(bytes.end(), directory.begin(), directory.end());
    bytes.insert(bytes.end(), metadata.begin(), metadata.end());
    const std::vector<std::byte> page = EncodeTmaiHeader(*header);
    std::copy(page.begin(), page.end(), bytes.begin());
    const Result<ModelFile> file = ReadTmaiBytes(bytes);
    return file ? std::string_view() : file.error().key;
  };
  EXPECT_EQ(key_of([](GraphRecords&) {}), "");
  using G = GraphRecords;
  const std::vector<std::function<void(G&)>> changes = {
      [](G& g) { g.ops[0].ins = {3}; },          // a cycle
      [](G& g) { g.ops[1].ins = {2}; },          // of itself
      [](G& g) { g.ops[1].outs = {1}; },         // made twice
      [](G& g) { g.ops[0].outs = {0}; },         // an input
      [](G& g) { g.ops[2].ins = {4}; },          // out of range
      [](G& g) { g.ops[2].weights = {4}; },      //
      [](G& g) { g.inputs = {9}; },              //
      [](G& g) { g.outputs = {9}; },             //
      [](G& g) { g.inputs = {}; },               //
      [](G& g) { g.layers[1].first_op = 0; },    // repeated
      [](G& g) { g.layers[1].op_count = 7; },    //
      [](G& g) { g.layers[1].op_count = ~0u; },  //
      [](G& g) { g.layers.pop_back(); },         // ops of no layer
      [](G& g) { std::swap(g.layers[0], g.layers[1]); },
      [](G& g) { g.layers[2].tensor_count = 3; },
      [](G& g) { g.layers[2].first_tensor = 1; },
      [](G& g) { g.layers[2].tensor_count = ~0u; },
      [](G& g) { g.layers[0].tensor_count = 1; },
      [](G& g) { g.layers[0].operands = {2}; },
      [](G& g) { g.layers[0].output = 3; },
      [](G& g) { g.layers[0].role = static_cast<LayerRole>(7); },
      [](G& g) { g.ops[0].attributes[1].first = "stride"; },
      [](G& g) { g.ops[0].kind = ""; },
      [](G& g) { g.values[0].name = "\x1B[2J"; },
  };
  for (size_t i = 0; i < changes.size(); ++i) EXPECT_EQ(key_of(changes[i]), "TMAI_TABLE") << i;
}

TEST(Tmai, ContentsThatMakeNoSenseAreNotWritten) {
  const auto key_of = [](const std::function<void(TmaiContents&)>& change) {
    TmaiContents contents = SmallContents();
    change(contents);
    const Result<uint64_t> size = LayOutTmai(contents);
    return size ? std::string_view() : size.error().key;
  };
  using C = TmaiContents;
  EXPECT_EQ(key_of([](C& c) { c.tensors[1].name = "extra"; }), "TMAI_TABLE");
  EXPECT_EQ(key_of([](C& c) { c.tensors[0].dims[1] = 0; }), "TMAI_TABLE");
  EXPECT_EQ(key_of([](C& c) { c.tensors[2].dims[0] = 65; }), "TMAI_TABLE");
  EXPECT_EQ(key_of([](C& c) { c.tensors[0].dims[3] = uint64_t{1} << 60; }), "TMAI_TABLE");
  EXPECT_EQ(key_of([](C& c) { c.graph->layers[2].first_tensor = 3; }), "TMAI_TABLE");
  EXPECT_EQ(key_of([](C& c) { c.graph->layers.resize(5000, c.graph->layers[1]); }), "TMAI_TABLE");
}

TEST(Tmai, WritingMayBeStopped) {
  TmaiContents contents = SmallContents();
  ASSERT_TRUE(LayOutTmai(contents));
  MemorySink sink;
  const Status stopped =
      WriteTmai(contents, PatternSource, sink,
                [](const WriteProgress& progress) { return progress.tensor < 2; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().key, "CANCELLED");
}

TEST(Tmai, KeepsTypesOfItsOwnAndSaysThatThereAreSome) {
  TmaiContents contents = SmallContents();
  contents.tensors[2] = NewTensor("dense.weight", DType::kInt2, {64, 40});
  const std::vector<std::byte> file = BuildTmai(contents);
  const Result<ModelFile> read = ReadTmaiBytes(file);
  ASSERT_TRUE(read) << Describe(read.error());
  EXPECT_EQ(read->tensors[2].type, DType::kInt2);
  EXPECT_EQ(read->tensors[2].bytes, 40u * 20);
  const Result<TmaiHeader> header = ReadTmaiHeader(MemorySource("own", file));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->required_features, kTmaiOwnTypes);
  std::vector<std::byte> silent = file;
  PutAt(silent, 16, uint64_t{0});
  FixTmaiChecksums(silent);
  EXPECT_EQ(KeyOf(silent), "TMAI_TABLE");
}

TEST(Tmai, KeepsSparseRowsAndSaysThatThereAreSome) {
  TmaiContents contents = SmallContents();
  contents.tensors[2].bytes = 40 * 50;  // of 64 weights in 68 bytes
  const std::vector<std::byte> file = BuildTmai(contents);
  const Result<ModelFile> read = ReadTmaiBytes(file);
  ASSERT_TRUE(read) << Describe(read.error());
  EXPECT_EQ(read->tensors[2].bytes, 40u * 50);
  EXPECT_EQ(read->FindTensor("extra")->bytes, 10u);
  // A reader that does not know them would take the rows for others, so the header names them.
  const Result<TmaiHeader> header = ReadTmaiHeader(MemorySource("sparse", file));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->required_features, kTmaiSparseRows);
  const std::vector<std::byte> dense = SmallTmai();
  EXPECT_EQ(ReadTmaiHeader(MemorySource("dense", dense))->required_features, 0u);
  std::vector<std::byte> silent = file;
  PutAt(silent, 16, uint64_t{0});
  FixTmaiChecksums(silent);
  EXPECT_EQ(KeyOf(silent), "TMAI_TABLE");
  // Rows of different sizes, and a vector, cannot be sparse.
  contents.tensors[2].bytes = 40 * 50 + 1;
  EXPECT_EQ(LayOutTmai(contents).error().key, "TMAI_TABLE");
  contents = SmallContents();
  contents.tensors[1].bytes = 8;
  EXPECT_EQ(LayOutTmai(contents).error().key, "TMAI_TABLE");
}

}  // namespace
}  // namespace tinyai
