#include "engine/convert.h"

#include "engine/engine_test_support.h"
#include "engine/verify.h"

namespace tinyai {
namespace {

Result<ConvertReport> Convert(const std::string& from, const std::string& to,
                              bool replace = false) {
  TRY_ASSIGN(const OpenedModelFile model, OpenModelFile(from));
  return ConvertModel(model, to, replace);
}

std::string MakeTmai(const ModelSpec& spec) {
  const std::string from = MakeFile(spec), to = from + ".tmai";
  const Result<ConvertReport> done = Convert(from, to);
  EXPECT_TRUE(done) << Describe(done.error());
  return to;
}

std::vector<std::byte> TensorBytes(const OpenedModelFile& model, const TensorInfo& tensor) {
  std::vector<std::byte> bytes(tensor.bytes);
  EXPECT_TRUE(model.sources[tensor.part]->ReadAt(tensor.offset, bytes));
  return bytes;
}

Result<std::vector<Logits>> RunIt(const std::string& path, const SessionOptions& options) {
  TRY_ASSIGN(const auto model, Model::Open(path, {}));
  TRY_ASSIGN(SessionPlan plan, PlanSession(*model, options, TestMachine()));
  TRY_ASSIGN(const auto session, Session::Open(model, std::move(plan), Process()));
  return Continue(*session, SomeTokens(20, model->graph().vocabulary), 2);
}

TEST(Convert, KeepsEveryByteOfEveryTensorAndAllMetadata) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_K}) {
    ModelSpec spec = WideSpec(type);
    spec.rope_scaling = type == DType::kF16 ? "llama3" : "";
    const std::string from = MakeFile(spec), to = from + ".tmai";
    ASSERT_TRUE(Convert(from, to));
    const Result<OpenedModelFile> old = OpenModelFile(from), now = OpenModelFile(to);
    ASSERT_TRUE(old && now);
    ASSERT_EQ(old->file.tensors.size(), now->file.tensors.size());
    for (const TensorInfo& tensor : old->file.tensors) {
      const TensorInfo* const found = now->file.FindTensor(tensor.name);
      ASSERT_NE(found, nullptr) << tensor.name;
      EXPECT_EQ(found->type, tensor.type);
      EXPECT_EQ(found->n_dims, tensor.n_dims);
      EXPECT_EQ(found->dims, tensor.dims);
      EXPECT_EQ(TensorBytes(*old, tensor), TensorBytes(*now, *found)) << tensor.name;
    }
    ASSERT_EQ(old->file.metadata.entries().size(), now->file.metadata.entries().size());
    for (const Metadata::Entry& entry : old->file.metadata.entries()) {
      const MetaValue* const found = now->file.metadata.Find(entry.key);
      ASSERT_NE(found, nullptr) << entry.key;
      EXPECT_EQ(found->type, entry.value.type);
      EXPECT_TRUE(std::equal(found->bytes.begin(), found->bytes.end(), entry.value.bytes.begin(),
                             entry.value.bytes.end()));
    }
  }
}

TEST(Convert, LayersAreThoseOfAPass) {
  ModelSpec spec = WideSpec();
  spec.rope_scaling = "llama3";
  const Result<OpenedModelFile> model = OpenModelFile(MakeTmai(spec));
  ASSERT_TRUE(model && model->file.graph);
  const GraphRecords graph = model->file.graph->Unpack();
  std::string layers;
  uint64_t tensors = 0;
  for (const GraphRecords::Layer& layer : graph.layers) {
    layers += fmt::format("{} {} {}; ", layer.name, Name(layer.role), layer.tensor_count);
    tensors += layer.tensor_count;
  }
  EXPECT_EQ(layers,
            "token_embd embedding 1; blk.0.attn attention 5; blk.0.ffn ffn 4; "
            "blk.1.attn attention 5; blk.1.ffn ffn 4; output output 2; ");
  EXPECT_EQ(tensors + 1, model->file.tensors.size()) << "the factors of rope are of no layer";
}

TEST(Convert, LogitsAreTheSameBitByBit) {
  for (const std::string architecture : {"llama", "qwen3"}) {
    ModelSpec spec = WideSpec(DType::kQ4_0);
    spec.architecture = architecture;
    spec.tied = architecture == "qwen3";
    spec.rope_scaling = architecture == "llama" ? "llama3" : "";
    const std::string gguf = MakeFile(spec), tmai = gguf + ".tmai";
    ASSERT_TRUE(Convert(gguf, tmai));
    const auto wanted = RunIt(gguf, {.context = 64, .threads = 1});
    ASSERT_TRUE(wanted) << Describe(wanted.error());
    const std::shared_ptr<const Model> model = OpenModel(tmai);
    const SessionOptions options{.context = 64, .threads = 2};
    for (const std::optional<uint64_t> memory :
         {std::optional<uint64_t>(), std::optional(LeastBudget(*model, options))}) {
      for (const IoPath path : {IoPath::kUring, IoPath::kBuffered}) {
        const auto got =
            RunIt(tmai, {.memory_bytes = memory, .context = 64, .threads = 2, .io_path = path});
        ASSERT_TRUE(got) << Describe(got.error());
        EXPECT_EQ(*got, *wanted);
      }
    }
  }
}

