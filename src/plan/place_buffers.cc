#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "fmt/format.h"
#include "plan/draft.h"

namespace tinyai {
namespace {

constexpr uint64_t kCacheLine = 64;

class Placer {
 public:
  Placer(PlanDraft& draft, uint64_t offset) : draft_(draft), offset_(offset) {}

  BufferId Add(std::string name, BufferKind kind, uint64_t bytes, uint64_t alignment) {
    offset_ = RoundUp(offset_, alignment);
    const BufferId id = AddAt(std::move(name), kind, offset_, bytes);
    offset_ += bytes;
    return id;
  }
  BufferId AddAt(std::string name, BufferKind kind, uint64_t offset, uint64_t bytes) {
    draft_.plan.buffers.push_back({std::move(name), kind, offset, bytes});
    return BufferId(draft_.plan.buffers.size() - 1);
  }

  uint64_t offset() const { return offset_; }
  void set_offset(uint64_t offset) { offset_ = offset; }

 private:
  PlanDraft& draft_;
  uint64_t offset_;
};

void PlaceActivations(PlanDraft& draft, Placer& placer) {
  const Storages storages = FindLifetimes(draft.graph, draft.sizes.chunk);
  std::vector<uint64_t> offsets;
  const uint64_t height = AssignOffsets(storages.lifetimes, offsets);
  const uint64_t base = RoundUp(placer.offset(), kCacheLine);
  for (size_t value = 0; value < draft.graph.values.size(); ++value) {
    const size_t storage = storages.of_value[value];
    draft.plan.value_buffers.push_back(
        placer.AddAt(draft.graph.values[value].name, BufferKind::kActivation,
                     base + offsets[storage], storages.lifetimes[storage].bytes));
  }
  placer.set_offset(base + height);
}

void PlaceStaging(PlanDraft& draft, Placer& placer) {
  if (draft.embedding_resident) return;
  const uint64_t block = draft.request.io_alignment;
  for (const Op& op : draft.graph.ops) {
    if (!std::holds_alternative<op::Embed>(op.kind)) continue;
    const Weight& table = draft.graph.weight(op.weights[0]);
    const uint64_t stride = RoundUp(table.row_bytes() + block - 1, block);  // any phase in a block
    placer.Add("embedding rows", BufferKind::kStaging, draft.sizes.chunk * stride, block);
  }
}

}  // namespace

uint64_t PlaceBuffers(PlanDraft& draft, uint64_t arena_offset) {
  Plan& plan = draft.plan;
  const Graph& graph = draft.graph;
  const uint64_t block = draft.request.io_alignment;
  Placer placer(draft, arena_offset);
  for (const PlanDraft::ResidentRun& run : draft.runs) {
    placer.AddAt(fmt::format("resident part {} from {}", run.part, run.file_begin),
                 BufferKind::kResident, run.arena_offset, run.file_end - run.file_begin);
  }
  for (uint32_t slot = 0; slot < draft.sizes.ring_slots; ++slot) {
    placer.Add(fmt::format("ring slot {}", slot), BufferKind::kRing, draft.slot_bytes, block);
  }
  PlaceStaging(draft, placer);
  for (uint64_t layer = 0; layer < graph.attention.layers; ++layer) {
    plan.cache_buffers.push_back(
        placer.Add(fmt::format("cache of layer {}", layer), BufferKind::kCache,
                   KeyCacheBytes(graph.attention, plan.key_type, plan.context) +
                       ValueCacheBytes(graph.attention, plan.value_type, plan.context),
                   kCacheLine));
  }
  PlaceActivations(draft, placer);
  plan.rope_buffer = placer.Add("rope", BufferKind::kWorkspace,
                                plan.chunk * graph.rope.dims * sizeof(float), kCacheLine);
  const uint64_t group = graph.attention.heads / std::max<uint64_t>(1, graph.attention.kv_heads);
  const uint64_t scores = group * plan.context * sizeof(float);
  for (uint32_t worker = 0; worker < plan.workers; ++worker) {
    plan.workspace_buffers.push_back(placer.Add(fmt::format("scores of worker {}", worker),
                                                BufferKind::kWorkspace, scores, kCacheLine));
  }
  return placer.offset();
}

}  // namespace tinyai
