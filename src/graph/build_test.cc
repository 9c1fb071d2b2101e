#include "graph/build.h"

#include <cmath>
#include <limits>

#include "fmt/ranges.h"
#include "golden/golden.h"
#include "graph/graph_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

uint64_t RowBytes8(uint64_t cols) { return (cols * 9 / 8 + 63) / 64 * 64; }  // about what it takes
const GraphOptions kQuantized{.quantized_row_bytes = RowBytes8};

Result<Graph> Build(const TestModel& model, const GraphOptions& options = kQuantized) {
  TRY_ASSIGN(const ModelFile file, model.Read());
  return BuildGraph(file, options);
}

struct Printer {
  std::string operator()(const op::Embed&) const { return "Embed"; }
  std::string operator()(const op::RmsNorm& norm) const {
    return fmt::format("RmsNorm eps {} groups of {}", norm.epsilon, norm.group);
  }
  std::string operator()(const op::Quantize&) const { return "Quantize"; }
  std::string operator()(const op::MatMul&) const { return "MatMul"; }
  std::string operator()(const op::Rope& rope) const {
    return fmt::format("Rope {} heads", rope.heads);
  }
  std::string operator()(const op::StoreKv& store) const {
    return fmt::format("StoreKv layer {}", store.layer);
  }
  std::string operator()(const op::Attention& attention) const {
    return fmt::format("Attention layer {}", attention.layer);
  }
  std::string operator()(const op::SiluMul&) const { return "SiluMul"; }
  std::string operator()(const op::Add&) const { return "Add"; }
  std::string operator()(const op::TakeLast&) const { return "TakeLast"; }
  template <typename Kind>
  std::string operator()(const Kind& kind) const {
    return std::string(Name(kind));
  }
};

std::string OpText(const Graph& graph, const Op& op) {
  std::string out = fmt::format("{:>2} {}: {}", op.layer, op.name, std::visit(Printer{}, op.kind));
  for (const ValueId in : op.ins) out += fmt::format(" ({})", graph.value(in).name);
  for (const WeightId id : op.weights) {
    const Weight& weight = graph.weight(id);
    out += fmt::format(" [{} {} {}x{}]", weight.name, Name(weight.type), weight.cols, weight.rows);
  }
  if (op.out) {
    const Value& value = graph.value(*op.out);
    out += fmt::format(" -> {} x {} {}, {} bytes a row",
                       value.rows == Rows::kTokens ? "tokens" : "last", value.width,
                       value.element == Element::kQuantized ? "8-bit" : "float", value.row_bytes);
  }
  return out + "\n";
}

std::string GraphText(const Graph& graph) {
  const AttentionShape& shape = graph.attention;
  std::string out = fmt::format(
      "{}: vocabulary {}, context {}, width {}, {} layers, {} heads of {}, {} for keys and values "
      "of {}, window {}, scale {:.6f}\nrope: {} dims, {}, base {}\n",
      graph.architecture, graph.vocabulary, graph.context, graph.width, shape.layers, shape.heads,
      shape.head_dim, shape.kv_heads, shape.value_head_dim, shape.window, shape.scale,
      graph.rope.dims, graph.rope.adjacent ? "adjacent pairs" : "pairs of halves", graph.rope.base);
  for (const Op& op : graph.ops) out += OpText(graph, op);
  return out + fmt::format("logits: {}\n", graph.value(graph.logits()).name);
}

TEST(BuildGraph, MakesTheOpsOfEachFamily) {
  for (const std::string family : {"llama", "qwen2", "qwen3"}) {
    TestShape shape{.architecture = family};
    if (family == "qwen3") shape.head_dim = 32;
    shape.tied = family == "qwen2";
    const Result<Graph> graph = Build(TestModel(shape));
    ASSERT_TRUE(graph) << Describe(graph.error());
    ExpectGolden("src/graph/goldens/" + family + ".txt", GraphText(*graph));
  }
}

