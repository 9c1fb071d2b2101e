#include "plan/check_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "fmt/format.h"
#include "plan/check_parts.h"
#include "plan/watched_memory.h"

namespace tinyai {
namespace {

// Every order of two passes with and without logits.
constexpr std::array<bool, 5> kPassWantsLogits = {true, true, false, false, true};

class Checker {
 public:
  Checker(const Graph& graph, const Plan& plan)
      : graph_(graph),
        plan_(plan),
        memory_(plan.memory.arena_bytes),
        progress_(graph.ops.size()),
        producer_of_(graph.values.size(), graph.ops.size()),
        store_of_(graph.attention.layers, graph.ops.size()) {
    for (size_t i = 0; i < graph.ops.size(); ++i) {
      const Op& op = graph.ops[i];
      if (op.out) producer_of_[Index(*op.out)] = i;
      if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) store_of_[store->layer] = i;
    }
  }

  Status Check() {
    TRY(Follow());
    TRY(CheckStale());
    return CheckAllRan();
  }

 private:
  // Of the last pass, which wants logits.
  Status CheckAllRan() const {
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const Progress& progress = progress_[i];
      const bool product = IsProduct(graph_.ops[i].kind);
      if (progress.pass != kPassWantsLogits.size() ||
          (product && progress.rows != graph_.weight(graph_.ops[i].weights[0]).rows)) {
        return InvalidPlan(graph_.ops[i].name, "it is not computed");
      }
    }
    return {};
  }

