#include "engine/mapped_model.h"

#include <algorithm>
#include <functional>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/catch_no_memory.h"
#include "base/checked.h"
#include "engine/this_machine.h"

namespace tinyai {
namespace {

// What callers are promised of the address of a layer's weights.
constexpr uint64_t kAlignment = 64;
// Between tensors of a layer that lie one after the other; more is somebody else's.
constexpr uint64_t kLargestGap = 4096;
constexpr uint64_t kCopyBytes = uint64_t{256} << 10;

uint32_t BitsOf(DType type) {
  switch (type) {
    case DType::kF32:
      return 32;
    case DType::kF16:
    case DType::kBF16:
      return 16;
    case DType::kQ8_0:
      return 8;
    case DType::kQ6_K:
      return 6;
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ5_K:
      return 5;
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ4_K:
      return 4;
    case DType::kInt2:
      return 2;
  }
  return 0;
}

// Bits and format, by the largest weight.
void Describe(const Graph& graph, MappedLayer& layer) {
  const WeightId id = *std::ranges::max_element(layer.weights, {}, [&](WeightId weight) {
    return graph.weight(weight).rows * graph.weight(weight).cols;
  });
  layer.bits = BitsOf(graph.weight(id).type);
  layer.format = Name(graph.weight(id).type);
}

uint64_t GatheredBytes(const Graph& graph, const MappedLayer& layer) {
  uint64_t bytes = 0;
  for (const WeightId id : layer.weights) bytes += RoundUp(graph.weight(id).bytes, kAlignment);
  return bytes;
}

// What looking at the layer's tensors in the file itself takes; 0 if they do not lie there one
// after the other, or at an address that nothing can be promised of.
uint64_t BytesInPlace(const Graph& graph, const MappedLayer& layer) {
  const Weight& first = graph.weight(layer.weights.front());
  if (first.offset % kAlignment != 0) return 0;
  uint64_t end = first.offset;
  for (const WeightId id : layer.weights) {
    const Weight& weight = graph.weight(id);
    if (weight.part != first.part || weight.offset < end || weight.offset - end > kLargestGap) {
      return 0;
    }
    end = weight.offset + weight.bytes;
  }
  return end - first.offset;
}

}  // namespace

Result<std::shared_ptr<MappedModel>> MappedModel::Open(const std::string& path,
                                                       const WeightCacheOptions& options,
                                                       WeightCache::Listener listener) {
  std::shared_ptr<MappedModel> model(new MappedModel());
  model->path_ = path;
  TRY_ASSIGN(model->model_, Model::Open(path, {.any_graph = true}));
  TRY(model->Start(options, std::move(listener)));
  return model;
}

MappedModel::~MappedModel() {
  if (shared_ != nullptr && cache_ != nullptr) shared_->Leave(*cache_);
}

Status MappedModel::Start(const WeightCacheOptions& options, WeightCache::Listener listener) {
  for (const File* part : model_->sources()) {
    TRY_ASSIGN(FileMapping mapping, FileMapping::Map(*part));
    parts_.push_back(std::move(mapping));
  }
  checker_ = model_->MakeChecker(0);
  FindLayers();
  TRY(PlaceLayers());
  TRY_ASSIGN(cache_, WeightCache::Create(*this, layers_.size(), options, std::move(listener)));
  return {};
}

void MappedModel::FindLayers() {
  const Graph& graph = model_->graph();
  std::vector<bool> taken(graph.weights.size());
  layers_.reserve(graph.layers.size());
  for (const Layer& from : graph.layers) {
    MappedLayer layer{.name = from.name, .role = from.role};
    for (uint32_t i = from.first_op; i < from.first_op + from.op_count; ++i) {
      for (const WeightId id : graph.ops[i].weights) {
        if (taken[Index(id)]) continue;
        taken[Index(id)] = true;
        layer.weights.push_back(id);
      }
    }
    std::ranges::sort(layer.weights, {}, [&](WeightId id) {
      const Weight& weight = graph.weight(id);
      return std::pair(weight.part, weight.offset);
    });
    if (!layer.weights.empty()) {
      layer.file_offset = graph.weight(layer.weights.front()).offset;
      Describe(graph, layer);
    }
    layers_.push_back(std::move(layer));
  }
}

Status MappedModel::PlaceLayers() {
  const Graph& graph = model_->graph();
  places_.resize(layers_.size());
  uint64_t gathered = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    MappedLayer& layer = layers_[i];
    if (layer.weights.empty()) continue;
    layer.bytes = BytesInPlace(graph, layer);
    if (layer.bytes > 0) {
      places_[i] = {.mapping = &parts_[graph.weight(layer.weights.front()).part],
                    .offset = layer.file_offset};
      continue;
    }
    layer.bytes = GatheredBytes(graph, layer);
    places_[i] = {.mapping = &gathered_, .offset = gathered, .gathered = false};
    gathered += RoundUp(layer.bytes, 4096);
  }
  if (gathered == 0) return {};
  TRY_ASSIGN(scratch_, ScratchFile::Create(gathered));
  TRY_ASSIGN(gathered_file_, scratch_->Open(model_->sources()[0]->path()));
  TRY_ASSIGN(gathered_, FileMapping::Map(*gathered_file_));
  return {};
}

