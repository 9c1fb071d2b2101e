#include "plan/check_parts.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "fmt/format.h"
#include "graph/spill.h"

namespace tinyai {
namespace {

constexpr uint64_t kBufferAlignment = 64;  // kernels read and write whole cache lines
// What numbers may be, so that sums of a few of them fit into 64 bits whoever wrote the plan: more
// than any machine has.
constexpr uint64_t kMostArenaBytes = uint64_t{1} << 60;
constexpr uint64_t kMostContext = uint64_t{1} << 40;
constexpr uint64_t kMostBlock = uint64_t{1} << 30;
constexpr uint32_t kMostDepth = 1 << 16;  // requests in flight; a loader takes memory for each

// Too large a product needs more bytes than there are.
uint64_t Times(uint64_t a, uint64_t b) { return CheckedMul(a, b).value_or(~uint64_t{0}); }

class PartsChecker {
 public:
  PartsChecker(const Graph& graph, const Plan& plan) : graph_(graph), plan_(plan) {}

  Status Check() const {
    TRY(CheckNumbers());
    TRY(CheckShape());
    TRY(CheckDeviceShape());
    TRY(CheckRoles());
    TRY(CheckBuffers());
    TRY(CheckFences());
    return CheckSums();
  }

 private:
  Status CheckNumbers() const {
    const bool good = plan_.workers >= 1 && plan_.chunk >= 1 && plan_.chunk <= plan_.context &&
                      plan_.context <= kMostContext && IsPowerOfTwo(plan_.io_alignment) &&
                      plan_.io_alignment <= kMostBlock && plan_.io_depth >= 1 &&
                      plan_.io_depth <= kMostDepth && plan_.memory.arena_bytes <= kMostArenaBytes &&
                      plan_.held_bytes <= kMostArenaBytes &&
                      plan_.scratch_bytes <= kMostArenaBytes &&
                      (!plan_.device || (plan_.device->memory.arena_bytes <= kMostArenaBytes &&
                                         plan_.memory.arena_bytes % plan_.io_alignment == 0));
    if (!good) return InvalidPlan("plan", "its numbers make no sense");
    for (const std::optional<uint64_t>& offset : plan_.weight_offsets) {
      if (offset && *offset >= plan_.memory.arena_bytes) {
        return InvalidPlan("plan", "a weight lies outside the arena");
      }
    }
    return {};
  }

  Status CheckShape() const {
    const bool spills = Spills(graph_);
    const bool more = plan_.device || spills;
    const bool sizes = !(plan_.device && spills) &&
                       plan_.queues.size() == (more ? kPlanQueues : kPlanQueues - 1) &&
                       plan_.value_buffers.size() == graph_.values.size() &&
                       plan_.weight_offsets.size() == graph_.weights.size() &&
                       plan_.cache_buffers.size() == graph_.attention.layers &&
                       plan_.workspace_buffers.size() == plan_.workers;
    if (!sizes) return InvalidPlan("plan", "its parts do not match the model");
    const auto known = [this](BufferId id) { return Index(id) < plan_.buffers.size(); };
    const bool ids =
        std::all_of(plan_.value_buffers.begin(), plan_.value_buffers.end(), known) &&
        std::all_of(plan_.cache_buffers.begin(), plan_.cache_buffers.end(), known) &&
        std::all_of(plan_.workspace_buffers.begin(), plan_.workspace_buffers.end(), known) &&
        known(plan_.rope_buffer);
    if (!ids) return InvalidPlan("plan", "it names a buffer that does not exist");
    for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
      for (size_t i = 0; i < plan_.queues[queue].steps.size(); ++i) {
        if (!Suits(plan_.queues[queue].steps[i].work, queue)) {
          return InvalidPlan(StepName(plan_, queue, i), "this kind of work is not for this queue");
        }
      }
    }
    return {};
  }
  bool Suits(const StepWork& work, size_t queue) const {
    if (queue == kDiskQueue) return std::holds_alternative<step::Load>(work);
    if (queue == kRowsQueue) return std::holds_alternative<step::LoadRows>(work);
    if (queue == kSpillQueue && !plan_.device) return std::holds_alternative<step::Transfer>(work);
    const bool move = queue == kDeviceQueue && std::holds_alternative<step::Move>(work);
    return move || std::holds_alternative<step::Run>(work);
  }

