#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_map>
#include <utility>

#include "fmt/format.h"
#include "graph/spill.h"
#include "lang/number.h"
#include "lang/parse_schedule.h"
#include "plan/check_plan.h"
#include "plan/fingerprint.h"
#include "plan/plan_attributes.h"
#include "plan/plan_file.h"
#include "plan/plan_names.h"
#include "plan/read_changes.h"

namespace tinyai {
namespace {

class Reader {
 public:
  Reader(const Graph& graph, Diagnostics& diagnostics)
      : graph_(graph),
        diagnostics_(diagnostics),
        ops_(graph.ops),
        weights_(graph.weights),
        values_(graph.values) {}

  Result<SavedPlan> Read() {
    schedule_ = ParseSchedule(diagnostics_);
    TRY(ErrorsAs("SCHEDULE_SYNTAX"));
    TRY(ReadHead());
    plan_.weight_offsets.resize(graph_.weights.size());
    for (const Item& item : schedule_.items) {
      if (!std::holds_alternative<Block>(item.what)) ReadItem(item);
    }
    if (!has_machine_) Wrong(schedule_.items[0].where, "the record 'machine' is missing");
    TRY(ErrorsAs("PLAN_INVALID"));  // from here on there are queues and buffers to name
    for (const Item& item : schedule_.items) {
      if (const auto* block = std::get_if<Block>(&item.what)) ReadBlock(*block);
    }
    ResolveSyncs();
    AssignBuffers();
    TRY(ErrorsAs("PLAN_INVALID"));
    CheckWhole();
    TRY(ErrorsAs("PLAN_INVALID"));
    return SavedPlan{std::move(plan_), std::move(purpose_)};
  }

 private:
  Status ErrorsAs(std::string_view key) const {
    if (!diagnostics_.has_errors()) return {};
    Error error = diagnostics_.AsError(key);
    error.message += fmt::format("; {}", kMakePlanAgain);
    return tl::unexpected<Error>(std::move(error));
  }
  Diagnostic& Wrong(Span where, std::string message) {
    return diagnostics_.Error("P1", where, std::move(message));
  }

  // --- head ---

  Status ReadHead() {
    const auto* head =
        schedule_.items.empty() ? nullptr : std::get_if<decl::Record>(&schedule_.items[0].what);
    if (head == nullptr || head->kind != "plan") {
      Wrong({}, "this is no plan: it does not begin with a record 'plan'");
      return ErrorsAs("PLAN_INVALID");
    }
    const Span where = schedule_.items[0].where;
    PlanAttributes attributes(diagnostics_, head->attributes, where);
    const uint64_t version = attributes.Required<uint64_t>("version");
    if (version != kPlanVersion) {
      diagnostics_.Error("P2", where,
                         fmt::format("a plan of version {}; this program reads version {}", version,
                                     kPlanVersion));
      return ErrorsAs("PLAN_MISMATCH");
    }
    const std::string model = FingerprintText(ModelFingerprint(graph_));
    if (const std::string made_for = attributes.Text("model"); made_for != model) {
      diagnostics_.Error("P2", where,
                         fmt::format("a plan for the model '{}' ({}), not for this one ({})",
                                     head->name, made_for, model));
      return ErrorsAs("PLAN_MISMATCH");
    }
    purpose_.budget_bytes = attributes.Required<uint64_t>("budget");
    for (const PlanField& field : kPlanFields) ReadField(field, attributes, where);
    attributes.Finish();
    return ErrorsAs("PLAN_INVALID");
  }

  void ReadField(const PlanField& field, PlanAttributes& attributes, Span where) {
    if (const auto* wide = std::get_if<uint64_t Plan::*>(&field.member)) {
      plan_.*(*wide) = attributes.Required<uint64_t>(field.name);
    } else if (const auto* narrow = std::get_if<uint32_t Plan::*>(&field.member)) {
      plan_.*(*narrow) = attributes.Required<uint32_t>(field.name);
    } else {
      const std::string name = attributes.Text(field.name);
      const std::optional<DType> type = DTypeFromName(name);
      if (!type) Wrong(where, fmt::format("'{}' is no type, in '{}'", name, field.name));
      plan_.*std::get<DType Plan::*>(field.member) = type.value_or(DType::kF32);
    }
  }