// Copies the layer's tensors to where they can be looked at together.
Status MappedModel::Gather(uint32_t layer) {
  const Graph& graph = model_->graph();
  uint64_t to = places_[layer].offset;
  std::vector<std::byte> piece;
  for (const WeightId id : layers_[layer].weights) {
    const Weight& weight = graph.weight(id);
    for (uint64_t done = 0; done < weight.bytes; done += piece.size()) {
      piece.resize(std::min(weight.bytes - done, kCopyBytes));
      const bool checked = checker_ != nullptr && weight.part == 0;
      TRY(checked ? checker_->ReadAt(weight.offset + done, piece)
                  : model_->sources()[weight.part]->ReadAt(weight.offset + done, piece));
      TRY(scratch_->WriteAt(to + done, piece));
    }
    to += RoundUp(weight.bytes, kAlignment);
  }
  // Until they are on the disk its pages cannot be dropped.
  TRY(scratch_->Sync());
  places_[layer].gathered = true;
  return {};
}

Status MappedModel::Visit(uint32_t layer, bool keep) {
  const uint64_t size = layers_[layer].bytes;
  if (size == 0) return {};
  Place& place = places_[layer];
  if (!place.gathered) TRY(Gather(layer));
  if (checker_ != nullptr && place.mapping == &parts_[0]) return VisitChecked(place, size, keep);
  return keep ? place.mapping->Load(place.offset, size, {})
              : place.mapping->Look(place.offset, size, {});
}

// In whole blocks, which are what has a checksum; the data of a file that has some are whole ones.
Status MappedModel::VisitChecked(const Place& place, uint64_t size, bool keep) {
  const uint64_t begin = RoundDown(place.offset, BlockChecksums::kBlockBytes);
  const uint64_t end = RoundUp(place.offset + size, BlockChecksums::kBlockBytes);
  uint64_t at = begin;
  const auto check = [&](std::span<const std::byte> piece) {
    const uint64_t offset = std::exchange(at, at + piece.size());
    return checker_->Check(offset, piece);
  };
  return keep ? place.mapping->Load(begin, end - begin, check)
              : place.mapping->Look(begin, end - begin, check);
}

void MappedModel::Advise(uint32_t layer) {
  const Place& place = places_[layer];
  if (layers_[layer].bytes > 0 && place.gathered) {
    place.mapping->Advise(place.offset, layers_[layer].bytes);
  }
}

void MappedModel::Drop(uint32_t layer) {
  const Place& place = places_[layer];
  if (layers_[layer].bytes > 0) place.mapping->Drop(place.offset, layers_[layer].bytes);
}

const std::byte* MappedModel::Address(uint32_t layer) const {
  // What a layer without weights gives: an address that nobody reads at.
  alignas(kAlignment) static const std::byte nothing[kAlignment] = {};
  const std::lock_guard lock(mutex_);
  if (layers_[layer].bytes == 0) return nothing;
  return places_[layer].mapping->data() + places_[layer].offset;
}

Result<const std::byte*> MappedModel::Weights(uint32_t layer) {
  TRY(cache_->Get(layer));
  return Address(layer);
}

int MappedModel::SimdLevelFor(uint32_t layer) const {
  const Graph& graph = model_->graph();
  const Layer& of = graph.layers[layer];
  return simd_.LevelFor(std::span(graph.ops).subspan(of.first_op, of.op_count));
}

PassDefaults MappedModel::defaults() const {
  const std::lock_guard lock(mutex_);
  return defaults_;
}

void MappedModel::SetDefaults(const PassDefaults& defaults) {
  const std::lock_guard lock(mutex_);
  defaults_ = defaults;
}

MappedLayer MappedModel::layer(uint32_t layer) const {
  const std::lock_guard lock(mutex_);
  return layers_[layer];
}

std::shared_ptr<const Overlay> MappedModel::overlay() const {
  const std::lock_guard lock(mutex_);
  return transformed_.empty() ? nullptr : transformed_.back()->overlay;
}

ForwardModel MappedModel::forward() const {
  std::shared_ptr<const Overlay> made = overlay();
  return made != nullptr ? Overlay::Of(std::move(made)) : ForwardModel::Of(model_);
}

std::shared_ptr<const Model> MappedModel::transformed() const {
  const std::shared_ptr<const Overlay> made = overlay();
  return made != nullptr ? Model::WithWeights(model_, made->graph, *made->file, made) : model_;
}

void MappedModel::SetTiling(const Tiling& tiling) {
  const std::lock_guard lock(mutex_);
  tiling_ = tiling;
}

Tiling MappedModel::tiling() const {
  const std::lock_guard lock(mutex_);
  return tiling_;
}

