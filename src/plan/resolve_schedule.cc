#include "plan/resolve_schedule.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "lang/number.h"
#include "lang/parse_schedule.h"
#include "lang/print_schedule.h"
#include "plan/model_names.h"
#include "plan/order_wishes.h"
#include "plan/plan_names.h"
#include "plan/report_cycle.h"
#include "plan/schedule_fences.h"
#include "plan/schedule_frees.h"
#include "plan/schedule_places.h"
#include "plan/schedule_weights.h"

namespace tinyai {
namespace {

constexpr std::string_view kCpu = SchedulePlaces::kCpu, kDisk = SchedulePlaces::kDisk,
                           kRows = SchedulePlaces::kRows;
constexpr std::string_view kMemory = "RAM";
// What a pass is always planned for.
constexpr std::string_view kObjective = "lex(makespan, syncs, fences, bytes)";

// Turns the items of a schedule into wishes, in the order of the text.
class Resolver {
 public:
  Resolver(const Graph& graph, const RequestDevice* device, Diagnostics& out)
      : graph_(graph),
        device_(device),
        out_(out),
        names_(graph),
        places_(graph, device, out),
        weights_(graph, result_.wishes, out),
        frees_(graph, out) {}

  ResolvedSchedule Resolve(const Schedule& schedule) {
    fences_.Collect(schedule, out_);
    for (const Item& item : schedule.items) {
      if (out_.full()) break;
      std::visit([&](const auto& what) { Read(what, item.where); }, item.what);
    }
    EndRow();
    return std::move(result_);
  }

 private:
  ModelWishes& wishes() { return result_.wishes; }
  Diagnostic& Wrong(std::string code, Span where, std::string message) {
    return out_.Error(std::move(code), where, std::move(message));
  }
  uint32_t AddGroup(std::vector<OpId> ops, Span where) {
    wishes().groups.push_back(std::move(ops));
    origins_.groups.push_back(where);
    return static_cast<uint32_t>(wishes().groups.size() - 1);
  }
  void AddOrder(uint32_t first, uint32_t then, std::string why, bool closed = false) {
    wishes().orders.push_back({first, then});
    origins_.orders.push_back({std::move(why), closed});
  }

  // --- declarations ---

  void Read(const decl::Placement& placement, Span where) {
    const std::optional<ModelNames::Named> named = names_.Resolve(placement.ref, out_);
    if (!named || !places_.Known(placement.place, where)) return;
    const std::string place = QueueOfPlace(placement.place);
    if (!places_.Place(*named, placement.ref, place, where, false)) return;
    if (places_.IsDevice(place) && !result_.on_device) result_.on_device = where;
  }

  void Read(const decl::Before& before, Span) {
    const std::optional<uint32_t> first = OpsOf(before.first, "'before' orders ops");
    const std::optional<uint32_t> then = OpsOf(before.second, "'before' orders ops");
    if (!first || !then) return;
    AddOrder(*first, *then, "before");
    wishes().orders.back().complete = true;
  }

  void Read(const decl::Budget& budget, Span where) {
    if (budget.memory != kMemory) {
      Wrong("I7", where, fmt::format("no memory '{}' (declared: {})", budget.memory, kMemory))
          .Help(fmt::format("budget {} <= {};", kMemory, budget.size));
      return;
    }
    const uint64_t bytes = ByteCount(budget.size).value_or(0);
    if (wishes().budget_bytes && *wishes().budget_bytes <= bytes) return;
    wishes().budget_bytes = bytes;
    result_.budget = where;
  }

  void Read(const decl::Objective& objective, Span where) {
    if (PrintExpr(objective.terms) == kObjective) return;
    Wrong("I9", where, "a pass of a model is planned for time before everything else")
        .Help(fmt::format("objective {};", kObjective));
  }

  // Nothing in a pass is conditional, so all ways of counting are the same.
  void Read(const decl::Count&, Span) {}

  void Read(const decl::Record& record, Span where) {
    Wrong("I7", where,
          fmt::format("wishes for a model have no record '{}'; a whole plan begins with 'plan'",
                      record.kind))
        .Help("delete it");
  }