  // Runs the queues as far as their syncs allow, over and over, until all passes are done.
  Status Follow() {
    for (size_t queue = 0; queue < kPlanQueues; ++queue) {
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
      for (size_t queue = 0; queue < kPlanQueues; ++queue) {
        TRY_ASSIGN(const bool advanced, Advance(queue));
        moved = moved || advanced;
      }
    }
    for (size_t queue = 0; queue < kPlanQueues; ++queue) {
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
      for (size_t q = 0; q < kPlanQueues; ++q) {
        known_[queue][q] = std::max(known_[queue][q], joined[q]);
      }
    }
    return {};
  }
  // A sync is stale if it is so in every pass: what one has waited for, another may leave out.
  Status CheckStale() const {
    for (size_t queue = 0; queue < kPlanQueues; ++queue) {
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
    now_ = {queue, at, pass};
    if (const auto* load = std::get_if<step::Load>(&step.work)) {
      return PerformLoad(*load, step.logits_only);
    }
    if (const auto* rows = std::get_if<step::LoadRows>(&step.work)) return PerformRows(*rows);
    if (step.joins || at == 0) ++epoch_;
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

  Status PerformRun(const step::Run& run, const Step& step) {
    if (Index(run.op) >= graph_.ops.size()) return InvalidPlan(Here(), "there is no such op");
    const Op& op = graph_.ops[Index(run.op)];
    const bool product = IsProduct(op.kind);
    const bool free =
        product || std::holds_alternative<op::Attention>(op.kind) || !graph_.is_text();
    if (product) {
      TRY(CheckRows(run, op));
    } else {
      TRY(CheckOnce(run));
    }
    TRY(CheckPasses(Index(run.op), step.logits_only));
    TRY(CheckAliases(op));
    TRY(ReadWeights(run, op));
    for (const ValueId in : op.ins) {
      if (!Complete(in)) return InvalidPlan(Here(), "it reads a value that is not computed yet");
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

  Status CheckPasses(size_t op, bool logits_only) {
    Progress& progress = progress_[op];
    if (progress.seen && progress.logits_only != logits_only) {
      return InvalidPlan(Here(), "parts of one op run in different passes");
    }
    progress.seen = true;
    progress.logits_only = logits_only;
    if (logits_only && std::holds_alternative<op::StoreKv>(graph_.ops[op].kind)) {
      return InvalidPlan(Here(), "keys and values must be stored in every pass");
    }
    return {};
  }

  // A result may take the place of an operand only where the op goes element by element.
  Status CheckAliases(const Op& op) const {
    if (!op.out) return {};
    const bool in_place = WorksInPlace(op.kind);
    const auto [out, out_bytes] = RangeOf(*op.out);
    for (size_t i = 0; i < op.ins.size(); ++i) {
      const auto [in, in_bytes] = RangeOf(op.ins[i]);
      if (out >= in + in_bytes || in >= out + out_bytes) continue;
      if (i != 0 || !in_place || in != out || in_bytes != out_bytes) {
        return InvalidPlan(Here(),
                           fmt::format("its result overwrites {}", graph_.value(op.ins[i]).name));
      }
    }
    return {};
  }

  Status CheckRows(const step::Run& run, const Op& op) {
    const Weight& weight = graph_.weight(op.weights[0]);
    Progress& progress = progress_[Index(run.op)];
    if (progress.pass != now_.pass + 1) {
      progress.pass = now_.pass + 1;
      progress.rows = 0;
    }
    if (run.row_begin != progress.rows || run.row_end <= run.row_begin ||
        run.row_end > weight.rows) {
      return InvalidPlan(Here(),
                         fmt::format("rows {} to {} of {} do not follow row {}", run.row_begin,
                                     run.row_end, weight.name, progress.rows));
    }
    progress.rows = run.row_end;
    return {};
  }
  Status CheckOnce(const step::Run& run) {
    Progress& progress = progress_[Index(run.op)];
    if (progress.pass == now_.pass + 1) return InvalidPlan(Here(), "its op ran already");
    progress.pass = now_.pass + 1;
    return {};
  }
  // Whether all of the value was computed in this pass.
  bool Complete(ValueId id) const {
    const size_t producer = producer_of_[Index(id)];
    if (producer == graph_.ops.size()) return false;
    const Progress& progress = progress_[producer];
    const Op& op = graph_.ops[producer];
    const bool product = IsProduct(op.kind);
    return progress.pass == now_.pass + 1 &&
           (!product || progress.rows == graph_.weight(op.weights[0]).rows);
  }

  Status ReadWeights(const step::Run& run, const Op& op) {
    for (size_t i = 0; i < op.weights.size(); ++i) {
      const Weight& weight = graph_.weight(op.weights[i]);
      const auto& offset = plan_.weight_offsets[Index(op.weights[i])];
      if (std::holds_alternative<op::Embed>(op.kind) && !offset) {
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
    const size_t store = store_of_[layer];
    if (store == graph_.ops.size() || progress_[store].pass != now_.pass + 1) {
      return InvalidPlan(Here(), "the keys and values of this pass are not stored yet");
    }
    const PlanBuffer& cache = plan_.buffer(plan_.cache_buffers[layer]);
    return Read(cache.offset, cache.bytes, {Content::Kind::kCache, layer, 0},
                {epoch_, op, Share::kFree, {}}, cache.name);
  }

  Share ShareOf(ValueId id) const {
    return graph_.value(id).rows == Rows::kTokens ? Share::kRows : Share::kLastRow;
  }
  std::pair<uint64_t, uint64_t> RangeOf(ValueId id) const {
    const Value& value = graph_.value(id);
    const uint64_t rows = value.rows == Rows::kTokens ? plan_.chunk : 1;
    return {plan_.buffer(plan_.value_buffers[Index(id)]).offset, rows * value.row_bytes};
  }
  Status ReadValue(ValueId id, const Toucher& by) {
    const auto [offset, bytes] = RangeOf(id);
    return Read(offset, bytes, {Content::Kind::kValue, Index(id), now_.pass}, by,
                graph_.value(id).name);
  }
  Status WriteValue(ValueId id, const Toucher& by) {
    const auto [offset, bytes] = RangeOf(id);
    return Write(offset, bytes, {Content::Kind::kValue, Index(id), now_.pass}, by);
  }

  // Whether two accesses of the CPU queue between the same joins may be on different workers.
  static bool NeedJoin(const Toucher& earlier, const Toucher& later) {
    if (earlier.epoch == 0 || earlier.epoch != later.epoch || earlier.op == later.op) return false;
    return earlier.share == Share::kFree || earlier.share != later.share ||
           earlier.range != later.range;
  }
  bool Known(size_t queue, uint64_t step) const {
    return step == 0 || queue == now_.queue || known_[now_.queue][queue] >= step;
  }

  Status Read(uint64_t begin, uint64_t bytes, const Content& expected, Toucher by,
              std::string_view what) {
    by.range = {begin, bytes};
    if (begin > plan_.memory.arena_bytes || bytes > plan_.memory.arena_bytes - begin) {
      return InvalidPlan(Here(), fmt::format("{} lies outside the arena", what));
    }
    return memory_.Each(begin, begin + bytes, [&](uint64_t, Interval& it) -> Status {
      if (it.writer_step == 0 || it.content != expected) {
        return InvalidPlan(Here(), fmt::format("{} is not where it is read", what));
      }
      if (!Known(it.writer, it.writer_step)) {
        return InvalidPlan(Here(), fmt::format("{} may not have arrived: a sync is missing", what));
      }
      if (now_.queue == kCpuQueue && NeedJoin(it.written_by, by)) {
        return InvalidPlan(Here(),
                           fmt::format("{} may come from another worker: a join is missing", what));
      }
      it.readers[now_.queue] = Absolute();
      if (now_.queue != kCpuQueue) return {};
      if (!it.read_by.empty() && it.read_by[0].epoch != by.epoch) it.read_by.clear();
      if (it.read_by.empty() || it.read_by.back() != by) it.read_by.push_back(by);
      return {};
    });
  }

  Status Write(uint64_t begin, uint64_t bytes, const Content& content, Toucher by) {
    by.range = {begin, bytes};
    if (begin > plan_.memory.arena_bytes || bytes > plan_.memory.arena_bytes - begin) {
      return InvalidPlan(Here(), "it writes outside the arena");
    }
    TRY(memory_.Each(begin, begin + bytes, [&](uint64_t at, Interval& it) -> Status {
      for (size_t queue = 0; queue < kPlanQueues; ++queue) {
        if (!Known(queue, it.readers[queue])) {
          return InvalidPlan(Here(),
                             fmt::format("offset {} may still be read: a sync is missing", at));
        }
      }
      // Loads finish in any order, so one must be known to have finished before the next.
      const bool own_load = now_.queue == kDiskQueue && it.writer == kDiskQueue;
      if (!Known(it.writer, it.writer_step) || (own_load && it.writer_step > loaded_)) {
        return InvalidPlan(Here(), fmt::format("offset {} may still be written", at));
      }
      const bool cpu = now_.queue == kCpuQueue;
      const bool shared = NeedJoin(it.written_by, by) ||
                          std::any_of(it.read_by.begin(), it.read_by.end(),
                                      [&](const Toucher& reader) { return NeedJoin(reader, by); });
      if (cpu && shared) {
        return InvalidPlan(Here(),
                           fmt::format("offset {} may be in use by another worker: a join is "
                                       "missing",
                                       at));
      }
      if (it.content.kind == Content::Kind::kFile && content.kind != Content::Kind::kFile) {
        return InvalidPlan(Here(), fmt::format("offset {} holds weights", at));
      }
      return {};
    }));
    Interval& made = memory_.Replace(begin, begin + bytes);
    made.content = content;
    made.writer = now_.queue;
    made.writer_step = Absolute();
    made.readers = {};
    made.written_by = now_.queue == kCpuQueue ? by : Toucher{};
    made.read_by.clear();
    return {};
  }

  uint64_t Absolute() const { return done_[now_.queue] + 1; }
  std::string Here() const { return StepName(plan_, now_.queue, now_.step); }

  struct Now {
    size_t queue = 0, step = 0;
    uint64_t pass = 0;
  };
  struct Progress {
    uint64_t pass = 0;  // counted from 1
    uint64_t rows = 0;
    bool seen = false, logits_only = false;
  };

  const Graph& graph_;
  const Plan& plan_;
  WatchedMemory<Interval> memory_;
  Now now_;
  uint64_t epoch_ = 0;
  std::array<uint64_t, kPlanQueues> done_{};
  std::array<Knowledge, kPlanQueues> known_{};
  std::array<std::vector<Knowledge>, kPlanQueues> history_;  // after each step
  std::array<std::vector<size_t>, kPlanQueues> first_sync_;  // by step, into news_
  std::array<std::vector<bool>, kPlanQueues> news_;          // of each sync: whether in some pass
  uint64_t loaded_ = 0;                     // steps DISK knows of itself to be done
  std::vector<Progress> progress_;          // by op
  std::vector<size_t> producer_of_;         // op, by value
  std::vector<size_t> store_of_;            // op, by layer
  std::map<uint32_t, uint64_t> part_ends_;  // rounded up to blocks
};

}  // namespace

Status CheckPlan(const Graph& graph, const Plan& plan) {
  TRY(CheckPlanParts(graph, plan));
  return Checker(graph, plan).Check();
}

}  // namespace tinyai
