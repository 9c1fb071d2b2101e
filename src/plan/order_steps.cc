#include <algorithm>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/checked.h"
#include "fmt/format.h"
#include "plan/draft.h"

namespace tinyai {
namespace {

// Resident weights are read in requests of this many bytes: large enough for the disk's full rate.
constexpr uint64_t kLoadBytes = uint64_t{4} << 20;

// Writes the steps in the order of the ops. A load is put on the DISK queue when its first use is
// met, so no load waits for a step that comes after one waiting for it: the queues cannot deadlock.
class StepWriter {
 public:
  explicit StepWriter(PlanDraft& draft) : draft_(draft), plan_(draft.plan) {
    plan_.queues = {{"CPU", {}}, {"DISK", {}}, {"DISK.rows", {}}};
    for (const auto& run : draft_.runs) {
      first_piece_.push_back(pieces_.size());
      pieces_.resize(pieces_.size() + CeilDiv(run.file_end - run.file_begin, kLoadBytes));
    }
    for (size_t i = 0; i < draft_.slices.size(); ++i) {
      slices_of_[Index(draft_.slices[i].weight)].push_back(i);
    }
    slots_.resize(draft_.sizes.ring_slots);
    for (size_t i = 0; i < plan_.buffers.size(); ++i) {
      if (plan_.buffers[i].kind == BufferKind::kRing) ring_.push_back(plan_.buffers[i].offset);
      if (plan_.buffers[i].kind == BufferKind::kStaging) staging_ = BufferId(i);
    }
  }

  void Write() {
    for (size_t i = 0; i < draft_.graph.ops.size(); ++i) {
      const Op& op = draft_.graph.ops[i];
      if (std::holds_alternative<op::TakeLast>(op.kind)) logits_only_ = true;
      if (std::holds_alternative<op::Embed>(op.kind)) {
        WriteEmbed(OpId(i), op);
      } else if (std::holds_alternative<op::MatMul>(op.kind)) {
        WriteMatMul(OpId(i), op);
      } else {
        for (const WeightId id : op.weights) NeedWhole(id);
        AddRun({.op = OpId(i)});
      }
    }
    CloseRing();
    for (PlanQueue& queue : plan_.queues) queue.steps.shrink_to_fit();
    plan_.fences.shrink_to_fit();
  }

 private:
  struct Slot {
    std::optional<uint32_t> first_load;  // DISK step
    std::optional<uint32_t> last_use;    // CPU step
  };

  std::vector<Step>& cpu() { return plan_.queues[kCpuQueue].steps; }
  std::vector<Step>& disk() { return plan_.queues[kDiskQueue].steps; }

  FenceId FenceAfter(uint32_t queue, uint32_t step, std::string_view name) {
    const auto [known, added] =
        fences_.try_emplace(uint64_t{queue} << 32 | step, FenceId(plan_.fences.size()));
    if (added) {
      plan_.fences.push_back({fmt::format("{}{}", name, plan_.fences.size()), queue, step});
    }
    return known->second;
  }

  // The next CPU step needs DISK to have passed `disk_step`.
  void NeedDisk(uint32_t disk_step) {
    needed_ = needed_ ? std::max(*needed_, disk_step) : disk_step;
  }

  uint32_t AddRun(const step::Run& run) {
    Step step{run, {}, false, logits_only_};
    if (needed_ && (!synced_ || *needed_ > *synced_)) {
      step.syncs.push_back({FenceAfter(kDiskQueue, *needed_, "read"), 0});
      synced_ = needed_;
    }
    needed_.reset();
    cpu().push_back(std::move(step));
    return static_cast<uint32_t>(cpu().size() - 1);
  }

  void NeedRange(size_t run_index, uint64_t file_begin, uint64_t file_end) {
    const PlanDraft::ResidentRun& run = draft_.runs[run_index];
    const uint64_t first = (file_begin - run.file_begin) / kLoadBytes;
    const uint64_t last = (file_end - 1 - run.file_begin) / kLoadBytes;
    for (uint64_t piece = first; piece <= last; ++piece) {
      std::optional<uint32_t>& loaded_by = pieces_[first_piece_[run_index] + piece];
      if (!loaded_by) {
        const uint64_t begin = run.file_begin + piece * kLoadBytes;
        const uint64_t end = std::min(run.file_end, begin + kLoadBytes);
        loaded_by = static_cast<uint32_t>(disk().size());
        disk().push_back({step::Load{run.part, begin, end - begin,
                                     run.arena_offset + (begin - run.file_begin), true},
                          {},
                          false,
                          false});
        plan_.once_read_bytes += end - begin;
      }
      NeedDisk(*loaded_by);
    }
  }

  void NeedResident(uint64_t arena_offset, uint64_t bytes) {
    const auto run = std::upper_bound(
        draft_.runs.begin(), draft_.runs.end(), arena_offset,
        [](uint64_t at, const PlanDraft::ResidentRun& r) { return at < r.arena_offset; });
    const size_t index = static_cast<size_t>(run - draft_.runs.begin()) - 1;
    const uint64_t begin =
        draft_.runs[index].file_begin + (arena_offset - draft_.runs[index].arena_offset);
    NeedRange(index, begin, begin + bytes);
  }