  std::optional<uint32_t> OpsOf(const Ref& ref, std::string_view why) {
    std::optional<ModelNames::Named> named = names_.Resolve(ref, out_);
    if (!named) return std::nullopt;
    if (!named->ops.empty()) return AddGroup(std::move(named->ops), ref.where);
    Wrong("I9", ref.where, fmt::format("'{}' is no op, and {}", DottedName(ref), why))
        .Help("name an op; the order of weights is that of a DISK block");
    return std::nullopt;
  }

  // --- blocks ---

  void Read(const Block& block, Span where) {
    if (!places_.Known(block.place, where)) return;
    const std::string place = QueueOfPlace(block.place);
    if (place == kCpu) {
      gap_open_ = gap_open_ || !block.closed;
      if (block.closed && !closed_) closed_ = where;
    }
    if (place == kDisk) weights_.Enter(block, where);
    for (const Command& command : block.commands) {
      if (out_.full()) return;
      if (!command.attributes->empty()) {
        Wrong("I7", command.attributes->front().where,
              fmt::format("a wish has no attribute '{}'", command.attributes->front().name))
            .Help("delete it");
      }
      block_ = &block;
      std::visit([&](const auto& what) { Do(what, place, command.where); }, command.what);
    }
    for (const WeightId weight : before_next_) wishes().ahead.push_back({weight, std::nullopt});
    before_next_.clear();
  }

  void Do(const Block& block, const std::string&, Span where) { Read(block, where); }
  void Do(const cmd::Hole&, const std::string& place, Span) {
    if (place == kCpu) gap_open_ = true;
    if (place == kDisk) weights_.Hole();
  }
  void Do(const cmd::If&, const std::string&, Span where) {
    Wrong("I7", where, "a pass of a model has no conditional").Help("delete the 'if'");
  }
  void Do(const cmd::Loop& loop, const std::string&, Span where) {
    Wrong("I7", where, fmt::format("a pass of a model has no loop '{}'", loop.name))
        .Help("write what stands inside");
  }
  void Do(const cmd::Move& move, const std::string&, Span where) {
    const std::string name = DottedName(move.ref);
    if (device_ == nullptr) {
      Wrong("I9", where,
            fmt::format("'{}' cannot be moved: all of a model lies in {}", name, kMemory))
          .Help("delete it");
      return;
    }
    Wrong("I9", where,
          fmt::format("'{}' is moved by {} itself, once, if what reads it is elsewhere", name,
                      device_->name))
        .Help(fmt::format("put there what reads it: {} {{ .. }}", device_->name));
  }

  void Do(const cmd::Print& print, const std::string& place, Span where) {
    if (place != kCpu) {
      Wrong("I2", where, "print is a CPU side effect")
          .Help("move it to a CPU block, the compiler will sync what it prints");
      return;
    }
    for (const Ref& ref : print.refs) {
      const std::optional<ModelNames::Named> named = names_.Resolve(ref, out_);
      if (!named) continue;
      const OpId last = LogitsOp();
      if (named->ops != std::vector{last}) {
        Wrong("I9", ref.where,
              fmt::format("'{}' cannot be printed: a pass gives out '{}' alone", DottedName(ref),
                          graph_.ops[Index(last)].name))
            .Help(fmt::format("print({});", graph_.ops[Index(last)].name));
      } else if (!places_.Has(last)) {
        ListOps({last}, where);
      }
    }
  }
  OpId LogitsOp() const {
    for (size_t i = graph_.ops.size(); i-- > 0;) {
      if (graph_.ops[i].out == graph_.logits()) return OpId(i);
    }
    return OpId(graph_.ops.size() - 1);
  }

  // --- work ---