TEST(BuildGraph, NeedsNoQuantisedValuesForFloatWeightsOrFloatActivations) {
  TestShape shape;
  const Result<Graph> exact = Build(TestModel(shape), {});
  shape.type = DType::kF16;
  const Result<Graph> halves = Build(TestModel(shape));
  for (const Result<Graph>* graph : {&exact, &halves}) {
    ASSERT_TRUE(*graph) << Describe(graph->error());
    for (const Value& value : (*graph)->values) EXPECT_EQ(value.element, Element::kFloat);
  }
}

TEST(BuildGraph, GivesEachWeightItsPlaceInTheFile) {
  TestModel model{TestShape{}};
  model.Shuffle(3);
  const Result<ModelFile> file = model.Read();
  ASSERT_TRUE(file);
  const Result<Graph> graph = BuildGraph(*file, kQuantized);
  ASSERT_TRUE(graph);
  EXPECT_EQ(graph->weights.size(), file->tensors.size());
  for (const Weight& weight : graph->weights) {
    const TensorInfo* tensor = file->FindTensor(weight.name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(weight.offset, tensor->offset);
    EXPECT_EQ(weight.bytes, tensor->bytes);
    EXPECT_EQ(weight.rows * weight.row_bytes(), tensor->bytes);
  }
}

TEST(BuildGraph, CountsTheBytesOfAPass) {
  for (const bool tied : {false, true}) {
    const TestModel model(TestShape{.tied = tied});
    const Result<ModelFile> file = model.Read();
    const Result<Graph> graph = BuildGraph(*file, kQuantized);
    ASSERT_TRUE(graph);
    uint64_t expected = file->TensorBytes();
    if (!tied) expected -= file->FindTensor("token_embd.weight")->bytes;
    EXPECT_EQ(graph->PassBytes(), expected);
  }
}

// --- what is refused: the rows B1 to B11 of the fault catalogue ---

void ExpectRefused(const TestModel& model, std::string_view key, std::string_view text,
                   ErrorCode code = ErrorCode::kBadFile) {
  const Result<Graph> graph = Build(model);
  ASSERT_FALSE(graph) << "wanted " << key << " about " << text;
  EXPECT_EQ(graph.error().key, key) << graph.error().message;
  EXPECT_EQ(graph.error().code, code) << graph.error().message;
  EXPECT_NE(graph.error().message.find(text), std::string::npos) << graph.error().message;
}

using Change = std::function<void(TestModel&)>;

void ExpectHparamRefused(std::string_view name, const Change& change) {
  TestModel model{TestShape{}};
  change(model);
  ExpectRefused(model, "MODEL_HPARAM", fmt::format("llama.{}", name));
}

TEST(BuildGraph, RefusesAnUnknownArchitecture) {  // A17
  TestModel model{TestShape{}};
  model.architecture = "gpt17";
  ExpectRefused(model, "MODEL_ARCH", "llama, qwen2, qwen3", ErrorCode::kUnsupported);
  model.architecture = std::string(1 << 20, 'x');
  const Result<Graph> graph = Build(model);
  ASSERT_FALSE(graph);
  EXPECT_LT(graph.error().message.size(), 300u);
  model.architecture = "";
  ExpectRefused(model, "MODEL_ARCH", "empty");
  model.architecture.reset();
  ExpectRefused(model, "MODEL_ARCH", "missing");
}

TEST(BuildGraph, RefusesAWrongNumberOfLayers) {  // B1
  ExpectHparamRefused("block_count", [](TestModel& m) { m.SetU32("block_count", 0); });
  ExpectHparamRefused("block_count", [](TestModel& m) { m.SetU32("block_count", 100'000); });
  ExpectHparamRefused("block_count", [](TestModel& m) { m.SetU32("block_count", 4'097); });
  ExpectHparamRefused("block_count", [](TestModel& m) { m.SetI32("block_count", -1); });
  ExpectHparamRefused("block_count", [](TestModel& m) { m.SetF32("block_count", 2); });
  ExpectHparamRefused("block_count", [](TestModel& m) { m.Remove("block_count"); });
  TestModel model{TestShape{}};
  model.SetU32("block_count", 4'096);
  ExpectRefused(model, "MODEL_TENSOR_MISSING", "blk.2.");
}

TEST(BuildGraph, RefusesAWrongNumberOfHeads) {  // B2
  const std::string heads = "attention.head_count", kv = "attention.head_count_kv";
  ExpectHparamRefused(heads, [&](TestModel& m) { m.SetU32(heads, 0); });
  ExpectHparamRefused(heads, [&](TestModel& m) {
    m.SetU32(heads, 3);
    m.SetU32(kv, 3);
  });
  ExpectHparamRefused(kv, [&](TestModel& m) { m.SetU32(kv, 0); });
  ExpectHparamRefused(kv, [&](TestModel& m) { m.SetU32(kv, 8); });
  ExpectHparamRefused(kv, [&](TestModel& m) { m.SetU32(kv, 3); });
  ExpectHparamRefused("attention.key_length",
                      [](TestModel& m) { m.SetU32("attention.key_length", 0); });
  ExpectHparamRefused("attention.value_length",
                      [](TestModel& m) { m.SetU32("attention.value_length", 8); });
}

TEST(BuildGraph, RefusesAnArrayThatIsNotOneNumberPerLayer) {  // B3
  for (const char* name :
       {"attention.head_count", "attention.head_count_kv", "feed_forward_length"}) {
    ExpectHparamRefused(name, [&](TestModel& m) { m.SetArray(name, {4}); });
    ExpectHparamRefused(name, [&](TestModel& m) { m.SetArray(name, {4, 4, 4}); });
    ExpectHparamRefused(name, [&](TestModel& m) { m.SetArray(name, {}); });
    ExpectHparamRefused(name, [&](TestModel& m) { m.SetArray(name, {-1, -1}); });
  }
  TestModel model{TestShape{}};
  model.SetArray("attention.head_count", {4, 4});
  EXPECT_TRUE(Build(model));
  model.SetArray("attention.head_count", {4, 2});
  ExpectRefused(model, "MODEL_HPARAM_UNSUPPORTED", "attention.head_count", ErrorCode::kUnsupported);
}

TEST(BuildGraph, RefusesAWidthUnlikeTheTensors) {  // B4
  for (const uint32_t width : {0u, 63u, 128u, 1u << 31}) {
    TestModel model{TestShape{}};
    model.SetU32("embedding_length", width);
    ExpectRefused(model, "MODEL_SHAPE", "token_embd.weight: expected");
  }
  ExpectHparamRefused("embedding_length", [](TestModel& m) { m.Remove("embedding_length"); });
}

TEST(BuildGraph, RefusesAContextOfNothing) {  // B5
  ExpectHparamRefused("context_length", [](TestModel& m) { m.SetU32("context_length", 0); });
  TestModel model{TestShape{}};
  model.SetU32("context_length", 0xFFFF'FFFF);
  EXPECT_TRUE(Build(model));
}

TEST(BuildGraph, RefusesRopeSettingsThatMakeNoSense) {  // B6
  const std::string dims = "rope.dimension_count", base = "rope.freq_base";
  for (const uint32_t bad : {0u, 7u, 18u}) {
    ExpectHparamRefused(dims, [&](TestModel& m) { m.SetU32(dims, bad); });
  }
  for (const float bad : {0.f, -1.f, kInf, kNan}) {
    ExpectHparamRefused(base, [&](TestModel& m) { m.SetF32(base, bad); });
  }
  for (const std::string kind : {"", "linear", "yarn"}) {
    for (const float bad : {0.f, -2.f, kInf, kNan}) {
      ExpectHparamRefused("rope.scaling.factor", [&](TestModel& m) {
        if (!kind.empty()) m.SetString("rope.scaling.type", kind);
        m.SetF32("rope.scaling.factor", bad);
      });
    }
  }
  TestModel model{TestShape{}};
  model.SetString("rope.scaling.type", "longrope");
  ExpectRefused(model, "MODEL_ROPE", "longrope", ErrorCode::kUnsupported);
  model = TestModel{TestShape{}};
  model.tensors.push_back({"rope_freqs.weight", DType::kF32, {7}});
  ExpectRefused(model, "MODEL_SHAPE", "rope_freqs.weight: expected 8x1, got 7");
}

TEST(BuildGraph, RefusesAnEpsilonThatIsNoSmallNumber) {  // B7
  const std::string name = "attention.layer_norm_rms_epsilon";
  for (const float bad : {-1e-5f, kInf, kNan}) {
    ExpectHparamRefused(name, [&](TestModel& m) { m.SetF32(name, bad); });
  }
  TestModel model{TestShape{}};
  model.SetF32(name, 0);
  const Result<Graph> graph = Build(model);
  ASSERT_TRUE(graph);
  ASSERT_EQ(graph->warnings.size(), 1u);
  EXPECT_NE(graph->warnings[0].find("epsilon"), std::string::npos);
}

TEST(BuildGraph, RefusesExperts) {  // B8
  const std::string count = "expert_count", used = "expert_used_count";
  ExpectHparamRefused(count, [&](TestModel& m) { m.SetU32(count, 1'000'000); });
  ExpectHparamRefused(used, [&](TestModel& m) {
    m.SetU32(count, 8);
    m.SetU32(used, 9);
  });
  ExpectHparamRefused(used, [&](TestModel& m) {
    m.SetU32(count, 8);
    m.SetU32(used, 0);
  });
  TestModel model{TestShape{}};
  model.SetU32(count, 8);
  model.SetU32(used, 2);
  ExpectRefused(model, "MODEL_ARCH", "experts", ErrorCode::kUnsupported);
}

TEST(BuildGraph, RefusesAVocabularySizeUnlikeTheEmbedding) {  // B9
  TestModel model{TestShape{}};
  model.SetU32("vocab_size", 1u << 30);
  ExpectRefused(model, "MODEL_VOCAB", "token_embd.weight has 128 rows");
  model.SetU32("vocab_size", 128);
  EXPECT_TRUE(Build(model));
}

TEST(BuildGraph, RefusesEveryTensorThatIsMissing) {  // B11
  for (const std::string family : {"llama", "qwen2", "qwen3"}) {
    const TestModel whole(TestShape{.architecture = family});
    for (const TestTensor& tensor : whole.tensors) {
      if (tensor.name == "output.weight") continue;  // then the embedding serves
      TestModel model = whole;
      model.RemoveTensor(tensor.name);
      ExpectRefused(model, "MODEL_TENSOR_MISSING", tensor.name);
    }
  }
}

TEST(BuildGraph, RefusesEveryTensorOfAWrongShape) {  // B11
  const TestModel whole(TestShape{.architecture = "qwen2", .type = DType::kF32});
  for (const TestTensor& tensor : whole.tensors) {
    TestModel longer = whole;
    longer.Tensor(tensor.name).dims.back() += 1;
    if (tensor.name != "token_embd.weight") ExpectRefused(longer, "MODEL_SHAPE", tensor.name);
    TestModel deeper = whole;
    deeper.Tensor(tensor.name).dims.resize(3, 1);
    deeper.Tensor(tensor.name).dims[2] = 2;
    ExpectRefused(deeper, "MODEL_SHAPE", tensor.name);
    if (tensor.dims.size() != 2 || tensor.dims[0] == tensor.dims[1]) continue;
    TestModel turned = whole;
    std::swap(turned.Tensor(tensor.name).dims[0], turned.Tensor(tensor.name).dims[1]);
    ExpectRefused(turned, "MODEL_SHAPE", tensor.name);
  }
}

TEST(BuildGraph, RefusesVectorsThatAreNotFloat) {  // B11
  TestModel model{TestShape{}};
  model.Tensor("blk.1.ffn_norm.weight").type = DType::kF16;
  ExpectRefused(model, "MODEL_TENSOR_TYPE", "blk.1.ffn_norm.weight");
}

TEST(BuildGraph, WarnsOfTensorsItDoesNotUse) {  // B11
  TestModel model{TestShape{}};
  model.tensors.push_back({"blk.0.extra.weight", DType::kF32, {8}});
  model.tensors.push_back({"other", DType::kF32, {8, 8}});
  const Result<Graph> graph = Build(model);
  ASSERT_TRUE(graph);
  ASSERT_EQ(graph->warnings.size(), 1u);
  EXPECT_NE(graph->warnings[0].find("2 tensors"), std::string::npos);
}

}  // namespace
}  // namespace tinyai