  // --- declarations ---

  void ReadItem(const Item& item) {
    if (const auto* budget = std::get_if<decl::Budget>(&item.what)) {
      ReadBudget(*budget, item.where);
      return;
    }
    const auto* record = std::get_if<decl::Record>(&item.what);
    if (record == nullptr) {
      Wrong(item.where, "a plan has no such declaration");
      return;
    }
    PlanAttributes attributes(diagnostics_, record->attributes, item.where);
    if (record->kind == "queue") {
      queues_.try_emplace(record->name, plan_.queues.size());
      plan_.queues.push_back({record->name, {}});
    } else if (record->kind == "buffer") {
      ReadBuffer(*record, item.where, attributes);
    } else if (record->kind == "weight") {
      const std::optional<size_t> weight = weights_.Find(record->name);
      if (!weight) Wrong(item.where, fmt::format("this model has no weight '{}'", record->name));
      const uint64_t offset = attributes.Required<uint64_t>("at");
      if (weight && plan_.on_device(offset)) {
        plan_.device->weight_offsets[*weight] = offset;
      } else if (weight) {
        plan_.weight_offsets[*weight] = offset;
      }
    } else if (record->kind == kMachineRecord) {
      ReadMachine(*record, item.where, attributes);
    } else if (record->kind == kChangeRecord) {
      ReadChange(*record, attributes);  // the graph has been changed so
    } else if (record->kind == kSealRecord) {
      seal_ = &item;
    } else if (&item != &schedule_.items[0]) {
      Wrong(item.where, fmt::format("a plan has no record '{}' here", record->kind));
    } else {
      return;  // the head
    }
    attributes.Finish();
  }

  void ReadBudget(const decl::Budget& budget, Span where) {
    const uint64_t bytes = ByteCount(budget.size).value_or(0);
    const bool spills = Spills(graph_);
    if (spills && budget.memory == kScratchName) {
      if (plan_.scratch_bytes != 0) Wrong(where, "a second budget of this name");
      plan_.scratch_bytes = bytes;
      return;
    }
    if (plan_.device || (spills && !plan_.memory.name.empty())) Wrong(where, "one budget too many");
    (plan_.memory.name.empty() ? plan_.memory : NewDevice().memory) = {budget.memory, bytes};
  }
  PlanDevice& NewDevice() {
    PlanDevice& device = plan_.device.emplace();
    device.weight_offsets.resize(graph_.weights.size());
    return device;
  }

  void ReadMachine(const decl::Record& record, Span where, PlanAttributes& attributes) {
    if (has_machine_) Wrong(where, "a second machine");
    has_machine_ = true;
    purpose_.machine = record.name;
    for (const RateField& rate : kRateFields) {
      purpose_.rates.*rate.member =
          static_cast<double>(attributes.Required<uint64_t>(rate.name)) * rate.unit;
    }
    purpose_.rates.measured = attributes.Flag(kRatesMeasured);
  }

  void ReadBuffer(const decl::Record& record, Span where, PlanAttributes& attributes) {
    const BufferId id{static_cast<uint32_t>(plan_.buffers.size())};
    PlanBuffer buffer{record.name, BufferKind::kResident, 0, 0};
    size_t kinds = 0;
    for (const auto& [kind, name] : kBufferKinds) {
      if (!attributes.Flag(name)) continue;
      buffer.kind = kind;
      ++kinds;
    }
    if (kinds != 1) Wrong(where, "a buffer has one kind");
    buffer.offset = attributes.Required<uint64_t>("at");
    buffer.bytes = attributes.Required<uint64_t>("bytes");
    const bool on_device = plan_.on_device(buffer.offset);
    while (const Attribute* use = attributes.Take("value")) {
      const std::string name = attributes.TextOf(*use);
      const std::optional<size_t> value = values_.Find(name);
      if (!value) Wrong(use->where, fmt::format("this model has no value '{}'", name));
      if (value) Assign(on_device ? device_values_ : value_buffers_, *value, id, use->where);
    }
    while (const Attribute* use = attributes.Take("layer")) {
      Assign(cache_buffers_, attributes.Checked<uint64_t>(*use), id, use->where);
    }
    while (const Attribute* use = attributes.Take("worker")) {
      Uses& uses = on_device ? device_workspace_ : workspace_buffers_;
      Assign(uses, attributes.Checked<uint64_t>(*use), id, use->where);
    }
    if (attributes.Flag("rope")) Assign(on_device ? device_rope_ : rope_buffers_, 0, id, where);
    plan_.buffers.push_back(std::move(buffer));
  }