  void Do(const cmd::Work& work, const std::string& place, Span where) {
    const bool stays = work.verb == cmd::Verb::kPin || work.verb == cmd::Verb::kEvict;
    const std::optional<ModelNames::Named> named = names_.Resolve(work.ref, out_, stays);
    if (!named) return;
    switch (work.verb) {
      case cmd::Verb::kPin:
        if (weights_.Stay(*named, work.ref, ModelWishes::Stay::kPinned, where)) {
          result_.pins.push_back({where, DottedName(work.ref)});
        }
        return;
      case cmd::Verb::kEvict:
        weights_.Stay(*named, work.ref, ModelWishes::Stay::kStreamed, where);
        return;
      case cmd::Verb::kPrefetch:
        return ReadAhead(*named, work.ref, place, where);
      case cmd::Verb::kEvaluate:
        if (place == kDisk) return Load(*named, work.ref, where, false);
        if (place == kRows) return LoadRows(*named, work.ref, where);
        if (place == kCpu) return Compute(*named, work.ref, where);
        return ComputeElsewhere(*named, work.ref, place, where);
      case cmd::Verb::kLoad:
        if (place == kDisk) return Load(*named, work.ref, where, false);
        Wrong("I9", where, fmt::format("{} loads nothing", place))
            .Help(
                fmt::format("move it to a DISK block: DISK {{ load {}; }}", DottedName(work.ref)));
        return;
      case cmd::Verb::kFree:
        return Free(*named, work.ref, place, where);
      case cmd::Verb::kRecompute:
        Wrong("I9", where, fmt::format("'{}' is computed once in a pass", DottedName(work.ref)))
            .Help(
                "delete it; of a layer graph the planner computes again what does not fit into "
                "--memory");
        return;
    }
  }

  // What reads the values, and what makes them, is done before the next that this place lists.
  void Free(const ModelNames::Named& named, const Ref& ref, const std::string& place, Span where) {
    if (place != kCpu && !places_.IsDevice(place)) {
      Wrong("I9", where, fmt::format("{} holds no values of a pass", place))
          .Help(fmt::format("move it to a CPU block: CPU {{ free {}; }}", DottedName(ref)));
      return;
    }
    std::vector<OpId> users = frees_.End(named, ref, where);
    if (users.empty()) return;
    (place == kCpu ? freed_on_cpu_ : freed_on_device_).push_back(AddGroup(std::move(users), where));
  }
  void EndFreed(std::vector<uint32_t>& freed, uint32_t group) {
    for (const uint32_t users : freed) AddOrder(users, group, "free", block_->closed);
    freed.clear();
  }

  void Compute(const ModelNames::Named& named, const Ref& ref, Span where) {
    if (named.ops.empty()) {
      Wrong("I9", where, fmt::format("'{}' is no op for CPU to compute", DottedName(ref)))
          .Help("name the op that needs it");
      return;
    }
    if (places_.Put(named.ops, std::string(kCpu), where, true)) ListOps(named.ops, where);
  }

  // On a device, in the order of its queue.
  void ComputeElsewhere(const ModelNames::Named& named, const Ref& ref, const std::string& place,
                        Span where) {
    if (!places_.Place(named, ref, place, where, true) || !places_.IsDevice(place)) return;
    if (!result_.on_device) result_.on_device = where;
    if (!frees_.Check(named.ops, where)) return;
    const uint32_t group = AddGroup(named.ops, where);
    EndFreed(freed_on_device_, group);
    if (device_last_) AddOrder(*device_last_, group, place + " block order", block_->closed);
    device_last_ = group;
  }

  // The next in the order of the CPU queue.
  void ListOps(std::vector<OpId> ops, Span where) {
    if (!frees_.Check(ops, where)) return;
    for (const OpId op : ops) places_.List(op, where);
    const uint32_t group = AddGroup(std::move(ops), where);
    if (!row_.row.empty()) {
      AddOrder(row_.row.back(), group, "CPU block order", block_->closed);
    }
    row_.row.push_back(group);
    row_.open.push_back(gap_open_);
    gap_open_ = !block_->closed;
    EndFreed(freed_on_cpu_, group);
    for (const WeightId weight : before_next_) wishes().ahead.push_back({weight, group});
    before_next_.clear();
    for (; cpu_waited_ < cpu_waits_; ++cpu_waited_) {
      const WeightId weight = wishes().loads[cpu_waited_].weight;
      wishes().ahead.push_back({weight, group});
      wishes().loads_before.push_back({weight, group});
    }
  }

  // --- loads ---

