#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/model.h"
#include "engine/overlay.h"
#include "engine/shared_budget.h"
#include "engine/simd.h"
#include "engine/weight_cache.h"
#include "graph/graph.h"
#include "os/file_mapping.h"
#include "os/scratch_file.h"
#include "plan/request.h"

namespace tinyai {

// Whether results are written over operands, as it may be switched while passes run; and how many
// were.
struct InPlaceSwitch {
  std::atomic<bool> enabled{true};
  std::atomic<uint64_t> count{0};
};

// Limit and mode of passes that have none of their own.
struct PassDefaults {
  uint64_t memory_bytes = 0;  // 0: none
  PlanMode mode = PlanMode::kAdaptive;
  std::shared_ptr<InPlaceSwitch> in_place = std::make_shared<InPlaceSwitch>();
};

// A layer of a model as its weights see it.
struct MappedLayer {
  std::string_view name;  // of the graph, as long as there is the model
  LayerRole role = LayerRole::kOther;
  std::vector<WeightId> weights;  // in the order of the file; one that several layers use belongs
                                  // to the first of them
  uint64_t file_offset = 0;       // of the first of them
  uint64_t bytes = 0;             // of all, with the gaps between them where they lie
  uint32_t bits = 0;              // of the numbers of the largest weight
  std::string_view format;        // type of the largest weight, "" without weights
};

// How a layer is pruned.
struct LayerPruning {
  Pruning pruning;
  bool vectors = false;  // whether its vectors are too
};

// Whether pruning that names no layers is of those with this role.
constexpr bool IsPrunedUnasked(LayerRole role) {
  return role != LayerRole::kEmbedding && role != LayerRole::kOutput && role != LayerRole::kNorm;
}

// A model whose layers are read on demand and looked at in memory. Thread-safe.
class MappedModel : private LayerStore {
 public:
  static Result<std::shared_ptr<MappedModel>> Open(const std::string& path,
                                                   const WeightCacheOptions& options,
                                                   WeightCache::Listener listener);
  ~MappedModel() override;

  const std::string& path() const { return path_; }  // that it was opened by
  size_t layer_count() const { return layers_.size(); }
  MappedLayer layer(uint32_t layer) const;
  std::shared_ptr<const Model> model() const { return model_; }
  // What executions compute with: the model, or what was made of its weights.
  ForwardModel forward() const;
  std::shared_ptr<const Overlay> overlay() const;  // what was made; null: nothing
  // What executions compute with, for a session.
  std::shared_ptr<const Model> transformed() const;
  // A pass over that of which no more weights stay than the cache has room for, whatever the
  // options say of it; they count there as long as the reservation exists. Vectors and the slots
  // that weights go through are in use rather than cached: of these a plan keeps what it must.
  // Errors of PlanForward; CACHE_FULL where all weights are to stay.
  struct ReservedPlan {
    ForwardPlan plan;
    CacheReservation reservation;
  };
  Result<ReservedPlan> PlanWithinCache(ForwardOptions options);
  // Has the matrices of each layer in the type given, nothing: that of its files; and its weights
  // pruned, by layer, as given. Both from the model's own weights, and each leaves the other as it
  // is. Schedulers see it when they are prepared next. Errors of MakeOverlay; nothing is changed
  // then.
  Status SetTypes(std::span<const std::optional<DType>> types);
  Status Prune(std::span<const LayerPruning> pruning);
  Status Transform(std::span<const std::optional<DType>> types,
                   std::span<const LayerPruning> pruning);
  // By layer: what is in force, and the weights in the order of the files.
  std::vector<LayerForm> forms() const;
  std::vector<std::vector<WeightId>> own_weights() const;
  // Bytes that the weights take less than the same without sparse rows.
  uint64_t PruningSavings() const;
  // What is held for this model counts in `budget` too from now on: cached layers at once, passes
  // and sessions when they are opened. Errors BUDGET_BOUND (it shares one already),
  // BUDGET_EXCEEDED (by layers that are held).
  Status Share(std::shared_ptr<SharedBudget> budget);
  // Null where it shares none; else for as long as there is the model.
  SharedBudget* shared_budget() const;
  // The same with no more memory than is left of that beside what `own`, which may be null, holds.
  ForwardOptions WithinShare(ForwardOptions options, const Budget* own) const;
  WeightCache& cache() { return *cache_; }
  const WeightCache& cache() const { return *cache_; }

  SimdSettings& simd() { return simd_; }
  // How products of passes that are planned from now on go through rows and tokens.
  void SetTiling(const Tiling& tiling);
  Tiling tiling() const;
  // The level at which an execution of the layer computes.
  int SimdLevelFor(uint32_t layer) const;
  PassDefaults defaults() const;
  void SetDefaults(const PassDefaults& defaults);

  // Where the layer's weights are; the address stays good for as long as the model is there. Errors
  // of WeightCache::Get.
  Result<const std::byte*> Weights(uint32_t layer);
  // The same address, whether or not the layer is in memory.
  const std::byte* Address(uint32_t layer) const;

 private:
  // Where a layer's bytes can be looked at.
  struct Place {
    const FileMapping* mapping = nullptr;
    uint64_t offset = 0;
    bool gathered = true;  // false: to be copied there from the file first
  };
  MappedModel() = default;
  Status Start(const WeightCacheOptions& options, WeightCache::Listener listener);
  void FindLayers();
  Status PlaceLayers();
  Status Gather(uint32_t layer);
  Status Visit(uint32_t layer, bool keep);
  Status VisitChecked(const Place& place, uint64_t size, bool keep);

  uint64_t bytes(uint32_t layer) const override { return layers_[layer].bytes; }
  Status Load(uint32_t layer) override { return Visit(layer, true); }
  Status Look(uint32_t layer) override { return Visit(layer, false); }
  // With transforming_ held.
  Status Transform(std::vector<LayerForm> forms);
  std::vector<LayerForm> FormsInForce() const;
  void Advise(uint32_t layer) override;
  void Drop(uint32_t layer) override;

  std::string path_;
  std::shared_ptr<const Model> model_;
  std::vector<MappedLayer> layers_;
  std::vector<FileMapping> parts_;         // by part of the model
  std::unique_ptr<BlockChecker> checker_;  // of part 0; null if it keeps no checksums
  // Layers whose weights are scattered over the file are gathered here when they are first wanted.
  std::unique_ptr<ScratchFile> scratch_;
  std::unique_ptr<File> gathered_file_;
  FileMapping gathered_;
  std::vector<Place> places_;
  // The layers and their places as the files have them, from when they are first transformed.
  std::vector<MappedLayer> own_layers_;
  std::vector<Place> own_places_;
  // What was made of the weights, the last in force; all are kept, since addresses were handed out.
  struct Transformed {
    std::shared_ptr<const Overlay> overlay;
    FileMapping mapping;
  };
  std::vector<std::unique_ptr<Transformed>> transformed_;
  mutable std::mutex transforming_;
  std::vector<LayerForm> forms_;  // in force, empty: none; guarded by transforming_
  SimdSettings simd_;
  mutable std::mutex mutex_;  // guards defaults_, shared_, tiling_, transformed_, layers_ and
                              // places_ when they change
  PassDefaults defaults_;
  std::shared_ptr<SharedBudget> shared_;  // once set it stays
  Tiling tiling_;
  std::unique_ptr<WeightCache> cache_;  // last: its threads use the rest
};

}  // namespace tinyai