  Status CheckDeviceShape() const {
    if (!plan_.device) return {};
    const PlanDevice& device = *plan_.device;
    if (device.value_buffers.size() != graph_.values.size() ||
        device.weight_offsets.size() != graph_.weights.size()) {
      return InvalidPlan("plan", "its device does not match the model");
    }
    const auto is = [this](BufferId id, BufferKind kind) {
      return Index(id) < plan_.buffers.size() && plan_.buffer(id).kind == kind &&
             plan_.on_device(plan_.buffer(id).offset);
    };
    bool good = is(device.workspace_buffer, BufferKind::kWorkspace) &&
                is(device.rope_buffer, BufferKind::kWorkspace) &&
                device.workspace_buffer != device.rope_buffer;
    for (const std::optional<BufferId>& id : device.value_buffers) {
      good = good && (!id || is(*id, BufferKind::kActivation));
    }
    for (const std::optional<uint64_t>& offset : device.weight_offsets) {
      good = good && (!offset || (plan_.on_device(*offset) && *offset < plan_.end_offset()));
    }
    if (!good) return InvalidPlan("plan", "its device has a buffer that is not its own");
    return {};
  }

  // Every buffer is of the kind its use asks for, and none has two uses.
  Status CheckRoles() const {
    const auto is = [this](BufferKind kind) {
      return [this, kind](BufferId id) { return plan_.buffer(id).kind == kind; };
    };
    const bool kinds = std::all_of(plan_.value_buffers.begin(), plan_.value_buffers.end(),
                                   is(BufferKind::kActivation)) &&
                       std::all_of(plan_.cache_buffers.begin(), plan_.cache_buffers.end(),
                                   is(BufferKind::kCache)) &&
                       std::all_of(plan_.workspace_buffers.begin(), plan_.workspace_buffers.end(),
                                   is(BufferKind::kWorkspace)) &&
                       is(BufferKind::kWorkspace)(plan_.rope_buffer);
    if (!kinds) return InvalidPlan("plan", "a buffer is used as what it is not");
    std::vector<BufferId> own = plan_.workspace_buffers;
    own.push_back(plan_.rope_buffer);
    if (plan_.device) {
      own.insert(own.end(), {plan_.device->workspace_buffer, plan_.device->rope_buffer});
    }
    own.insert(own.end(), plan_.cache_buffers.begin(), plan_.cache_buffers.end());
    std::sort(own.begin(), own.end());
    if (std::adjacent_find(own.begin(), own.end()) != own.end()) {
      return InvalidPlan("plan", "two caches or workspaces share a buffer");
    }
    for (const PlanBuffer& buffer : plan_.buffers) {
      if (buffer.offset % kBufferAlignment != 0) return InvalidPlan(buffer.name, "is not aligned");
    }
    const std::vector<Step>& rows = plan_.queues[kRowsQueue].steps;
    if (rows.size() > 1)
      return InvalidPlan(StepName(plan_, kRowsQueue, 1), "one step reads embedding rows");
    return {};
  }

  bool HasSharedWeights() const {
    std::vector<bool> used(graph_.weights.size());
    for (const Op& op : graph_.ops) {
      if (std::holds_alternative<op::Embed>(op.kind)) continue;
      for (const WeightId id : op.weights) {
        if (used[Index(id)]) return true;
        used[Index(id)] = true;
      }
    }
    return false;
  }

  // What the plan says of itself agrees with its loads.
  Status CheckSums() const {
    uint64_t streamed = 0, once = 0;
    for (const Step& step : plan_.queues[kDiskQueue].steps) {
      const auto& load = std::get<step::Load>(step.work);
      (load.once ? once : streamed) += load.bytes;
    }
    const uint64_t all = graph_.PassBytes(), counted = plan_.resident_bytes + plan_.streamed_bytes;
    // What several ops use may be streamed for each of them.
    const bool adds_up = HasSharedWeights() ? counted >= all : counted == all;
    if (streamed != plan_.streamed_read_bytes || once != plan_.once_read_bytes || !adds_up) {
      return InvalidPlan("plan", "its sums of bytes read do not agree with its loads");
    }
    return {};
  }

