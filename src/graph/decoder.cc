#include "graph/decoder.h"

#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "graph/graph_builder.h"
#include "graph/rope_settings.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostLayers = 4096;
constexpr uint64_t kMostWidth = uint64_t{1} << 24;
constexpr uint64_t kMostHeads = uint64_t{1} << 16;

struct Sizes {
  uint64_t layers, feed_forward;
  float epsilon;
};

Status RefuseExperts(const Hparams& hparams) {
  TRY_ASSIGN(const uint64_t experts, hparams.Optional("expert_count", 0, 65536, 0));
  TRY_ASSIGN(const uint64_t used, hparams.Optional("expert_used_count", 0, 65536, 0));
  if (used > experts) {
    return hparams.Bad("expert_used_count", fmt::to_string(used),
                       fmt::format("at most expert_count ({})", experts));
  }
  if (experts == 0) return {};
  if (used == 0) return hparams.Bad("expert_used_count", "0", "a number above 0");
  return Fail(ErrorCode::kUnsupported, "MODEL_ARCH",
              "mixture-of-experts models of this family are not supported");
}

Status ReadAttention(const Hparams& hparams, Graph& graph) {
  AttentionShape& shape = graph.attention;
  TRY_ASSIGN(shape.heads,
             hparams.PerLayer("attention.head_count", shape.layers, 1, kMostHeads, {}));
  TRY_ASSIGN(shape.kv_heads,
             hparams.PerLayer("attention.head_count_kv", shape.layers, 1, kMostHeads, shape.heads));
  if (shape.kv_heads > shape.heads || shape.heads % shape.kv_heads != 0) {
    return hparams.Bad("attention.head_count_kv", fmt::to_string(shape.kv_heads),
                       fmt::format("a divisor of head_count ({})", shape.heads));
  }
  const bool own_length = hparams.metadata().Has(hparams.Key("attention.key_length"));
  if (!own_length && graph.width % shape.heads != 0) {
    return hparams.Bad("attention.head_count", fmt::to_string(shape.heads),
                       fmt::format("a divisor of embedding_length ({})", graph.width));
  }
  const uint64_t head_dim = graph.width / shape.heads;
  TRY_ASSIGN(shape.head_dim, hparams.Optional("attention.key_length", 1, kMostHeads, head_dim));
  TRY_ASSIGN(shape.value_head_dim,
             hparams.Optional("attention.value_length", 1, kMostHeads, shape.head_dim));
  if (shape.head_dim == 0 || shape.value_head_dim != shape.head_dim) {
    return hparams.Bad("attention.value_length", fmt::to_string(shape.value_head_dim),
                       fmt::format("the length of keys ({})", shape.head_dim));
  }
  TRY_ASSIGN(shape.window, hparams.Optional("attention.sliding_window", 0,
                                            std::numeric_limits<uint32_t>::max(), 0));
  TRY_ASSIGN(const double scale,
             hparams.OptionalFloat("attention.scale", 0, false,
                                   1.0 / std::sqrt(static_cast<double>(shape.head_dim))));
  shape.scale = static_cast<float>(scale);
  return {};
}

// What the keys say of vocabulary and width must agree with the embedding, whose shape decides.
Status ReadVocabulary(const ModelFile& file, const Hparams& hparams, Graph& graph) {
  const TensorInfo* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) {
    return Fail(ErrorCode::kBadFile, "MODEL_TENSOR_MISSING",
                "tensor token_embd.weight is missing; a text model needs it");
  }
  if (embedding->dims[0] != graph.width) {
    return FailAt(
        ErrorCode::kBadFile, "MODEL_SHAPE",
        fmt::format("tensor token_embd.weight: expected rows of {} ({}), got {}x{}", graph.width,
                    hparams.Key("embedding_length"), embedding->dims[0], embedding->dims[1]),
        file.parts[embedding->part], embedding->offset);
  }
  graph.vocabulary = embedding->dims[1];
  TRY_ASSIGN(const auto stated, hparams.metadata().OptionalUint(hparams.Key("vocab_size")));
  if (graph.vocabulary > std::numeric_limits<int32_t>::max() ||
      (stated && *stated != graph.vocabulary)) {
    return Fail(ErrorCode::kBadFile, "MODEL_VOCAB",
                fmt::format("{} says {}, token_embd.weight has {} rows", hparams.Key("vocab_size"),
                            stated.value_or(0), graph.vocabulary));
  }
  return {};
}