  void Load(const ModelNames::Named& named, const Ref& ref, Span where, bool ahead) {
    const size_t before = wishes().loads.size();
    weights_.List(named, ref, where, ahead);
    for (size_t i = before; i < wishes().loads.size(); ++i) {
      if (wishes().loads[i].ahead && !result_.reads_ahead) result_.reads_ahead = where;
      if (disk_waits_ > 0) WaitForOps(wishes().loads[i].weight, row_.row[disk_waits_ - 1], where);
    }
  }
  // Whoever needs the weight waits with it.
  void WaitForOps(WeightId id, uint32_t group, Span where) {
    wishes().loads_after.push_back({id, group});
    AddOrder(group, AddGroup(weights_.Readers(id), where), "sync on DISK");
  }

  void LoadRows(const ModelNames::Named& named, const Ref& ref, Span where) {
    if (!named.weights.empty() && weights_.OnlyRowsTaken(named.weights[0])) return;
    Wrong("I9", where,
          fmt::format("{} reads rows of the embedding, not '{}'", kRows, DottedName(ref)))
        .Help("move it to a DISK block");
  }

  void ReadAhead(const ModelNames::Named& named, const Ref& ref, const std::string& place,
                 Span where) {
    if (place == kDisk) return Load(named, ref, where, true);
    if (place != kCpu) {
      Wrong("I9", where, fmt::format("{} waits for no weights", place))
          .Help("move it to a CPU or DISK block");
      return;
    }
    if (!result_.reads_ahead) result_.reads_ahead = where;
    const std::vector<WeightId> weights = weights_.ToLoad(named, ref, where);
    before_next_.insert(before_next_.end(), weights.begin(), weights.end());
  }

  // --- fences and syncs ---

  bool HasTimeline(const std::string& place, Span where) {
    if (place == kCpu || place == kDisk) return true;
    Wrong("I9", where, fmt::format("{} neither waits nor is waited for by name", place))
        .Help(places_.IsDevice(place) ? "delete it: what a device waits for follows from its ops"
                                      : "CPU and DISK have fences");
    return false;
  }
  void Do(const cmd::Fence& fence, const std::string& place, Span where) {
    if (!HasTimeline(place, where)) return;
    const bool cpu = place == kCpu;
    fences_.Record(fence.name, where, cpu, cpu ? row_.row.size() : wishes().loads.size());
  }
  void Do(const cmd::Sync& sync, const std::string& place, Span where) {
    if (!HasTimeline(place, where)) return;
    for (const cmd::Sync::Target& target : sync.targets) {
      if (target.distance != 0) {
        earlier_.push_back({target, wishes().loads.size(), row_.row.size(), fences_.Reached()});
        continue;
      }
      const std::optional<ScheduleFences::Wait> wait =
          fences_.Sync(target, names_.Has(target.fence), out_);
      if (wait) (wait->on_cpu ? disk_waits_ : cpu_waits_) = wait->done;
    }
  }

  // When all fences are known: those of the pass before.
  void WaitForEarlier() {
    for (const Earlier& sync : earlier_) {
      const std::optional<ScheduleFences::Wait> wait =
          fences_.SyncEarlier(sync.target, names_.Has(sync.target.fence), sync.reached, out_);
      if (!wait || wait->done == 0) continue;
      const uint32_t distance = sync.target.distance;
      if (wait->on_cpu) {
        for (size_t i = sync.loads; i < wishes().loads.size(); ++i) {
          wishes().loads_after.push_back(
              {wishes().loads[i].weight, row_.row[wait->done - 1], distance});
        }
      } else if (sync.row < row_.row.size()) {
        for (size_t i = 0; i < wait->done; ++i) {
          wishes().loads_before.push_back({wishes().loads[i].weight, row_.row[sync.row], distance});
        }
      }
    }
  }

  // --- the order as a whole ---

