#include "base/checked.h"
#include "fmt/format.h"
#include "plan/model_net.h"

namespace tinyai {
namespace {

constexpr std::string_view kFenceNames[] = {"used", "read", "rows", "done"};  // by queue

class Lowering {
 public:
  Lowering(const PlanDraft& draft, const ModelNet& model, const NetPlan& plan)
      : draft_(draft), model_(model), net_plan_(plan), plan_(draft.plan) {}

  Plan Lower() {
    plan_.memory = {model_.net.memories[0].name,
                    RoundUp(net_plan_.heights[0], draft_.request.io_alignment)};
    if (model_.device_rope) {
      plan_.device.emplace().memory = {model_.net.memories[1].name,
                                       RoundUp(net_plan_.heights[1], draft_.request.io_alignment)};
    }
    AddBuffers();
    for (size_t i = 0; i < net_plan_.fences.size(); ++i) {
      const NetFence& fence = net_plan_.fences[i];
      const uint32_t queue = static_cast<uint32_t>(fence.place);
      plan_.fences.push_back({fmt::format("{}{}", kFenceNames[queue], i), queue, fence.command});
    }
    for (size_t place = 0; place < net_plan_.queues.size(); ++place) {
      plan_.queues.push_back({model_.net.places[place].name, {}});
      plan_.queues.back().steps.reserve(net_plan_.queues[place].size());
      for (const NetCommand& command : net_plan_.queues[place]) AddStep(command);
    }
    FindWeights();
    if (plan_.spills()) plan_.scratch_bytes = net_plan_.heights[1];
    plan_.resident_bytes = model_.resident_bytes;
    plan_.streamed_bytes = model_.streamed_bytes;
    plan_.streamed_read_bytes = model_.streamed_read_bytes;
    plan_.once_read_bytes = model_.once_read_bytes;
    return std::move(plan_);
  }

 private:
  BufferId Add(std::string name, BufferKind kind, uint64_t offset, uint64_t bytes) {
    plan_.buffers.push_back({std::move(name), kind, offset, bytes});
    return BufferId(plan_.buffers.size() - 1);
  }
  BufferId Add(BufferKind kind, NetValueId id) {
    const NetBuffer& buffer = net_plan_.value_buffers[Index(id)];
    if (IsAway(buffer)) return Add(model_.net.value(id).name, kind, 0, 0);
    return Add(model_.net.value(id).name, kind, Base(buffer.memory) + buffer.offset, buffer.bytes);
  }
  // In the scratch file.
  bool IsAway(const NetBuffer& buffer) const { return !plan_.device && Index(buffer.memory) != 0; }
  // Where the offsets of a memory begin.
  uint64_t Base(MemoryId memory) const { return Index(memory) == 0 ? 0 : plan_.memory.arena_bytes; }

  void AddBuffers() {
    for (const PlanDraft::ResidentRun& run : draft_.runs) {
      Add(fmt::format("resident part {} from {}", run.part, run.file_begin), BufferKind::kResident,
          run.arena_offset, run.file_end - run.file_begin);
    }
    for (const PlanDraft::ResidentRun& run : draft_.device_runs) {
      Add(fmt::format("resident part {} from {} in {}", run.part, run.file_begin,
                      plan_.device->memory.name),
          BufferKind::kResident, Base(MemoryId(1)) + run.arena_offset,
          run.file_end - run.file_begin);
    }
    for (uint32_t slot = 0; slot < draft_.ring_slots(); ++slot) {
      Add(fmt::format("ring slot {}", slot), BufferKind::kRing,
          model_.ring_offset + slot * draft_.slot_bytes, draft_.slot_bytes);
    }
    if (model_.staging) staging_ = Add(BufferKind::kStaging, *model_.staging);
    for (const NetValueId id : model_.caches) {
      plan_.cache_buffers.push_back(Add(BufferKind::kCache, id));
    }
    for (const NetValueId id : model_.values) {
      plan_.value_buffers.push_back(Add(BufferKind::kActivation, id));
    }
    plan_.rope_buffer = Add(BufferKind::kWorkspace, model_.rope);
    for (const NetValueId id : model_.scores) {
      plan_.workspace_buffers.push_back(Add(BufferKind::kWorkspace, id));
    }
    if (plan_.device) AddDeviceBuffers(*plan_.device);
  }

  // A value that lies in both memories has two buffers.
  void AddDeviceBuffers(PlanDevice& device) {
    device.value_buffers.resize(model_.values.size());
    for (size_t i = 0; i < model_.values.size(); ++i) {
      const bool made_there = Index(model_.net.value(model_.values[i]).memory) != 0;
      if (made_there) device.value_buffers[i] = plan_.value_buffers[i];
      if (!model_.moved[i]) continue;
      const BufferId moved = Add(BufferKind::kActivation, *model_.moved[i]);
      if (made_there) plan_.value_buffers[i] = moved;
      if (!made_there) device.value_buffers[i] = moved;
    }
    device.rope_buffer = Add(BufferKind::kWorkspace, *model_.device_rope);
    device.workspace_buffer = Add(BufferKind::kWorkspace, *model_.device_scores);
  }

  void AddStep(const NetCommand& command) {
    Step step;
    std::visit([&](const auto& work) { step.work = work; }, model_.work[Index(command.op)]);
    if (auto* const rows = std::get_if<step::LoadRows>(&step.work)) rows->staging = staging_;
    const NetOp& op = model_.net.op(command.op);
    if (auto* const move = std::get_if<step::Transfer>(&step.work)) {
      const NetBuffer& to = net_plan_.value_buffers[Index(op.outs[0])];
      const NetBuffer& from = net_plan_.value_buffers[Index(op.ins[0])];
      move->scratch_offset = (IsAway(to) ? to : from).offset;
    }
    if (plan_.device) {
      const MemoryId into = op.outs.empty() ? MemoryId() : model_.net.value(op.outs[0]).memory;
      if (auto* load = std::get_if<step::Load>(&step.work)) load->arena_offset += Base(into);
      auto* const run = std::get_if<step::Run>(&step.work);
      if (run != nullptr && run->row_end != 0) run->weights_offset += Base(into);
    }
    for (const NetSync& sync : command.syncs) {
      step.syncs.push_back({FenceId(sync.fence), sync.distance});
    }
    step.logits_only = Index(op.region) != 0;
    plan_.queues.back().steps.push_back(std::move(step));
  }

  // Weights that ops take whole lie where their only slice stays.
  void FindWeights() {
    plan_.weight_offsets.assign(draft_.graph.weights.size(), std::nullopt);
    for (const Slice& slice : draft_.slices) {
      if (!slice.can_stream) plan_.weight_offsets[Index(slice.weight)] = slice.arena_offset;
    }
    for (const Op& op : draft_.graph.ops) {
      if (!std::holds_alternative<op::Embed>(op.kind) || !draft_.embedding_resident) continue;
      plan_.weight_offsets[Index(op.weights[0])] = draft_.embedding_offset;
    }
    if (!plan_.device) return;
    plan_.device->weight_offsets.assign(draft_.graph.weights.size(), std::nullopt);
    for (const Slice& slice : draft_.device_slices) {
      plan_.device->weight_offsets[Index(slice.weight)] = Base(MemoryId(1)) + slice.arena_offset;
    }
  }

  const PlanDraft& draft_;
  const ModelNet& model_;
  const NetPlan& net_plan_;
  Plan plan_;
  BufferId staging_{};
};

}  // namespace

Plan LowerPlan(const PlanDraft& draft, const ModelNet& model, const NetPlan& plan) {
  return Lowering(draft, model, plan).Lower();
}

}  // namespace tinyai