Result<Sizes> ReadSizes(const ModelFile& file, const Hparams& hparams, Graph& graph) {
  Sizes sizes{};
  TRY_ASSIGN(sizes.layers, hparams.Required("block_count", 1, kMostLayers));
  TRY_ASSIGN(graph.width,
             hparams.Required("embedding_length", 0, std::numeric_limits<uint64_t>::max()));
  TRY(ReadVocabulary(file, hparams, graph));
  TRY_ASSIGN(graph.width, hparams.Required("embedding_length", 1, kMostWidth));
  TRY_ASSIGN(graph.context,
             hparams.Required("context_length", 1, std::numeric_limits<uint32_t>::max()));
  TRY_ASSIGN(sizes.feed_forward,
             hparams.PerLayer("feed_forward_length", sizes.layers, 1, kMostWidth, {}));
  TRY_ASSIGN(const double epsilon,
             hparams.OptionalFloat("attention.layer_norm_rms_epsilon", 0, true, 1e-5));
  if (epsilon == 0) graph.warnings.push_back("the epsilon of the RMS norms is 0");
  sizes.epsilon = static_cast<float>(epsilon);
  graph.attention.layers = sizes.layers;
  TRY(RefuseExperts(hparams));
  TRY(ReadAttention(hparams, graph));
  return sizes;
}

class Decoder {
 public:
  Decoder(const ModelFile& file, const DecoderTraits& traits, const GraphOptions& options,
          const Sizes& sizes, Graph& graph)
      : builder_(file, options, graph),
        traits_(traits),
        sizes_(sizes),
        graph_(graph),
        file_(file) {}

  Status Build() {
    TRY(ReadRopeDivisors());
    TRY_ASSIGN(const WeightId table,
               builder_.Matrix("token_embd.weight", graph_.vocabulary, graph_.width));
    ValueId x = builder_.Embed(table);
    graph_.EndLayer("token_embd", LayerRole::kEmbedding, x);
    for (uint64_t layer = 0; layer < sizes_.layers; ++layer) {
      builder_.set_layer(static_cast<int32_t>(layer));
      prefix_ = fmt::format("blk.{}.", layer);
      TRY_ASSIGN(x, AttentionBlock(x));
      graph_.EndLayer(prefix_ + "attn", LayerRole::kAttention, x);
      TRY_ASSIGN(x, FeedForwardBlock(x));
      graph_.EndLayer(prefix_ + "ffn", LayerRole::kFeedForward, x);
    }
    builder_.set_layer(-1);
    prefix_.clear();
    x = builder_.TakeLast(x);
    TRY_ASSIGN(x, Norm("output_norm", x, graph_.width));
    WeightId output = table;
    if (file_.FindTensor("output.weight") != nullptr) {
      TRY_ASSIGN(output, builder_.Matrix("output.weight", graph_.vocabulary, graph_.width));
    }
    graph_.outputs = {builder_.MatMul("output", x, output, std::nullopt)};
    graph_.EndLayer("output", LayerRole::kOutput, graph_.logits());
    if (const size_t unused = builder_.UnusedTensors(); unused != 0) {
      graph_.warnings.push_back(fmt::format("{} tensors of the file are not used", unused));
    }
    return {};
  }

 private:
  Status ReadRopeDivisors() {
    TRY_ASSIGN(graph_.rope.divisors,
               builder_.OptionalVector("rope_freqs.weight", graph_.rope.dims / 2));
    return {};
  }