void FlipByte(const std::string& path, uint64_t at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x10));
}

TEST(Convert, NoTokenComesFromADamagedBlock) {
  const std::string path = MakeTmai(WideSpec());
  const Result<OpenedModelFile> model = OpenModelFile(path);
  ASSERT_TRUE(model);
  const SessionOptions least{.memory_bytes = LeastBudget(*OpenModel(path), {.context = 64}),
                             .context = 64};
  for (const TensorInfo& tensor : model->file.tensors) {
    // Of the embedding, a row that the prompt has.
    const uint64_t row = tensor.name == "token_embd.weight" ? 1 : tensor.dims[1] / 2;
    const uint64_t at = tensor.offset + tensor.bytes / tensor.dims[1] * row + 3;
    FlipByte(path, at);
    for (const SessionOptions& options : {SessionOptions{.context = 64}, least}) {
      const auto logits = RunIt(path, options);
      ASSERT_FALSE(logits) << tensor.name;
      EXPECT_EQ(logits.error().key, "TMAI_CHECKSUM") << Describe(logits.error());
      EXPECT_NE(logits.error().message.find(tensor.name), std::string::npos);
    }
    FlipByte(path, at);
  }
  EXPECT_TRUE(RunIt(path, least));
}

TEST(Convert, VerifyFindsEveryDamagedTensor) {
  const std::string path = MakeTmai(WideSpec());
  const auto verify = [&]() -> Result<VerifyReport> {
    TRY_ASSIGN(const OpenedModelFile model, OpenModelFile(path));
    const std::vector<const ByteSource*> sources(model.sources.begin(), model.sources.end());
    return VerifyTensors(model.file, sources, Process());
  };
  ASSERT_TRUE(verify());
  EXPECT_TRUE(verify()->defects.empty());
  const Result<OpenedModelFile> model = OpenModelFile(path);
  const TensorInfo& a = *model->file.FindTensor("blk.1.ffn_up.weight");
  const TensorInfo& b = *model->file.FindTensor("blk.0.attn_norm.weight");
  FlipByte(path, a.offset + a.bytes / 2);
  FlipByte(path, a.offset + a.bytes - 1);
  FlipByte(path, b.offset);
  const Result<VerifyReport> report = verify();
  ASSERT_TRUE(report);
  uint64_t blocks = 0;
  bool found_a = false, found_b = false;
  for (const TensorDefect& defect : report->defects) {
    blocks += defect.bad_blocks;
    found_a |= defect.tensor == a.name;
    found_b |= defect.tensor == b.name && defect.first_bad_offset == b.offset;
  }
  EXPECT_TRUE(found_a && found_b);
  EXPECT_GE(blocks, 3u);
}

TEST(Convert, RefusesWhatCannotBeDone) {
  const std::string from = MakeFile(WideSpec());
  const auto key_of = [](const Result<ConvertReport>& result) {
    return result ? std::string_view() : result.error().key;
  };
  EXPECT_EQ(key_of(Convert(from, from, true)), "OUTPUT_IS_INPUT");
  const std::string to = from + ".out";
  ASSERT_TRUE(Convert(from, to));
  EXPECT_EQ(key_of(Convert(to, to + "2")), "ALREADY_CONVERTED");
  EXPECT_EQ(key_of(Convert(from, to)), "OUTPUT_EXISTS");
  const std::string before = ReadAll(to);
  EXPECT_EQ(key_of(Convert(from, to, true)), "");
  EXPECT_EQ(ReadAll(to), before);
}

TEST(Convert, StopsWhenAskedAndLeavesNothing) {
  const Result<OpenedModelFile> model = OpenModelFile(MakeFile(WideSpec()));
  const std::string to = (Scratch().path() / "stopped.tmai").string();
  int heard = 0;
  const auto done =
      ConvertModel(*model, to, false, [&](const WriteProgress&) { return ++heard < 3; });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().key, "CANCELLED");
  EXPECT_FALSE(std::filesystem::exists(to));
}

// Only products read sparse rows; whatever else a file says has them is refused before it is read.
TEST(Convert, SparseRowsOfAnEmbeddingAreRefused) {
  const std::string from = MakeFile(WideSpec(DType::kQ8_0)), to = from + ".tmai";
  const Result<OpenedModelFile> model = OpenModelFile(from);
  ASSERT_TRUE(model);
  for (const std::string name : {"blk.0.ffn_up.weight", "token_embd.weight"}) {
    std::vector<size_t> order;
    TmaiContents contents = ContentsOf(model->file, order);
    const auto tensor = std::ranges::find(contents.tensors, name, &TensorInfo::name);
    tensor->bytes = tensor->dims[1] * 40;
    const TensorSource noise = [](size_t index, uint64_t offset, std::span<std::byte> out) {
      for (size_t i = 0; i < out.size(); ++i) out[i] = std::byte((offset + i) * 37 + index);
      return Status();
    };
    ASSERT_TRUE(WriteModel(contents, noise, model->sources, to, true, {}));
    const auto opened = Model::Open(to, {});
    if (name.starts_with("blk")) {
      EXPECT_TRUE(opened) << Describe(opened.error());
    } else {
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().key, "TMAI_TABLE");
    }
  }
}

}  // namespace
}  // namespace tinyai