  void EndRow() {
    row_.open.push_back(gap_open_);
    WaitForEarlier();
    wishes().on_device = places_.OnDevice();
    if (device_ != nullptr) weights_.CheckOnDevice(wishes().on_device, device_->memory);
    weights_.CheckRoom();
    if (out_.has_errors() || ReportCycle(graph_, wishes(), origins_, out_) || !closed_) return;
    const size_t orders = wishes().orders.size();
    if (const std::optional<OpId> homeless = FillGaps(graph_, row_, wishes())) {
      wishes().orders.resize(orders);
      ReportHomeless(*homeless);
      return;
    }
    origins_.groups.resize(wishes().groups.size(), *closed_);
    origins_.orders.resize(wishes().orders.size(), {"closed block", true});
    ReportCycle(graph_, wishes(), origins_, out_);
  }

  // The last that it needs of what is listed says where it has to come after, else the first that
  // needs it where it has to come before.
  void ReportHomeless(OpId op) {
    const std::string& name = graph_.ops[Index(op)].name;
    const std::vector<std::vector<OpId>> needs = DataNeeds(graph_);
    std::optional<OpId> need, user;
    for (const OpId earlier : needs[Index(op)]) {
      const std::optional<Span> at = places_.ListedAt(earlier);
      if (at && (!need || places_.ListedAt(*need)->begin < at->begin)) need = earlier;
    }
    for (size_t later = 0; later < needs.size(); ++later) {
      const bool uses =
          std::find(needs[later].begin(), needs[later].end(), op) != needs[later].end();
      if (uses && places_.ListedAt(OpId(later)) && !user) user = OpId(later);
    }
    const std::optional<OpId> other = need ? need : user;
    std::string why = "every block is closed";
    if (other) {
      const std::string& known = graph_.ops[Index(*other)].name;
      const std::string at = out_.At(*places_.ListedAt(*other));
      why = need ? fmt::format("it needs '{}' ({}) and the block is closed after it", known, at)
                 : fmt::format("'{}' ({}) needs it and the block is closed before it", known, at);
    }
    Diagnostic& error = Wrong("I8", *closed_, fmt::format("'{}' cannot be placed: {}", name, why));
    if (other) error.NoteAt(*places_.ListedAt(*other), need ? "what it needs" : "what needs it");
    error.Help("add '???;' where more may be put in");
  }

  // A sync with a fence of the pass before, and what the text had listed by then.
  struct Earlier {
    cmd::Sync::Target target;
    size_t loads, row;
    std::array<size_t, 2> reached;
  };
  const Graph& graph_;
  const RequestDevice* const device_;
  Diagnostics& out_;
  const ModelNames names_;
  SchedulePlaces places_;
  ResolvedSchedule result_;
  ScheduleWeights weights_;
  OrderOrigins origins_;
  ScheduleFences fences_;
  ScheduleFrees frees_;
  std::vector<Earlier> earlier_;
  const Block* block_ = nullptr;
  GappedRow row_;          // what CPU blocks list
  bool gap_open_ = false;  // whether more may be put in where the text stands
  std::optional<Span> closed_;
  std::vector<WeightId> before_next_;      // to be read ahead of the next op listed
  size_t cpu_waits_ = 0, cpu_waited_ = 0;  // loads: to wait for, of which are dealt with
  size_t disk_waits_ = 0;                  // groups of the row to wait for
  std::optional<uint32_t> device_last_;    // the group that a device's blocks listed last
  std::vector<uint32_t> freed_on_cpu_, freed_on_device_;  // groups to be done before the next one
};

}  // namespace

std::string_view ScheduleKey(std::string_view code) {
  if (code.starts_with('S')) return "SCHEDULE_SYNTAX";
  if (code.starts_with('A')) return "SCHEDULE_AMBIGUOUS";
  if (code == "I15") return "COST_MODEL";
  return code == "I7" ? "SCHEDULE_UNKNOWN" : "SCHEDULE_IMPOSSIBLE";
}

Result<ResolvedSchedule> ResolveSchedule(const Graph& graph, Diagnostics& diagnostics,
                                         const RequestDevice* device) {
  const Schedule schedule = ParseSchedule(diagnostics);
  ResolvedSchedule out;
  if (!diagnostics.has_errors()) out = Resolver(graph, device, diagnostics).Resolve(schedule);
  if (!diagnostics.has_errors()) return out;
  return tl::unexpected<Error>(diagnostics.AsError(ScheduleKey(diagnostics.all().front().code)));
}

}  // namespace tinyai