  using Uses = std::map<uint64_t, BufferId>;
  void Assign(Uses& uses, uint64_t index, BufferId id, Span where) {
    if (!uses.emplace(index, id).second) Wrong(where, "two buffers have this use");
  }

  // --- steps ---

  void ReadBlock(const Block& block) {
    const std::string name = QueueOfPlace(block.place);
    const auto queue = queues_.find(name);
    if (queue == queues_.end() || block.closed) {
      Wrong(block.where, fmt::format("'{}' is no queue of this plan", name));
      return;
    }
    for (const Command& command : block.commands) ReadCommand(queue->second, command);
  }

  void ReadCommand(size_t queue, const Command& command) {
    PlanAttributes attributes(diagnostics_, command.attributes, command.where);
    std::vector<Step>& steps = plan_.queues[queue].steps;
    if (const auto* sync = std::get_if<cmd::Sync>(&command.what)) {
      for (const cmd::Sync::Target& target : sync->targets) {
        waits_.push_back({queue, steps.size(), &target});
      }
    } else if (const auto* fence = std::get_if<cmd::Fence>(&command.what)) {
      ReadFence(queue, fence->name, command.where);
    } else if (const auto* work = std::get_if<cmd::Work>(&command.what)) {
      Step& step = steps.emplace_back();
      where_[{queue, steps.size() - 1}] = command.where;
      ReadWork(*work, command.where, attributes, step);
      for (const auto& [name, flag] : kStepFlags) step.*flag = attributes.Flag(name);
    } else if (const auto* move = std::get_if<cmd::Move>(&command.what)) {
      Step& step = steps.emplace_back();
      where_[{queue, steps.size() - 1}] = command.where;
      step.work = ReadMove(*move, command.where);
      for (const auto& [name, flag] : kStepFlags) step.*flag = attributes.Flag(name);
    } else {
      Wrong(command.where, "a plan has no such command");
    }
    attributes.Finish();
  }

  void ReadFence(size_t queue, const std::string& name, Span where) {
    const size_t steps = plan_.queues[queue].steps.size();
    if (steps == 0) {
      Wrong(where, "a fence follows a step; this queue has had none");
      return;
    }
    plan_.fences.push_back({name, static_cast<uint32_t>(queue), static_cast<uint32_t>(steps - 1)});
    if (const auto [known, added] = fence_places_.try_emplace(name, where); !added) {
      diagnostics_.Error("A2", where, fmt::format("fence '{}' is defined twice", name))
          .NoteAt(known->second, "first here");
    }
  }

  void ReadWork(const cmd::Work& work, Span where, PlanAttributes& attributes, Step& step) {
    const std::string name = DottedName(work.ref);
    const std::vector<Expr>& slice = *work.ref.slice;
    if (work.verb == cmd::Verb::kEvaluate) {
      ReadOp(name, slice, where, attributes, step);
    } else if (work.verb == cmd::Verb::kLoad && slice.size() == 2) {
      step.work = ReadLoad(work.ref, where, attributes);
    } else if (work.verb == cmd::Verb::kLoad && slice.size() == 1 && slice[0].text == "tokens") {
      step.work = ReadLoadRows(name, where, attributes);
    } else {
      Wrong(where, "a plan has no such command");
    }
    if (!work.ref.qualifier->empty()) Wrong(where, "a plan has no '@' after a name");
  }

  uint64_t Bound(const std::vector<Expr>& slice, size_t which) {
    const std::optional<uint64_t> value =
        slice[which].kind == Expr::Kind::kNumber ? WholeNumber(slice[which].text) : std::nullopt;
    if (!value) Wrong(slice[which].where, "a whole number is needed here");
    return value.value_or(0);
  }

