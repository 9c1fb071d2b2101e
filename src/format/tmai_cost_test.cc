// What opening and writing a .tmai file takes of memory. This program counts every allocation.

#include "fmt/format.h"
#include "format/allocation_meter.h"
#include "format/tmai_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// A chain of layers, each a product with a matrix and a bias.
TmaiContents Chain(uint32_t layers) {
  TmaiContents out;
  GraphRecords& graph = out.graph.emplace();
  graph.values.push_back({"x", {4}});
  graph.inputs = {0};
  for (uint32_t i = 0; i < layers; ++i) {
    out.tensors.push_back(NewTensor(fmt::format("layers.{}.weight", i), DType::kF32, {4, 4}));
    out.tensors.push_back(NewTensor(fmt::format("layers.{}.bias", i), DType::kF32, {4}));
    graph.values.push_back({fmt::format("layers.{}", i), {4}});
    graph.ops.push_back(
        {fmt::format("layers.{}", i), "dense", {}, {i}, {i + 1}, {2 * i, 2 * i + 1}});
    graph.layers.push_back({.name = fmt::format("layers.{}", i),
                            .role = LayerRole::kOther,
                            .first_op = i,
                            .op_count = 1,
                            .first_tensor = 2 * i,
                            .tensor_count = 2,
                            .operands = {i},
                            .output = i + 1});
  }
  graph.outputs = {layers};
  return out;
}

TEST(TmaiCost, OpeningTakesAMiBAndAKiBForEachLayer) {
  for (const uint32_t layers : {1u, 64u, 4096u}) {
    TmaiContents contents = Chain(layers);
    const std::vector<std::byte> bytes = BuildTmai(contents);
    ASSERT_FALSE(bytes.empty());
    const size_t before = StartMeter();
    {
      const Result<ModelFile> file = ReadTmaiBytes(bytes);
      ASSERT_TRUE(file) << Describe(file.error());
      EXPECT_EQ(file->graph->layer_count(), layers);
    }
    EXPECT_LE(PeakBytes() - before, (size_t{1} << 20) + size_t{1024} * layers) << layers;
  }
}

// Counts bytes and forgets them.
class NoSink : public ByteSink {
 public:
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    end = std::max(end, offset + bytes.size());
    return {};
  }
  uint64_t end = 0;
};

TEST(TmaiCost, WritingTakesTheSameWhateverTheSize) {
  for (const uint64_t rows : {uint64_t{16}, uint64_t{8192}}) {  // of 16 KiB
    TmaiContents contents;
    contents.tensors = {NewTensor("a", DType::kF32, {4096, rows}),
                        NewTensor("b", DType::kQ8_0, {4096, rows})};
    const Result<uint64_t> size = LayOutTmai(contents);
    ASSERT_TRUE(size);
    const TensorSource zeros = [](size_t, uint64_t, std::span<std::byte>) { return Status(); };
    NoSink sink;
    const size_t before = StartMeter();
    ASSERT_TRUE(WriteTmai(contents, zeros, sink));
    EXPECT_LE(PeakBytes() - before, size_t{4} << 20) << rows;
    EXPECT_EQ(sink.end, *size);
  }
}

}  // namespace
}  // namespace tinyai
