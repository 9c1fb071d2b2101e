#include "format/file_kind.h"
#include "format/onnx_test_support.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

using testing::HasSubstr;

void ExpectError(std::string_view key, const std::string& bytes, const OnnxFiles& beside = {}) {
  const OpenOnnx read = ReadOnnxBytes(bytes, beside);
  ASSERT_FALSE(read.model) << key;
  EXPECT_EQ(read.model.error().key, key) << Describe(read.model.error());
  EXPECT_FALSE(read.model.error().file.empty());
}

TEST(OnnxReader, ReadsNodesTensorsInputsAndOutputs) {
  const std::string bytes = SmallOnnx().Bytes();
  const OpenOnnx read = ReadOnnxBytes(bytes);
  ASSERT_TRUE(read.model) << Describe(read.model.error());
  const OnnxModel& model = *read.model;
  EXPECT_EQ(model.name, "small");
  EXPECT_EQ(model.opset, 17u);
  ASSERT_EQ(model.nodes.size(), 5u);
  EXPECT_EQ(model.nodes[4].op, "Gemm");
  EXPECT_EQ(model.nodes[4].inputs, (std::vector<std::string>{"e", "v"}));
  ASSERT_EQ(model.nodes[4].attributes.size(), 1u);
  EXPECT_EQ(std::get<int64_t>(model.nodes[4].attributes[0].value), 1);
  ASSERT_EQ(model.initializers.size(), 4u);
  const OnnxTensor& w = model.initializers[0];
  EXPECT_EQ(w.dims, (std::vector<uint64_t>{4, 3}));
  float first;
  std::memcpy(&first, bytes.data() + w.offset, sizeof(first));
  EXPECT_EQ(first, 1.0F) << "weights stay in the file";
  EXPECT_EQ(model.initializers[3].here.size(), 2 * sizeof(int64_t)) << "varints do not";
  ASSERT_EQ(model.inputs.size(), 1u);
  EXPECT_EQ(model.inputs[0].dims[1].size, 4u);
  EXPECT_EQ(model.outputs, (std::vector<std::string>{"y"}));
}

TEST(OnnxReader, ReadsElementsInEveryForm) {
  OnnxText text;
  const std::string head = OnnxTensorHead("packed", OnnxType::kFloat, {2});
  text.Tensor(head + ProtoBytes(4, RawNumbers<float>({1, 2})));
  std::string loose = OnnxTensorHead("loose", OnnxType::kFloat, {2});
  for (const float value : {3.0F, 4.0F}) {
    loose += ProtoVarint(4 << 3 | 5) + RawNumbers<float>({value});
  }
  text.Tensor(loose);
  text.Tensor(OnnxTensorHead("halves", OnnxType::kF16, {2}) +
              ProtoBytes(5, ProtoVarint(0x3C00) + ProtoVarint(0xC000)));
  const std::string bytes = text.Output("packed").Bytes();
  const OpenOnnx read = ReadOnnxBytes(bytes);
  ASSERT_TRUE(read.model) << Describe(read.model.error());
  EXPECT_TRUE(read.model->initializers[0].here.empty());
  EXPECT_EQ(read.model->initializers[1].here.size(), 8u);
  const std::vector<std::byte>& halves = read.model->initializers[2].here;
  ASSERT_EQ(halves.size(), 4u);
  EXPECT_EQ(halves[3], std::byte{0xC0});
}

TEST(OnnxReader, InputsThatAreWeightsAreNone) {
  OnnxText text = SmallOnnx();
  const std::string bytes = text.Input("w", {4, 3}).Bytes();
  EXPECT_EQ(ReadOnnxBytes(bytes).model->inputs.size(), 1u);
}

TEST(OnnxReader, EveryPrefixIsAnErrorOrLacksTheGraph) {
  const std::string bytes = SmallOnnx().Bytes();
  size_t told = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const OpenOnnx read = ReadOnnxBytes(std::string_view(bytes).substr(0, size));
    // What comes behind the graph is the version of its ops, which whoever uses it asks for.
    if (read.model) {
      EXPECT_EQ(read.model->opset, 0u) << "cut at byte " << size;
    } else {
      EXPECT_EQ(read.model.error().key, "ONNX_PARSE") << "cut at byte " << size;
      told += read.model.error().message.find("is the file cut short?") != std::string::npos;
    }
  }
  EXPECT_GT(told, bytes.size() / 2);
}

TEST(OnnxReader, RefusesLengthsBeyondTheFile) {
  for (const uint64_t length : {uint64_t{1} << 31, uint64_t{1} << 63, ~uint64_t{0}}) {
    ExpectError("ONNX_PARSE", ProtoNumber(1, 8) + ProtoVarint(7 << 3 | 2) + ProtoVarint(length));
    ExpectError("ONNX_PARSE", ProtoBytes(7, ProtoVarint(5 << 3 | 2) + ProtoVarint(length) + "xyz"));
  }
}

TEST(OnnxReader, RefusesWhatIsNoProtobuf) {
  ExpectError("ONNX_PARSE", "");
  ExpectError("ONNX_PARSE", std::string(20, '\xFF'));                // a number without end
  ExpectError("ONNX_PARSE", ProtoVarint(0));                         // field 0
  ExpectError("ONNX_PARSE", ProtoVarint(7 << 3 | 3) + "\x08\x01");   // a group
  ExpectError("ONNX_PARSE", ProtoVarint(7 << 3 | 6));                // a type that does not exist
  ExpectError("ONNX_PARSE", ProtoNumber(7, 5));                      // a graph that is a number
  ExpectError("ONNX_PARSE", ProtoBytes(7, "") + ProtoBytes(7, ""));  // two graphs
}