Result<MappedModel::ReservedPlan> MappedModel::PlanWithinCache(ForwardOptions options) {
  options = WithinShare(std::move(options), nullptr);
  options.resident_bytes = cache_->available_bytes();
  options.tiling = tiling();
  SharedBudget* const share = shared_budget();
  Result<ForwardPlan> planned = PlanForward(forward(), options, ThisMachine(options.threads));
  if (!planned && share != nullptr) return share->Explain(std::move(planned).error());
  TRY_ASSIGN(ForwardPlan plan, std::move(planned));
  if (share != nullptr) share->MakeRoom(plan.peak_bytes());
  const uint64_t kept = std::min(plan.bytes({BufferKind::kResident}), options.resident_bytes);
  TRY_ASSIGN(CacheReservation reservation, CacheReservation::Take(*cache_, kept));
  return ReservedPlan{std::move(plan), std::move(reservation)};
}

Status MappedModel::Share(std::shared_ptr<SharedBudget> budget) {
  const std::lock_guard one_at_a_time(transforming_);
  if (shared_budget() != nullptr) {
    return Fail(ErrorCode::kUsage, "BUDGET_BOUND", "the model shares a budget already");
  }
  budget->Join(*cache_);
  const Status counted = CatchNoMemory([&] { return cache_->CountIn(budget->budget()); });
  if (!counted) {
    budget->Leave(*cache_);
    return counted;
  }
  const std::lock_guard lock(mutex_);
  shared_ = std::move(budget);
  return {};
}

SharedBudget* MappedModel::shared_budget() const {
  const std::lock_guard lock(mutex_);
  return shared_.get();
}

ForwardOptions MappedModel::WithinShare(ForwardOptions options, const Budget* own) const {
  if (const SharedBudget* const share = shared_budget()) {
    const uint64_t room = share->available_bytes() + (own != nullptr ? own->used_bytes() : 0);
    if (options.memory_bytes == 0 || options.memory_bytes > room) options.memory_bytes = room;
  }
  return options;
}

Status MappedModel::SetTypes(std::span<const std::optional<DType>> types) {
  return Transform(types, {});
}

Status MappedModel::Prune(std::span<const LayerPruning> pruning) { return Transform({}, pruning); }

// Of each none, or as many as layers.
Status MappedModel::Transform(std::span<const std::optional<DType>> types,
                              std::span<const LayerPruning> pruning) {
  const std::lock_guard one_at_a_time(transforming_);
  std::vector<LayerForm> forms = FormsInForce();
  for (size_t i = 0; i < types.size(); ++i) forms[i].type = types[i];
  for (size_t i = 0; i < pruning.size(); ++i) {
    forms[i].pruning = pruning[i].pruning;
    forms[i].prune_vectors = pruning[i].vectors;
  }
  return Transform(std::move(forms));
}

uint64_t MappedModel::PruningSavings() const {
  const std::lock_guard lock(mutex_);
  return transformed_.empty() ? 0 : transformed_.back()->overlay->saved_bytes;
}

std::vector<LayerForm> MappedModel::FormsInForce() const {
  return forms_.empty() ? std::vector<LayerForm>(layers_.size()) : forms_;
}

std::vector<LayerForm> MappedModel::forms() const {
  const std::lock_guard one_at_a_time(transforming_);
  return FormsInForce();
}

std::vector<std::vector<WeightId>> MappedModel::own_weights() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::vector<WeightId>> weights;
  for (const MappedLayer& layer : layers_) weights.push_back(layer.weights);  // are always these
  return weights;
}

Status MappedModel::Transform(std::vector<LayerForm> forms) {
  auto made = std::make_unique<Transformed>();
  TRY_ASSIGN(made->overlay, MakeOverlay(model_, own_weights(), forms));
  TRY_ASSIGN(made->mapping, FileMapping::Map(*made->overlay->file));
  const Transformed& now = *made;
  if (own_layers_.empty()) {
    const std::lock_guard lock(mutex_);
    std::vector<Place> own_places = places_;  // both are kept or, without memory, none
    own_layers_ = layers_;
    own_places_ = std::move(own_places);
  }
  std::vector<MappedLayer> layers = own_layers_;
  std::vector<Place> places = own_places_;
  for (size_t i = 0; i < layers.size(); ++i) {
    const OverlaidLayer& overlaid = now.overlay->layers[i];
    if (overlaid.bytes == 0) continue;
    places[i] = {.mapping = &now.mapping, .offset = overlaid.offset};
    layers[i].bytes = overlaid.bytes;
    Describe(now.overlay->graph, layers[i]);
  }
  uint32_t at = 0;
  const std::function<void()> replace = [&] {
    const std::lock_guard lock(mutex_);
    // What was gathered meanwhile stays gathered.
    const bool same = places[at].mapping == &gathered_ && places_[at].mapping == &gathered_;
    if (!same) std::swap(places_[at], places[at]);
    std::swap(layers_[at], layers[at]);
  };
  // After this nothing takes memory, so nothing is left half done.
  {
    const std::lock_guard lock(mutex_);
    transformed_.push_back(std::move(made));
  }
  for (; at < layers_.size(); ++at) cache_->Replace(at, replace);
  forms_ = std::move(forms);
  return {};
}

}  // namespace tinyai