  Result<ValueId> Norm(std::string_view name, ValueId in, uint64_t group) {
    const std::string full = fmt::format("{}{}", prefix_, name);
    TRY_ASSIGN(const WeightId weight, builder_.Vector(full + ".weight", group));
    return builder_.RmsNorm(full, in, weight, sizes_.epsilon, group);
  }

  Result<ValueId> Project(std::string_view name, ValueId in, uint64_t rows, uint64_t cols,
                          bool bias_required = false) {
    const std::string full = fmt::format("{}{}", prefix_, name);
    TRY_ASSIGN(const WeightId matrix, builder_.Matrix(full + ".weight", rows, cols));
    std::optional<WeightId> bias;
    if (bias_required) {
      TRY_ASSIGN(bias, builder_.Vector(full + ".bias", rows));
    } else {
      TRY_ASSIGN(bias, builder_.OptionalVector(full + ".bias", rows));
    }
    return builder_.MatMul(full, in, matrix, bias);
  }

  Result<ValueId> AttentionBlock(ValueId x) {
    const AttentionShape& shape = graph_.attention;
    const uint64_t q_width = shape.heads * shape.head_dim;
    TRY_ASSIGN(const ValueId h, Norm("attn_norm", x, graph_.width));
    TRY_ASSIGN(ValueId q, Project("attn_q", h, q_width, graph_.width, traits_.qkv_bias));
    TRY_ASSIGN(ValueId k, Project("attn_k", h, shape.kv_width(), graph_.width, traits_.qkv_bias));
    TRY_ASSIGN(const ValueId v,
               Project("attn_v", h, shape.value_width(), graph_.width, traits_.qkv_bias));
    if (traits_.qk_norm) {
      TRY_ASSIGN(q, Norm("attn_q_norm", q, shape.head_dim));
      TRY_ASSIGN(k, Norm("attn_k_norm", k, shape.head_dim));
    }
    q = builder_.Rope(prefix_ + "rope_q", q, shape.heads);
    k = builder_.Rope(prefix_ + "rope_k", k, shape.kv_heads);
    const ValueId attended = builder_.Attention(prefix_ + "attn", q, k, v);
    TRY_ASSIGN(const ValueId out,
               Project("attn_output", attended, graph_.width, shape.heads * shape.value_head_dim));
    return builder_.Add(prefix_ + "attn_add", x, out);
  }

  Result<ValueId> FeedForwardBlock(ValueId x) {
    TRY_ASSIGN(const ValueId h, Norm("ffn_norm", x, graph_.width));
    TRY_ASSIGN(const ValueId gate, Project("ffn_gate", h, sizes_.feed_forward, graph_.width));
    TRY_ASSIGN(const ValueId up, Project("ffn_up", h, sizes_.feed_forward, graph_.width));
    const ValueId act = builder_.SiluMul(prefix_ + "ffn_act", gate, up);
    TRY_ASSIGN(const ValueId down, Project("ffn_down", act, graph_.width, sizes_.feed_forward));
    return builder_.Add(prefix_ + "ffn_add", x, down);
  }

  GraphBuilder builder_;
  const DecoderTraits& traits_;
  const Sizes& sizes_;
  Graph& graph_;
  const ModelFile& file_;
  std::string prefix_;
};

}  // namespace

Result<Graph> BuildDecoder(const ModelFile& file, const Hparams& hparams,
                           const DecoderTraits& traits, const GraphOptions& options) {
  Graph graph;
  TRY_ASSIGN(const auto architecture, file.metadata.OptionalString("general.architecture"));
  graph.architecture = architecture.value_or("");
  TRY_ASSIGN(const Sizes sizes, ReadSizes(file, hparams, graph));
  TRY_ASSIGN(graph.rope, ReadRopeSettings(hparams, graph.attention.head_dim, graph.context));
  TRY_ASSIGN(const auto adjacent, hparams.metadata().OptionalBool(hparams.Key("rope.adjacent")));
  graph.rope.adjacent = adjacent.value_or(traits.adjacent_rope);
  TRY(Decoder(file, traits, options, sizes, graph).Build());
  return graph;
}

}  // namespace tinyai