std::string Nested(int depth) {
  std::string graph;
  for (int i = 0; i < depth; ++i) {
    graph = ProtoBytes(
        1, ProtoBytes(4, "If") + ProtoBytes(5, ProtoBytes(1, "body") + ProtoBytes(6, graph)));
  }
  return ProtoBytes(7, graph);
}

TEST(OnnxReader, BodiesMayBeSixtyFourDeep) {
  EXPECT_TRUE(ReadOnnxBytes(Nested(64)).model);
  ExpectError("ONNX_PARSE", Nested(65));
  ExpectError("ONNX_PARSE", Nested(5000));
  std::string groups(100'000, '\x0B');  // a group in a group in a group ..
  ExpectError("ONNX_PARSE", groups);
  ExpectError("ONNX_PARSE", ProtoBytes(7, groups));
}

TEST(OnnxReader, RefusesTensorsThatAreNone) {
  const auto with = [](const std::string& tensor) {
    return OnnxText().Tensor(tensor).Output("y").Bytes();
  };
  ExpectError("ONNX_PARSE", with(OnnxFloats("t", {3}, {1, 2})));
  ExpectError("ONNX_PARSE", with(OnnxFloats("t", {uint64_t{1} << 32, uint64_t{1} << 32}, {})));
  ExpectError("ONNX_PARSE", with(OnnxFloats("t", {~uint64_t{0}}, {1})));  // -1
  ExpectError("ONNX_PARSE", with(OnnxFloats("t", {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})));
  ExpectError("ONNX_PARSE", with(OnnxFloats("t", {1}, {1}) + ProtoBytes(9, "abcd")));
  ExpectError("ONNX_PARSE", with(OnnxTensorHead("t", OnnxType::kFloat, {1}) + ProtoNumber(9, 1)));
  ExpectError("ONNX_TYPE", with(OnnxTensorHead("t", OnnxType::kText, {1}) + ProtoBytes(6, "a")));
  ExpectError("ONNX_TYPE", with(OnnxTensorHead("t", OnnxType{22}, {2}) + ProtoBytes(9, "a")));
  ExpectError(
      "ONNX_PARSE",
      OnnxText().Tensor(OnnxFloats("t", {1}, {1})).Tensor(OnnxFloats("t", {1}, {2})).Bytes());
  ExpectError("ONNX_PARSE", with(OnnxFloats(std::string(1025, 'n'), {1}, {1})));
  EXPECT_TRUE(ReadOnnxBytes(with(OnnxFloats(std::string(1024, 'n'), {1}, {1}))).model);
}

TEST(OnnxReader, ExternalDataAreFilesBesideTheModel) {
  const OnnxFiles beside = {{"weights.bin", std::string(64, 'w')}};
  const auto with = [](const std::string& tensor) {
    return OnnxText().Tensor(tensor).Output("y").Bytes();
  };
  const std::string bytes = with(OnnxExternal("t", {4}, "weights.bin", 16, "16"));
  const OpenOnnx read = ReadOnnxBytes(bytes, beside);
  ASSERT_TRUE(read.model) << Describe(read.model.error());
  EXPECT_EQ(read.model->parts, (std::vector<std::string>{"net.onnx", "weights.bin"}));
  EXPECT_EQ(read.model->initializers[0].part, 1u);
  EXPECT_EQ(read.model->initializers[0].offset, 16u);
  using namespace std::string_view_literals;
  for (const std::string_view path : {"../../x"sv, "/etc/passwd"sv, "a/../../b"sv, ".."sv, "."sv,
                                      ""sv, "a\0b"sv, "a\\b"sv, "a/b"sv, "\x1B[2J"sv}) {
    ExpectError("ONNX_PATH", with(OnnxExternal("t", {4}, path, 0)), beside);
  }
  ExpectError("ONNX_DATA", with(OnnxExternal("t", {4}, "missing.bin", 0)), beside);
  ExpectError("ONNX_DATA", with(OnnxExternal("t", {4}, "weights.bin", 49)), beside);
  ExpectError("ONNX_DATA", with(OnnxExternal("t", {4}, "weights.bin", ~uint64_t{0} >> 1)), beside);
  ExpectError("ONNX_DATA", with(OnnxExternal("t", {4}, "weights.bin", 0, "12")), beside);
  ExpectError("ONNX_PARSE", with(OnnxExternal("t", {4}, "weights.bin", 0, "-16")), beside);
  ExpectError("ONNX_PARSE", with(OnnxExternal("t", {4}, "weights.bin", ~uint64_t{0})), beside);
}

TEST(OnnxReader, AFileIsKnownByItsStartOrItsName) {
  const std::string bytes = SmallOnnx().Bytes();
  const MemorySource model("net.bin", std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(LooksLikeOnnx(model));
  EXPECT_THAT(DescribeFileStart(std::as_bytes(std::span(bytes)).first(8)), HasSubstr("ONNX"));
  const MemorySource other("net.bin", std::as_bytes(std::span(bytes)).subspan(5));
  EXPECT_FALSE(LooksLikeOnnx(other));
  EXPECT_TRUE(LooksLikeOnnx(MemorySource("net.onnx", {})));
}

}  // namespace
}  // namespace tinyai