  void NeedWhole(WeightId id) {
    for (const size_t index : slices_of_[Index(id)]) {
      const Slice& slice = draft_.slices[index];
      plan_.weight_offsets[Index(id)] = slice.arena_offset;  // vectors are one slice
      NeedResident(slice.arena_offset, slice.bytes);
      if (std::exchange(counted_[Index(id)], true)) continue;
      plan_.resident_bytes += slice.bytes;
    }
  }

  void WriteEmbed(OpId id, const Op& op) {
    const WeightId table = op.weights[0];
    const Weight& weight = draft_.graph.weight(table);
    if (draft_.embedding_resident) {
      plan_.weight_offsets[Index(table)] = draft_.embedding_offset;
      NeedResident(draft_.embedding_offset, weight.bytes);
      AddRun({.op = id});
      return;
    }
    const uint64_t stride = plan_.buffer(staging_).bytes / plan_.chunk;
    auto& rows = plan_.queues[kRowsQueue].steps;
    const uint32_t embed = static_cast<uint32_t>(cpu().size());
    rows.push_back({step::LoadRows{table, staging_, stride},
                    {{FenceAfter(kCpuQueue, embed, "used"), 1}},
                    false,
                    false});
    Step step{step::Run{.op = id}, {}, false, logits_only_};
    step.syncs.push_back({FenceAfter(kRowsQueue, 0, "rows"), 0});
    cpu().push_back(std::move(step));
  }

  void WriteMatMul(OpId id, const Op& op) {
    for (size_t i = 1; i < op.weights.size(); ++i) NeedWhole(op.weights[i]);
    const std::vector<size_t>& slices = slices_of_[Index(op.weights[0])];
    for (size_t i = 0; i < slices.size();) {
      const Slice& first = draft_.slices[slices[i]];
      if (!first.resident) {
        WriteStreamed(id, first);
        ++i;
        continue;
      }
      step::Run run{id, first.row_begin, first.row_end, first.arena_offset};
      for (; i < slices.size() && draft_.slices[slices[i]].resident; ++i) {  // neighbours in a run
        const Slice& slice = draft_.slices[slices[i]];
        run.row_end = slice.row_end;
        NeedResident(slice.arena_offset, slice.bytes);
        plan_.resident_bytes += slice.bytes;
      }
      AddRun(run);
    }
  }

  void WriteStreamed(OpId id, const Slice& slice) {
    const uint64_t block = plan_.io_alignment;
    const uint64_t begin = RoundDown(slice.file_begin, block);
    const uint64_t end = RoundUp(slice.file_end(), block);
    const size_t at = next_slot_++ % slots_.size();
    Slot& slot = slots_[at];
    Step load{
        step::Load{slice.part, begin, end - begin, ring_[at], false}, {}, false, logits_only_};
    if (slot.last_use) load.syncs.push_back({FenceAfter(kCpuQueue, *slot.last_use, "used"), 0});
    const uint32_t disk_step = static_cast<uint32_t>(disk().size());
    disk().push_back(std::move(load));
    if (!slot.first_load) slot.first_load = disk_step;
    NeedDisk(disk_step);
    slot.last_use =
        AddRun({id, slice.row_begin, slice.row_end, ring_[at] + (slice.file_begin - begin)});
    plan_.streamed_bytes += slice.bytes;
    plan_.streamed_read_bytes += end - begin;
  }

  // The first load into a slot waits for the slot's last use in the pass before, unless DISK
  // already waited for that step or a later one.
  void CloseRing() {
    std::optional<uint32_t> known;  // CPU step of the pass before
    for (const Step& step : disk()) {
      for (const Sync& sync : step.syncs) {
        const uint32_t used = plan_.fences[Index(sync.fence)].step;
        known = known ? std::max(*known, used) : used;
      }
    }
    std::sort(slots_.begin(), slots_.end(),
              [](const Slot& a, const Slot& b) { return a.first_load < b.first_load; });
    for (const Slot& slot : slots_) {
      if (!slot.first_load || (known && *slot.last_use <= *known)) continue;
      disk()[*slot.first_load].syncs.push_back({FenceAfter(kCpuQueue, *slot.last_use, "used"), 1});
      known = slot.last_use;
    }
  }

  PlanDraft& draft_;
  Plan& plan_;
  std::vector<size_t> first_piece_;                            // by run
  std::vector<std::optional<uint32_t>> pieces_;                // DISK step that loads it
  std::unordered_map<size_t, std::vector<size_t>> slices_of_;  // by weight
  std::unordered_map<size_t, bool> counted_;                   // by weight
  std::unordered_map<uint64_t, FenceId> fences_;               // by queue and step
  std::vector<uint64_t> ring_;                                 // arena offset of each slot
  std::vector<Slot> slots_;
  size_t next_slot_ = 0;
  BufferId staging_{};
  std::optional<uint32_t> needed_, synced_;  // DISK steps
  bool logits_only_ = false;
};

}  // namespace

void OrderSteps(PlanDraft& draft) {
  draft.plan.weight_offsets.assign(draft.graph.weights.size(), std::nullopt);
  StepWriter(draft).Write();
}

}  // namespace tinyai
