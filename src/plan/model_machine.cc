#include "plan/model_machine.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "fmt/format.h"
#include "graph/spill.h"
#include "plan/pass_costs.h"

namespace tinyai {
namespace {

class SetUp {
 public:
  SetUp(const PlanDraft& draft, uint64_t resident_bytes, ModelNet& out)
      : draft_(draft), graph_(draft.graph), out_(out), memory_of_(graph_.values.size(), kRam) {
    FindMemories();
    AddMachine(resident_bytes);
    AddCaches();
    AddScratch();
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const Value& value = graph_.values[i];
      out_.values.push_back(
          Add({.name = value.name, .bytes = BytesOf(value), .memory = memory_of_[i]}));
    }
    out_.moved.resize(graph_.values.size());
    if (spills_) AddScratchFile();
  }

 private:
  NetValueId Add(NetValue value) { return AddNetValue(std::move(value), out_.net); }

  // Where some are written to disk all are whole blocks, so that they may take each other's place.
  uint64_t BytesOf(const Value& value) const {
    const uint64_t rows = value.rows == Rows::kTokens ? draft_.sizes.chunk : 1;
    return RoundUp(rows * value.row_bytes, spills_ ? draft_.request.io_alignment : 1);
  }

  // A memory of its own, and what lies there.
  void AddScratchFile() {
    TaskNet& net = out_.net;
    const auto scratch = MemoryId(net.memories.size());
    net.memories.push_back({.name = "SCRATCH", .alignment = draft_.request.io_alignment});
    net.places.push_back({"DISK.spill", {}, false});
    for (const Op& op : graph_.ops) {
      if (!std::holds_alternative<op::Spill>(op.kind)) continue;
      NetValue& away = net.values[Index(out_.values[Index(*op.out)])];
      away.bytes = BytesOf(graph_.value(op.ins[0]));
      away.memory = scratch;
    }
  }

  void FindMemories() {
    cache_memory_.assign(graph_.attention.layers, kRam);
    for (const OpId id : draft_.order) {
      if (!IsOnDevice(draft_.request, id)) continue;
      const Op& op = graph_.ops[Index(id)];
      has_device_ = true;
      if (op.out) memory_of_[Index(*op.out)] = kDeviceMemory;
      if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) {
        cache_memory_[store->layer] = kDeviceMemory;
      }
    }
  }

  // Ring and embedding rows lie behind what stays, in whole blocks for direct reads.
  void AddMachine(uint64_t resident_bytes) {
    TaskNet& net = out_.net;
    const uint64_t block = draft_.request.io_alignment;
    out_.ring_offset = RoundUp(resident_bytes, block);
    const uint64_t staging = out_.ring_offset + draft_.ring_slots() * draft_.slot_bytes;
    const uint64_t rows =
        draft_.embedding_resident ? 0 : draft_.sizes.chunk * StagingStride(graph_, block);
    net.memories = {{"RAM", ~uint64_t{0}, BufferAlignment(graph_, draft_.request), staging + rows}};
    net.places = {{"CPU", {}, true}, {"DISK", {}, false}, {"DISK.rows", {}, false}};
    if (has_device_) {
      const RequestDevice& device = *draft_.request.device;
      net.memories.push_back({device.memory, device.memory_bytes,
                              std::max(kCacheLine, device.alignment), draft_.device_weight_bytes});
      net.places.push_back({device.name, kDeviceMemory, false});
      const MeetingCosts costs = MeetingCostsOf(device);
      net.fence_seconds = costs.fence_seconds;
      net.sync_seconds = costs.sync_seconds;
    }
    net.regions = {{"pass", {}, {}, true}, {"logits", {}, {}, true}};
    net.loops = true;
    if (rows != 0) out_.staging = Add({.name = "embedding rows", .bytes = rows, .offset = staging});
  }

  void AddCaches() {
    const Plan& plan = draft_.plan;
    const AttentionShape& shape = graph_.attention;
    for (uint64_t layer = 0; layer < shape.layers; ++layer) {
      out_.caches.push_back(Add({.name = fmt::format("cache of layer {}", layer),
                                 .bytes = KeyCacheBytes(shape, plan.key_type, plan.context) +
                                          ValueCacheBytes(shape, plan.value_type, plan.context),
                                 .given = true,
                                 .memory = cache_memory_[layer]}));
    }
  }

  void AddScratch() {
    NetValue rope{.name = "rope",
                  .bytes = draft_.sizes.chunk * graph_.rope.dims * sizeof(float),
                  .given = true};
    out_.rope = Add(rope);
    const AttentionShape& shape = graph_.attention;
    const uint64_t group = shape.heads / std::max<uint64_t>(1, shape.kv_heads);
    NetValue scores{.bytes = group * draft_.plan.context * sizeof(float), .given = true};
    for (const Op& op : graph_.ops) scores.bytes = std::max(scores.bytes, op.scratch_bytes);
    for (uint32_t worker = 0; worker < draft_.plan.workers; ++worker) {
      scores.name = fmt::format("scores of worker {}", worker);
      out_.scores.push_back(Add(scores));
    }
    if (!has_device_) return;
    const std::string& device = draft_.request.device->name;
    rope.name += " on " + device;
    scores.name = "scores of " + device;
    rope.memory = scores.memory = kDeviceMemory;
    out_.device_rope = Add(std::move(rope));
    out_.device_scores = Add(std::move(scores));
  }

  const PlanDraft& draft_;
  const Graph& graph_;
  const bool spills_ = Spills(graph_);
  ModelNet& out_;
  std::vector<MemoryId> memory_of_;     // by value
  std::vector<MemoryId> cache_memory_;  // by layer
  bool has_device_ = false;
};

}  // namespace

NetValueId AddNetValue(NetValue value, TaskNet& net) {
  net.values.push_back(std::move(value));
  return NetValueId(net.values.size() - 1);
}

void SetUpModelNet(const PlanDraft& draft, uint64_t resident_bytes, ModelNet& out) {
  SetUp(draft, resident_bytes, out);
}

}  // namespace tinyai