  Status CheckBuffers() const {
    std::vector<std::pair<uint64_t, uint64_t>> exclusive, shared;
    for (const PlanBuffer& buffer : plan_.buffers) {
      const bool on_device = plan_.on_device(buffer.offset);
      const uint64_t end = on_device ? plan_.end_offset() : plan_.memory.arena_bytes;
      if (buffer.offset > end || buffer.bytes > end - buffer.offset) {
        return InvalidPlan(buffer.name, "lies outside the arena");
      }
      if (buffer.bytes == 0) continue;
      (buffer.kind == BufferKind::kActivation ? shared : exclusive)
          .emplace_back(buffer.offset, buffer.offset + buffer.bytes);
    }
    std::sort(shared.begin(), shared.end());  // these may share memory among themselves
    uint64_t end = 0;
    for (const auto& [from, to] : shared) {
      if (to > end) exclusive.emplace_back(std::max(from, end), to);
      end = std::max(end, to);
    }
    std::sort(exclusive.begin(), exclusive.end());
    for (size_t i = 1; i < exclusive.size(); ++i) {
      if (exclusive[i].first < exclusive[i - 1].second) {
        return InvalidPlan(fmt::format("offset {}", exclusive[i].first), "two buffers overlap");
      }
    }
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const Value& value = graph_.values[i];
      const uint64_t rows = value.rows == Rows::kTokens ? plan_.chunk : 1;
      const uint64_t bytes = Times(rows, value.row_bytes);
      TRY(NeedBytes(plan_.buffer(plan_.value_buffers[i]), bytes, value.name));
      if (!plan_.device || !plan_.device->value_buffers[i]) continue;
      TRY(NeedBytes(plan_.buffer(*plan_.device->value_buffers[i]), bytes, value.name));
    }
    const AttentionShape& shape = graph_.attention;
    for (const BufferId id : plan_.cache_buffers) {
      TRY(NeedBytes(
          plan_.buffer(id),
          Times(plan_.context, shape.kv_heads * (RowBytes(plan_.key_type, shape.head_dim) +
                                                 RowBytes(plan_.value_type, shape.value_head_dim))),
          "keys and values"));
    }
    const uint64_t group = shape.heads / std::max<uint64_t>(shape.kv_heads, 1);
    uint64_t scratch = Times(plan_.context, group * sizeof(float));
    for (const Op& op : graph_.ops) scratch = std::max(scratch, op.scratch_bytes);
    for (const BufferId id : plan_.workspace_buffers) {
      TRY(NeedBytes(plan_.buffer(id), scratch, "scores"));
    }
    const uint64_t angles = Times(plan_.chunk, graph_.rope.dims * sizeof(float));
    if (plan_.device) {
      TRY(NeedBytes(plan_.buffer(plan_.device->workspace_buffer), scratch, "scores"));
      TRY(NeedBytes(plan_.buffer(plan_.device->rope_buffer), angles, "angles"));
    }
    return NeedBytes(plan_.buffer(plan_.rope_buffer), angles, "angles");
  }

  Status CheckFences() const {
    for (const Fence& fence : plan_.fences) {
      if (fence.queue >= plan_.queues.size() ||
          fence.step >= plan_.queues[fence.queue].steps.size()) {
        return InvalidPlan(fence.name, "this fence follows a step that does not exist");
      }
    }
    for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
      for (size_t i = 0; i < plan_.queues[queue].steps.size(); ++i) {
        for (const Sync& sync : plan_.queues[queue].steps[i].syncs) {
          if (Index(sync.fence) >= plan_.fences.size()) {
            return InvalidPlan(StepName(plan_, queue, i),
                               "it waits for a fence that does not exist");
          }
          if (plan_.fences[Index(sync.fence)].queue == queue) {
            return InvalidPlan(StepName(plan_, queue, i), "it waits for its own queue");
          }
        }
      }
    }
    return {};
  }

  const Graph& graph_;
  const Plan& plan_;
};

}  // namespace

Status CheckPlanParts(const Graph& graph, const Plan& plan) {
  return PartsChecker(graph, plan).Check();
}

Status NeedBytes(const PlanBuffer& buffer, uint64_t bytes, std::string_view what) {
  if (buffer.bytes >= bytes) return {};
  return InvalidPlan(buffer.name,
                     fmt::format("{} bytes for {}, which needs {}", buffer.bytes, what, bytes));
}

tl::unexpected<Error> InvalidPlan(std::string where, std::string reason) {
  return Fail(ErrorCode::kSchedule, "PLAN_INVALID", fmt::format("{}: {}", where, reason));
}

std::string StepName(const Plan& plan, size_t queue, size_t step) {
  return fmt::format("{} step {}", plan.queues[queue].name, step);
}

}  // namespace tinyai
