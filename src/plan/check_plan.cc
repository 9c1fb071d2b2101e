#include "plan/check_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "fmt/format.h"
#include "plan/check_memory.h"
#include "plan/check_parts.h"
#include "plan/computed_ops.h"

namespace tinyai {
namespace {

// Every order of two passes with and without logits.
constexpr std::array<bool, 5> kPassWantsLogits = {true, true, false, false, true};

class Checker {
 public:
  Checker(const Graph& graph, const Plan& plan)
      : graph_(graph),
        plan_(plan),
        memory_(plan, "arena", plan.end_offset()),
        scratch_(plan, "scratch file", plan.scratch_bytes),
        computed_(graph) {}

  Status Check() {
    TRY(Follow());
    TRY(CheckStale());
    return CheckAllRan();
  }

 private:
  // Of the last pass, which wants logits.
  Status CheckAllRan() const {
    const std::optional<OpId> missing = computed_.Missing(kPassWantsLogits.size() - 1);
    if (missing) return InvalidPlan(graph_.ops[Index(*missing)].name, "it is not computed");
    return {};
  }

  // Runs the queues as far as their syncs allow, over and over, until all passes are done.
  Status Follow() {
    for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
      history_[queue].reserve(plan_.queues[queue].steps.size() * kPassWantsLogits.size() + 1);
      history_[queue].push_back(Knowledge{});
      size_t syncs = 0;
      for (const Step& step : plan_.queues[queue].steps) {
        first_sync_[queue].push_back(std::exchange(syncs, syncs + step.syncs.size()));
      }
      news_[queue].resize(syncs);
    }
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
        TRY_ASSIGN(const bool advanced, Advance(queue));
        moved = moved || advanced;
      }
    }
    for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
      const size_t steps = plan_.queues[queue].steps.size();
      if (done_[queue] != steps * kPassWantsLogits.size()) {
        return InvalidPlan(StepName(plan_, queue, done_[queue] % steps),
                           "deadlock: its sync never comes");
      }
    }
    return {};
  }

  // How far the queue of the fence must be, in steps from the start; 0 before the first pass.
  uint64_t Target(const Sync& sync, uint64_t pass) const {
    const Fence& fence = plan_.fences[Index(sync.fence)];
    if (sync.distance > pass) return 0;
    return (pass - sync.distance) * plan_.queues[fence.queue].steps.size() + fence.step + 1;
  }

  Result<bool> Advance(size_t queue) {
    const std::vector<Step>& steps = plan_.queues[queue].steps;
    bool moved = false;
    while (done_[queue] < steps.size() * kPassWantsLogits.size()) {
      const size_t at = done_[queue] % steps.size();
      const uint64_t pass = done_[queue] / steps.size();
      const bool skipped = steps[at].logits_only && !kPassWantsLogits[pass];
      if (!skipped) {
        for (const Sync& sync : steps[at].syncs) {
          const uint32_t other = plan_.fences[Index(sync.fence)].queue;
          if (done_[other] < Target(sync, pass)) return moved;
        }
        TRY(Acquire(queue, at, pass));
        TRY(Perform(queue, at, pass));
      }
      ++done_[queue];
      known_[queue][queue] = done_[queue];
      history_[queue].push_back(known_[queue]);
      moved = true;
    }
    return moved;
  }

  Status Acquire(size_t queue, size_t at, uint64_t pass) {
    const std::vector<Sync>& syncs = plan_.queues[queue].steps[at].syncs;
    for (size_t i = 0; i < syncs.size(); ++i) {
      const Sync& sync = syncs[i];
      const uint32_t other = plan_.fences[Index(sync.fence)].queue;
      const uint64_t target = Target(sync, pass);
      const bool first_round = pass < 2;  // only then everything counts as passed
      if (!first_round) {
        const bool stale = target <= known_[queue][other] && AlwaysRuns(other, sync);
        if (!stale) news_[queue][first_sync_[queue][at] + i] = true;
      }
      const Knowledge& joined = history_[other][target];
      if (queue == kDiskQueue) loaded_ = std::max(loaded_, joined[kDiskQueue]);
      for (size_t q = 0; q < plan_.queues.size(); ++q) {
        known_[queue][q] = std::max(known_[queue][q], joined[q]);
      }
    }
    return {};
  }
  // A sync is stale if it is so in every pass: what one has waited for, another may leave out.
  Status CheckStale() const {
    for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
      for (size_t at = 0; at < plan_.queues[queue].steps.size(); ++at) {
        const std::vector<Sync>& syncs = plan_.queues[queue].steps[at].syncs;
        for (size_t i = 0; i < syncs.size(); ++i) {
          if (news_[queue][first_sync_[queue][at] + i]) continue;
          return InvalidPlan(StepName(plan_, queue, at),
                             fmt::format("its sync on {} is stale: it is known already",
                                         plan_.fences[Index(syncs[i].fence)].name));
        }
      }
    }
    return {};
  }
  bool AlwaysRuns(uint32_t queue, const Sync& sync) const {
    return !plan_.queues[queue].steps[plan_.fences[Index(sync.fence)].step].logits_only;
  }

  Status Perform(size_t queue, size_t at, uint64_t pass) {
    const Step& step = plan_.queues[queue].steps[at];
    now_ = {.queue = queue, .step = at, .pass = pass};
    if (const auto* load = std::get_if<step::Load>(&step.work)) {
      return PerformLoad(*load, step.logits_only);
    }
    if (const auto* rows = std::get_if<step::LoadRows>(&step.work)) return PerformRows(*rows);
    if (const auto* move = std::get_if<step::Move>(&step.work)) return PerformMove(*move);
    if (const auto* transfer = std::get_if<step::Transfer>(&step.work)) {
      return PerformTransfer(*transfer, step);
    }
    if (queue == kCpuQueue && (step.joins || at == 0)) ++epoch_;
    return PerformRun(std::get<step::Run>(step.work), step);
  }

  // Whether [offset, offset + bytes) lies in one buffer of this kind.
  bool InBuffer(BufferKind kind, uint64_t offset, uint64_t bytes) const {
    return std::any_of(plan_.buffers.begin(), plan_.buffers.end(), [&](const PlanBuffer& buffer) {
      return buffer.kind == kind && offset >= buffer.offset && bytes <= buffer.bytes &&
             offset - buffer.offset <= buffer.bytes - bytes;
    });
  }

  Status PerformLoad(const step::Load& load, bool logits_only) {
    if (load.once && now_.pass != 0) return {};
    if (load.once && logits_only) return InvalidPlan(Here(), "what stays must be read in any pass");
    const uint64_t block = plan_.io_alignment;
    if (load.file_offset % block != 0 || load.bytes % block != 0 || load.bytes == 0 ||
        load.arena_offset % block != 0) {
      return InvalidPlan(Here(), "a load must be whole blocks");
    }
    const uint64_t end = PartEnd(load.part);
    if (load.file_offset >= end || load.bytes > end - load.file_offset) {
      return InvalidPlan(Here(), "it reads where no weight lies");
    }
    const BufferKind kind = load.once ? BufferKind::kResident : BufferKind::kRing;
    if (!InBuffer(kind, load.arena_offset, load.bytes)) {
      return InvalidPlan(Here(), fmt::format("it writes outside the buffers for {}", Name(kind)));
    }
    return Write(load.arena_offset, load.bytes,
                 {Content::Kind::kFile, load.part, load.file_offset - load.arena_offset}, {});
  }

  // Where the last block that holds a weight ends.
  uint64_t PartEnd(uint32_t part) {
    if (part_ends_.empty()) {
      for (const Weight& weight : graph_.weights) {
        uint64_t& end = part_ends_[weight.part];
        const uint64_t blocks = (weight.offset + weight.bytes - 1) / plan_.io_alignment + 1;
        end = std::max(end, blocks * plan_.io_alignment);
      }
    }
    const auto found = part_ends_.find(part);
    return found == part_ends_.end() ? 0 : found->second;
  }

  Status PerformRows(const step::LoadRows& rows) {
    if (Index(rows.table) >= graph_.weights.size() || Index(rows.staging) >= plan_.buffers.size()) {
      return InvalidPlan(Here(), "it names what does not exist");
    }
    const Weight& table = graph_.weight(rows.table);
    if (rows.stride % plan_.io_alignment != 0 ||
        rows.stride < table.row_bytes() + plan_.io_alignment - 1) {
      return InvalidPlan(Here(), "its rows do not fit their places");
    }
    if (plan_.buffer(rows.staging).kind != BufferKind::kStaging ||
        plan_.weight_offsets[Index(rows.table)]) {
      return InvalidPlan(Here(), "these rows have no place or need none");
    }
    const uint64_t staged = CheckedMul(plan_.chunk, rows.stride).value_or(~uint64_t{0});
    TRY(NeedBytes(plan_.buffer(rows.staging), staged, "embedding rows"));
    return Write(plan_.buffer(rows.staging).offset, plan_.chunk * rows.stride,
                 {Content::Kind::kRows, Index(rows.table), now_.pass}, {});
  }

  // The same rows lie in both memories from then on.
  Status PerformMove(const step::Move& move) {
    const size_t value = Index(move.value);
    if (value >= graph_.values.size() || !plan_.device->value_buffers[value] ||
        plan_.on_device(plan_.buffer(plan_.value_buffers[value]).offset)) {
      return InvalidPlan(Here(), "it moves a value that does not lie in both memories");
    }
    if (!Made(move.value)) return InvalidPlan(Here(), "it moves what is not computed yet");
    const Content content{Content::Kind::kValue, value, now_.pass};
    const auto [from, bytes] = RangeOf(move.value, !move.to_device);
    const uint64_t to = RangeOf(move.value, move.to_device).first;
    TRY(Read(from, bytes, content, {}, graph_.values[value].name));
    return Write(to, bytes, content, {});
  }

  Status PerformRun(const step::Run& run, const Step& step) {
    if (Index(run.op) >= graph_.ops.size()) return InvalidPlan(Here(), "there is no such op");
    const Op& op = graph_.ops[Index(run.op)];
    if (IsTransfer(op)) return InvalidPlan(Here(), "this op is not for this queue");
    const bool product = IsProduct(op.kind);
    const bool free =
        product || std::holds_alternative<op::Attention>(op.kind) || !graph_.is_text();
    const std::string wrong = computed_.Add(run, now_.pass, step.logits_only);
    if (!wrong.empty()) return InvalidPlan(Here(), wrong);
    TRY(CheckAliases(op));
    TRY(ReadWeights(run, op));
    for (const ValueId in : op.ins) {
      if (!Made(in)) return InvalidPlan(Here(), "it reads a value that is not computed yet");
      const bool whole = free || std::holds_alternative<op::TakeLast>(op.kind);
      TRY(ReadValue(in, {epoch_, Index(run.op), whole ? Share::kFree : ShareOf(in), {}}));
    }
    if (const auto* attention = std::get_if<op::Attention>(&op.kind)) {
      TRY(ReadCache(attention->layer, Index(run.op)));
    }
    if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) {
      const PlanBuffer& cache = plan_.buffer(plan_.cache_buffers[store->layer]);
      return Write(cache.offset, cache.bytes, {Content::Kind::kCache, store->layer, 0},
                   {epoch_, Index(run.op), Share::kRows, {}});
    }
    return WriteValue(*op.out, {epoch_, Index(run.op), free ? Share::kFree : ShareOf(*op.out), {}});
  }

  static bool IsTransfer(const Op& op) {
    return std::holds_alternative<op::Spill>(op.kind) || std::holds_alternative<op::Fetch>(op.kind);
  }

  // Between arena and scratch file; what lies there is told by the result of the Spill.
  Status PerformTransfer(const step::Transfer& move, const Step& step) {
    if (Index(move.op) >= graph_.ops.size() || !IsTransfer(graph_.ops[Index(move.op)])) {
      return InvalidPlan(Here(), "there is no such op, or it moves nothing");
    }
    const Op& op = graph_.ops[Index(move.op)];
    const std::string wrong = computed_.Add(step::Run{.op = move.op}, now_.pass, step.logits_only);
    if (!wrong.empty()) return InvalidPlan(Here(), wrong);
    if (!Made(op.ins[0])) return InvalidPlan(Here(), "what it moves is not there yet");
    const bool out = std::holds_alternative<op::Spill>(op.kind);
    const ValueId value = out ? op.ins[0] : *op.out, away = out ? *op.out : op.ins[0];
    const PlanBuffer& buffer = plan_.buffer(plan_.value_buffers[Index(value)]);
    const uint64_t block = plan_.io_alignment, bytes = RoundUp(RangeHere(value).second, block);
    if (buffer.offset % block != 0 || move.scratch_offset % block != 0) {
      return InvalidPlan(Here(), "a transfer must be whole blocks");
    }
    TRY(NeedBytes(buffer, bytes, "a transfer"));
    const Content content{Content::Kind::kValue, Index(away), now_.pass};
    if (out) {
      TRY(ReadValue(value, {}));
      return scratch_.Write(Now(), move.scratch_offset, bytes, content, {});
    }
    TRY(scratch_.Read(Now(), move.scratch_offset, bytes, content, {}, graph_.value(away).name));
    return Write(buffer.offset, bytes, {Content::Kind::kValue, Index(value), now_.pass}, {});
  }

  // A result may take the place of an operand only where the op goes element by element.
  Status CheckAliases(const Op& op) const {
    if (!op.out) return {};
    const bool in_place = WorksInPlace(op.kind);
    const auto [out, out_bytes] = RangeHere(*op.out);
    for (size_t i = 0; i < op.ins.size(); ++i) {
      const auto [in, in_bytes] = RangeHere(op.ins[i]);
      if (out >= in + in_bytes || in >= out + out_bytes) continue;
      if (i != 0 || !in_place || in != out || in_bytes != out_bytes) {
        return InvalidPlan(Here(),
                           fmt::format("its result overwrites {}", graph_.value(op.ins[i]).name));
      }
    }
    return {};
  }

  bool Made(ValueId id) const { return computed_.Made(id, now_.pass); }

  Status ReadWeights(const step::Run& run, const Op& op) {
    for (size_t i = 0; i < op.weights.size(); ++i) {
      const Weight& weight = graph_.weight(op.weights[i]);
      const std::optional<uint64_t>& offset =
          OnDevice() ? plan_.device->weight_offsets[Index(op.weights[i])]
                     : plan_.weight_offsets[Index(op.weights[i])];
      if (std::holds_alternative<op::Embed>(op.kind) && !offset && !OnDevice()) {
        return ReadStaging(op.weights[i], Index(run.op));
      }
      uint64_t at = 0, file = weight.offset, bytes = weight.bytes;
      if (IsProduct(op.kind) && i == 0) {
        at = run.weights_offset;
        file += run.row_begin * weight.row_bytes();
        bytes = (run.row_end - run.row_begin) * weight.row_bytes();
      } else if (offset) {
        at = *offset;
      } else {
        return InvalidPlan(Here(), fmt::format("{} is not in memory", weight.name));
      }
      TRY(Read(at, bytes, {Content::Kind::kFile, weight.part, file - at},
               {epoch_, Index(run.op), Share::kFree, {}}, weight.name));
    }
    return {};
  }
  Status ReadStaging(WeightId table, size_t op) {
    for (const Step& step : plan_.queues[kRowsQueue].steps) {
      const auto& rows = std::get<step::LoadRows>(step.work);
      if (rows.table != table) continue;
      return Read(plan_.buffer(rows.staging).offset, plan_.chunk * rows.stride,
                  {Content::Kind::kRows, Index(table), now_.pass}, {epoch_, op, Share::kFree, {}},
                  "embedding rows");
    }
    return InvalidPlan(Here(), "nobody reads the embedding rows");
  }
  Status ReadCache(uint32_t layer, size_t op) {
    if (!computed_.Stored(layer, now_.pass)) {
      return InvalidPlan(Here(), "the keys and values of this pass are not stored yet");
    }
    const PlanBuffer& cache = plan_.buffer(plan_.cache_buffers[layer]);
    return Read(cache.offset, cache.bytes, {Content::Kind::kCache, layer, 0},
                {epoch_, op, Share::kFree, {}}, cache.name);
  }

  Share ShareOf(ValueId id) const {
    return graph_.value(id).rows == Rows::kTokens ? Share::kRows : Share::kLastRow;
  }
  bool OnDevice() const { return plan_.device && now_.queue == kDeviceQueue; }
  // Of a value in the device's memory, where it lies there; else in RAM.
  std::pair<uint64_t, uint64_t> RangeOf(ValueId id, bool on_device) const {
    const Value& value = graph_.value(id);
    const uint64_t rows = value.rows == Rows::kTokens ? plan_.chunk : 1;
    const BufferId ram = plan_.value_buffers[Index(id)];
    const BufferId buffer = on_device ? plan_.device->value_buffers[Index(id)].value_or(ram) : ram;
    return {plan_.buffer(buffer).offset, rows * value.row_bytes};
  }
  std::pair<uint64_t, uint64_t> RangeHere(ValueId id) const { return RangeOf(id, OnDevice()); }
  Status ReadValue(ValueId id, const Toucher& by) {
    const auto [offset, bytes] = RangeHere(id);
    return Read(offset, bytes, {Content::Kind::kValue, Index(id), now_.pass}, by,
                graph_.value(id).name);
  }
  Status WriteValue(ValueId id, const Toucher& by) {
    const auto [offset, bytes] = RangeHere(id);
    return Write(offset, bytes, {Content::Kind::kValue, Index(id), now_.pass}, by);
  }

  // In one arena; and a queue that computes, in its own. Moves and loads go to any.
  Status CheckWithin(uint64_t begin, uint64_t bytes, std::string_view what) const {
    const bool on_device = plan_.on_device(begin);
    const uint64_t end = on_device ? plan_.end_offset() : plan_.memory.arena_bytes;
    if (begin > end || bytes > end - begin) {
      return InvalidPlan(Here(), fmt::format("{} lies outside the arena", what));
    }
    const bool runs =
        std::holds_alternative<step::Run>(plan_.queues[now_.queue].steps[now_.step].work);
    if (!runs || on_device == OnDevice()) return {};
    return InvalidPlan(Here(), fmt::format("{} lies in another memory", what));
  }

  Status Read(uint64_t begin, uint64_t bytes, const Content& expected, const Toucher& by,
              std::string_view what) {
    TRY(CheckWithin(begin, bytes, what));
    return memory_.Read(Now(), begin, bytes, expected, by, what);
  }
  Status Write(uint64_t begin, uint64_t bytes, const Content& content, const Toucher& by) {
    TRY(CheckWithin(begin, bytes, "what it writes"));
    return memory_.Write(Now(), begin, bytes, content, by);
  }
  CheckedMoment Now() const {
    return {now_.queue, now_.step, now_.pass, done_[now_.queue] + 1, &known_[now_.queue], loaded_};
  }

  std::string Here() const { return StepName(plan_, now_.queue, now_.step); }

  const Graph& graph_;
  const Plan& plan_;
  CheckedMemory memory_, scratch_;
  CheckedMoment now_;  // queue, step and pass
  uint64_t epoch_ = 0;
  std::array<uint64_t, kPlanQueues> done_{};
  std::array<Knowledge, kPlanQueues> known_{};
  std::array<std::vector<Knowledge>, kPlanQueues> history_;  // after each step
  std::array<std::vector<size_t>, kPlanQueues> first_sync_;  // by step, into news_
  std::array<std::vector<bool>, kPlanQueues> news_;          // of each sync: whether in some pass
  uint64_t loaded_ = 0;  // steps DISK knows of itself to be done
  ComputedOps computed_;
  std::map<uint32_t, uint64_t> part_ends_;  // rounded up to blocks
};

}  // namespace

Status CheckPlan(const Graph& graph, const Plan& plan) {
  TRY(CheckPlanParts(graph, plan));
  return Checker(graph, plan).Check();
}

}  // namespace tinyai
