#pragma once

#include <tinyai/session.h>
#include <tinyai/utils/mmap_loader.h>
#include <tinyai/utils/prune.h>
#include <tinyai/utils/quantize_mixed.h>
#include <tinyai/cpp/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tinyai {
inline namespace v0 {

// What a layer does.
enum class Role {
  kOther = TINYAI_LAYER_ROLE_OTHER,
  kEmbedding = TINYAI_LAYER_ROLE_EMBEDDING,
  kAttention = TINYAI_LAYER_ROLE_ATTENTION,
  kFeedForward = TINYAI_LAYER_ROLE_FFN,
  kOutput = TINYAI_LAYER_ROLE_OUTPUT,
  kNorm = TINYAI_LAYER_ROLE_NORM,
  kConv = TINYAI_LAYER_ROLE_CONV,
};

// A layer as it is now.
struct Layer {
  std::string name;  // "blk.0.attention"
  Role role = Role::kOther;
  std::string format = {};  // of its largest weight, such as "Q8_0"; "" without weights
  int bits = 0;             // of that weight's numbers
  std::size_t file_offset = 0;
  std::size_t bytes = 0;  // of its weights
  bool loaded = false;    // they are in memory
  float priority = 1;     // to stay there
};

// How the weights that Model::Weights shows are kept in memory. Sessions and passes read weights
// by themselves.
struct CacheOptions {
  std::size_t bytes = std::size_t{256} << 20;  // at most
  int read_ahead_threads = 1;                  // 0: nothing is read ahead
  bool adaptive = true;  // learns the order of access; false: the least recently used goes
};

// How many bits the weight matrices of layers have, by role.
struct Precision {
  TinyAIPrecision embedding = TINYAI_PREC_KEEP, attention = TINYAI_PREC_KEEP,
                  feed_forward = TINYAI_PREC_KEEP, output = TINYAI_PREC_KEEP,
                  norm = TINYAI_PREC_KEEP, conv = TINYAI_PREC_KEEP, other = TINYAI_PREC_KEEP;
  static Precision All(TinyAIPrecision of) { return {of, of, of, of, of, of, of}; }
};

// Which weights of each matrix become zero: the smallest `sparsity` (0 to 1) of them, in blocks of
// `block_size` rows and columns, or as `method` says (<tinyai/utils/prune.h>).
struct Pruning {
  float sparsity = 0.5f;
  int block_size = 1;
  TinyAIPruneMethod method = TINYAI_PRUNE_MAGNITUDE;
  std::vector<std::pair<int, float>> layers = {};  // with a sparsity of their own
  std::uint64_t seed = 0;                          // of TINYAI_PRUNE_RANDOM

  // For the C API. Layers that it has no place for are left out.
  TinyAIPruneConfig config() const {
    TinyAIPruneConfig out;
    tinyaiInitPruneConfig(&out);
    out.method = method;
    out.sparsity = sparsity;
    out.blockSize = block_size;
    for (const auto& [layer, own] : layers) {
      if (layer >= 0 && layer < TINYAI_PRUNE_MAX_LAYERS) out.layerSparsity[layer] = own;
    }
    return out;
  }
};

// A model file that is open: a text model or a layer graph. Its weights are read when they are
// needed. All functions may be called from any thread at any time.
class Model {
 public:
  // Reads the header of a .tmai or GGUF file, or of the folder of a Hugging Face model; no weights.
  // Errors: those of files in docs/errors.md.
  static Result<Model> Open(const std::string& path, const CacheOptions& options = {}) {
    TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
    config.maxCacheSize = options.bytes;
    config.prefetchEnabled = options.read_ahead_threads > 0;
    config.prefetchThreads = options.read_ahead_threads;
    config.adaptiveCaching = options.adaptive;
    Handle handle(tinyaiOpenMappedModel(path.c_str(), &config));
    if (!handle) return detail::LastError();
    return Model(std::move(handle));
  }

  // Else it is a layer graph.
  bool is_text() const { return tinyaiIsTextModel(handle()); }
  int layer_count() const { return tinyaiGetMappedLayerCount(handle()); }
  // Error ARG_INDEX.
  Result<Layer> layer(int index) const {
    TinyAILayerDescriptor now;
    if (!tinyaiGetLayerSnapshot(handle(), index, &now)) return detail::LastError();
    return Layer{.name = tinyaiGetLayerName(handle(), index),
                 .role = static_cast<Role>(tinyaiGetLayerRole(handle(), index)),
                 .format = tinyaiGetLayerFormat(handle(), index),
                 .bits = now.precision,
                 .file_offset = now.offset,
                 .bytes = now.size,
                 .loaded = now.isActive,
                 .priority = now.priority};
  }

  // The layer's weights as they lie in the file, or as they were made by ApplyPrecision and Prune.
  // What is shown stays right for as long as the model is open, in memory or not. Errors ARG_INDEX,
  // IO_READ, MODEL_CHANGED, TMAI_CHECKSUM.
  Result<std::span<const std::byte>> Weights(int index) {
    const void* const data = tinyaiGetLayerWeights(handle(), index);
    if (data == nullptr) return detail::LastError();
    return std::span(static_cast<const std::byte*>(data),
                     tinyaiGetLayerDescriptor(handle(), index)->size);
  }
  // Gives the memory of the layer's weights back.
  void Release(int index) { tinyaiReleaseLayerWeights(handle(), index); }
  // Weights of a lower priority always go first; 1 unless set. Of an index that there is not, or of
  // NaN, nothing is changed.
  void SetPriority(int index, float priority) {
    (tinyaiSetLayerPriority)(handle(), index, priority);
  }
  std::size_t cached_bytes() const { return tinyaiGetMappedModelMemoryUsage(handle()); }

  // Has the weight matrices in these precisions, made from the file's own weights; plans and passes
  // that are made from then on compute with them. Errors, and nothing changed:
  // PRECISION_UNSUPPORTED, GRAPH_OP, those of reading and writing.
  Status ApplyPrecision(const Precision& precision) {
    const TinyAIMixedPrecisionConfig config = {.embeddingPrecision = precision.embedding,
                                               .attentionPrecision = precision.attention,
                                               .ffnPrecision = precision.feed_forward,
                                               .outputPrecision = precision.output,
                                               .normPrecision = precision.norm,
                                               .convPrecision = precision.conv,
                                               .otherPrecision = precision.other};
    return detail::StatusOf(tinyaiApplyMixedPrecision(handle(), &config));
  }
  // Has weights zero, the smallest ones of each matrix; the rest stays. A sparsity of 0 takes it
  // back. Precision and pruning leave each other in force. Errors, and nothing changed: ARG_VALUE,
  // ARG_INDEX, PRECISION_UNSUPPORTED, GRAPH_OP, those of reading and writing.
  Status Prune(const Pruning& pruning) {
    for (const auto& [layer, own] : pruning.layers) {
      if (layer >= 0 && layer < std::min(layer_count(), int{TINYAI_PRUNE_MAX_LAYERS})) continue;
      return Error{
          TINYAI_ERROR_USAGE, "ARG_INDEX",
          "there is no layer " + std::to_string(layer) + " that has a sparsity of its own"};
    }
    const TinyAIPruneConfig config = pruning.config();
    tinyaiSetPruningSeed(handle(), pruning.seed);
    return detail::StatusOf(tinyaiPruneModel(handle(), &config));
  }
  Status Prune(float sparsity, int block_size = 1) {
    return Prune(Pruning{.sparsity = sparsity, .block_size = block_size});
  }
  // Writes the model as a .tmai file, with what ApplyPrecision and Prune have made of its weights;
  // opened, it computes the same bits, takes the same memory and needs no other file. A file that
  // is there is replaced once the new one is whole. Errors MODEL_CHANGED, OUTPUT_IS_INPUT,
  // OUTPUT_TARGET, IO_WRITE, those of reading.
  Status Save(const std::string& path) const {
    return detail::StatusOf(tinyaiSaveModel(handle(), path.c_str()));
  }
  // Bytes that the weights take less than without pruning.
  std::size_t pruning_savings() const { return tinyaiCalculatePruningSavings(handle()); }

  // The tokens of a text (which has no NUL inside). `add_special`: with those that begin and end a
  // text; `parse_special`: spellings of control tokens stand for these. Errors NO_TEXT_MODEL,
  // TOKENIZER, TOKENIZER_REGEX.
  Result<std::vector<std::int32_t>> Tokenize(std::string_view text, bool add_special = true,
                                             bool parse_special = false) const {
    const std::string ended(text);
    std::vector<std::int32_t> tokens(text.size() + 2);
    for (;;) {
      const std::int64_t count = tinyaiTokenize(handle(), ended.c_str(), add_special, parse_special,
                                                tokens.data(), tokens.size());
      if (count < 0) return detail::LastError();
      const bool all = static_cast<std::size_t>(count) <= tokens.size();
      tokens.resize(static_cast<std::size_t>(count));
      if (all) return tokens;
    }
  }
  // Control tokens have no text. Error NO_TEXT_MODEL.
  Result<std::string> Detokenize(std::span<const std::int32_t> tokens) const {
    const std::int64_t bytes = tinyaiDetokenize(handle(), tokens.data(), tokens.size(), nullptr, 0);
    if (bytes < 0) return detail::LastError();
    std::string text(static_cast<std::size_t>(bytes), '\0');
    tinyaiDetokenize(handle(), tokens.data(), tokens.size(), text.data(), text.size() + 1);
    return text;
  }

  // For what only the C API has; belongs to this object.
  TinyAIModel* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(TinyAIModel* model) const { tinyaiCloseMappedModel(model); }
  };
  using Handle = std::unique_ptr<TinyAIModel, Close>;
  explicit Model(Handle handle) : handle_(std::move(handle)) {}

  Handle handle_;
};

}  // namespace v0
}  // namespace tinyai