  void ReadOp(const std::string& name, const std::vector<Expr>& slice, Span where,
              PlanAttributes& attributes, Step& step) {
    const std::optional<size_t> found = ops_.Find(name);
    if (!found) Wrong(where, fmt::format("this model has no op '{}'", name));
    const auto op = OpId(static_cast<uint32_t>(found.value_or(0)));
    if (const Attribute* scratch = attributes.Take("scratch")) {
      step.work = step::Transfer{op, attributes.Checked<uint64_t>(*scratch)};
      if (!slice.empty()) Wrong(where, "a value is moved whole");
    } else {
      step.work = ReadRun(op, slice, where, attributes);
    }
  }

  step::Run ReadRun(OpId op, const std::vector<Expr>& slice, Span where,
                    PlanAttributes& attributes) {
    step::Run run{op};
    if (slice.size() == 1) Wrong(where, "rows are written as [begin..end]");
    if (slice.size() == 2) {
      run.row_begin = Bound(slice, 0);
      run.row_end = Bound(slice, 1);
      run.weights_offset = attributes.Required<uint64_t>("weights");
    } else {
      run.weights_offset = attributes.Optional("weights");
    }
    return run;
  }

  step::Load ReadLoad(const Ref& ref, Span where, PlanAttributes& attributes) {
    step::Load load{};
    const bool part = ref.parts.size() == 2 && ref.parts[0].text == "part";
    const std::optional<uint64_t> number = part ? WholeNumber(ref.parts[1].text) : std::nullopt;
    if (!number || *number > ~uint32_t{0} || !ref.parts[1].last->empty()) {
      Wrong(where, "what is loaded is written as part.0[begin..end]");
    } else {
      load.part = static_cast<uint32_t>(*number);
    }
    load.file_offset = Bound(ref.slice, 0);
    const uint64_t end = Bound(ref.slice, 1);
    if (end < load.file_offset) Wrong(where, "this ends before it begins");
    load.bytes = end - load.file_offset;
    load.arena_offset = attributes.Required<uint64_t>("at");
    load.once = attributes.Flag("once");
    return load;
  }

  step::Move ReadMove(const cmd::Move& move, Span where) {
    const std::string name = DottedName(move.ref);
    const std::optional<size_t> value = values_.Find(name);
    if (!value) Wrong(where, fmt::format("this model has no value '{}'", name));
    const auto queue = queues_.find(QueueOfPlace(move.to));
    const bool known =
        queue != queues_.end() && (queue->second == kCpuQueue || queue->second == kDeviceQueue);
    if (!known) Wrong(where, "values are moved to a place that computes");
    return {ValueId(value.value_or(0)), known && queue->second == kDeviceQueue};
  }

  step::LoadRows ReadLoadRows(const std::string& name, Span where, PlanAttributes& attributes) {
    step::LoadRows rows{};
    const std::optional<size_t> table = weights_.Find(name);
    if (!table) Wrong(where, fmt::format("this model has no weight '{}'", name));
    rows.table = WeightId(static_cast<uint32_t>(table.value_or(0)));
    const std::string into = attributes.Text("into");
    if (!buffers_) buffers_.emplace(plan_.buffers);
    const std::optional<size_t> staging = buffers_->Find(into);
    if (!staging) Wrong(where, fmt::format("there is no buffer '{}'", into));
    rows.staging = BufferId(static_cast<uint32_t>(staging.value_or(0)));
    rows.stride = attributes.Required<uint64_t>("stride");
    return rows;
  }

  // --- what refers to what ---

  void ResolveSyncs() {
    std::stable_sort(plan_.fences.begin(), plan_.fences.end(), [](const Fence& a, const Fence& b) {
      return std::pair(a.queue, a.step) < std::pair(b.queue, b.step);
    });
    std::unordered_map<std::string_view, uint32_t> ids;
    for (const Fence& fence : plan_.fences)
      ids.emplace(fence.name, static_cast<uint32_t>(ids.size()));
    for (const Wait& wait : waits_) {
      const auto fence = ids.find(wait.target->fence);
      if (fence == ids.end()) {
        diagnostics_.Error("I7", wait.target->where,
                           fmt::format("no fence '{}' in this plan", wait.target->fence));
      } else if (wait.step >= plan_.queues[wait.queue].steps.size()) {
        Wrong(wait.target->where, "a sync stands before a step; this queue has no more");
      } else {
        plan_.queues[wait.queue].steps[wait.step].syncs.push_back(
            {FenceId(fence->second), wait.target->distance});
      }
    }
  }

  void AssignBuffers() {
    if (plan_.device) AssignDeviceBuffers(*plan_.device);
    plan_.value_buffers = InOrder(value_buffers_, graph_.values.size(), "value");
    plan_.cache_buffers = InOrder(cache_buffers_, graph_.attention.layers, "layer");
    plan_.workspace_buffers = InOrder(workspace_buffers_, plan_.workers, "worker");
    const std::vector<BufferId> rope = InOrder(rope_buffers_, 1, "rope");
    if (!rope.empty()) plan_.rope_buffer = rope[0];
  }

  // What lies on the device alone has its place there.
  void AssignDeviceBuffers(PlanDevice& device) {
    device.value_buffers.resize(graph_.values.size());
    for (const auto& [value, id] : device_values_) {
      device.value_buffers[value] = id;
      value_buffers_.try_emplace(value, id);
    }
    const std::vector<BufferId> worker = InOrder(device_workspace_, 1, "worker");
    const std::vector<BufferId> rope = InOrder(device_rope_, 1, "rope");
    if (!worker.empty()) device.workspace_buffer = worker[0];
    if (!rope.empty()) device.rope_buffer = rope[0];
  }

  // One buffer for each of `count` uses; empty, and reported, if it is not so.
  std::vector<BufferId> InOrder(const Uses& uses, uint64_t count, std::string_view what) {
    std::vector<BufferId> out;
    for (const auto& [index, id] : uses) {
      if (index == out.size()) out.push_back(id);
    }
    if (out.size() == count && uses.size() == count) return out;
    Wrong(schedule_.items[0].where,
          fmt::format("{} {} need a buffer each; {} have one, with numbers up to {}", count, what,
                      uses.size(), uses.empty() ? 0 : uses.rbegin()->first));
    return {};
  }

  // --- the whole ---

  void CheckWhole() {
    const Status status = CheckPlan(graph_, plan_);
    if (!status) {
      diagnostics_.Error("P3", PlaceOf(status.error().message), status.error().message);
      return;
    }
    if (seal_ == nullptr) return;
    const std::string found = std::get<decl::Record>(seal_->what).name;
    const Span where = seal_->where;
    const std::string expected = FingerprintText(SealOf(std::move(schedule_)));
    if (found == expected) return;
    diagnostics_
        .Error(
            "P4", where,
            fmt::format("this plan was changed after it was made: its seal would be {}", expected))
        .Help("without this line it is taken as it is");
  }

  // Of the step that the checker names first, "CPU step 3: ..".
  Span PlaceOf(std::string_view message) const {
    for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
      const std::string head = plan_.queues[queue].name + " step ";
      if (!message.starts_with(head)) continue;
      size_t step = 0;
      std::from_chars(message.data() + head.size(), message.data() + message.size(), step);
      const auto found = where_.find({queue, step});
      if (found != where_.end()) return found->second;
    }
    for (const Item& item : schedule_.items) {
      const auto* record = std::get_if<decl::Record>(&item.what);
      if (record && !record->name.empty() && message.starts_with(record->name + ':'))
        return item.where;
    }
    return schedule_.items[0].where;
  }

  struct Wait {
    size_t queue, step;
    const cmd::Sync::Target* target;
  };

  const Graph& graph_;
  Diagnostics& diagnostics_;
  const UniqueNames ops_, weights_, values_;
  std::optional<UniqueNames> buffers_;
  Schedule schedule_;
  const Item* seal_ = nullptr;
  Plan plan_;
  PlanPurpose purpose_;
  bool has_machine_ = false;
  std::unordered_map<std::string, size_t> queues_;
  Uses value_buffers_, cache_buffers_, workspace_buffers_, rope_buffers_;
  Uses device_values_, device_workspace_, device_rope_;
  std::unordered_map<std::string, Span> fence_places_;
  std::map<std::pair<size_t, size_t>, Span> where_;  // of steps
  std::vector<Wait> waits_;
};

}  // namespace

Result<SavedPlan> ReadPlan(const Graph& graph, Diagnostics& diagnostics) {
  return Reader(graph, diagnostics).Read();
}

}  // namespace tinyai
