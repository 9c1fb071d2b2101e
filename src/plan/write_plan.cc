#include <map>
#include <utility>

#include "fmt/format.h"
#include "lang/print_schedule.h"
#include "plan/fingerprint.h"
#include "plan/plan_file.h"
#include "plan/plan_names.h"

namespace tinyai {
namespace {

Expr TextExpr(std::string text) { return MakeExpr(Expr::Kind::kString, std::move(text), {}, {}); }
Expr NameExpr(std::string_view name) {
  return MakeExpr(Expr::Kind::kName, std::string(name), {}, {});
}

class Attributes {
 public:
  Attributes& Number(std::string_view name, uint64_t value) { return Put(name, NumberExpr(value)); }
  Attributes& Text(std::string_view name, std::string value) {
    return Put(name, TextExpr(std::move(value)));
  }
  Attributes& Word(std::string_view name, std::string_view value) {
    return Put(name, NameExpr(value));
  }
  Attributes& Flag(std::string_view name, bool set = true) {
    if (set) list_.push_back({std::string(name)});
    return *this;
  }
  Attributes& Add(Attribute attribute) {
    list_.push_back(std::move(attribute));
    return *this;
  }
  std::vector<Attribute> Take() { return std::move(list_); }

 private:
  Attributes& Put(std::string_view name, Expr value) {
    list_.push_back({std::string(name), std::move(value)});
    return *this;
  }
  std::vector<Attribute> list_;
};

class Writer {
 public:
  Writer(const Graph& graph, const Plan& plan, const PlanPurpose& purpose,
         std::span<const GraphChange> changes)
      : graph_(graph),
        plan_(plan),
        purpose_(purpose),
        changes_(changes),
        ops_(graph.ops),
        weights_(graph.weights),
        values_(graph.values),
        buffers_(plan.buffers),
        next_(plan.queues.size()) {
    for (const Fence& fence : plan.fences)
      fences_.emplace(std::pair(fence.queue, fence.step), &fence);
  }

  std::string Write() {
    WriteHead();
    WriteBuffers();
    WriteWeights(plan_.weight_offsets);
    if (plan_.device) WriteWeights(plan_.device->weight_offsets);
    WriteBlocks();
    const uint64_t seal = SealOf(out_);
    Record(kSealRecord, FingerprintText(seal), {});
    return PrintSchedule(out_);
  }

 private:
  void Record(std::string_view kind, std::string name, Attributes attributes) {
    out_.items.push_back({decl::Record{std::string(kind), std::move(name), attributes.Take()}, {}});
  }

  void WriteHead() {
    Attributes fields;
    fields.Number("version", kPlanVersion);
    fields.Text("model", FingerprintText(ModelFingerprint(graph_)));
    fields.Number("budget", purpose_.budget_bytes);
    for (const PlanField& field : kPlanFields) {
      if (const auto* type = std::get_if<DType Plan::*>(&field.member)) {
        fields.Word(field.name, Name(plan_.*(*type)));
      } else if (const auto* wide = std::get_if<uint64_t Plan::*>(&field.member)) {
        fields.Number(field.name, plan_.*(*wide));
      } else {
        fields.Number(field.name, plan_.*std::get<uint32_t Plan::*>(field.member));
      }
    }
    Record("plan", graph_.name, std::move(fields));
    Attributes rates;
    for (const RateField& rate : kRateFields) rates.Number(rate.name, rate.Whole(purpose_.rates));
    rates.Flag(kRatesMeasured, purpose_.rates.measured);
    Record(kMachineRecord, purpose_.machine, std::move(rates));
    for (const GraphChange& change : changes_) WriteChange(change);
    for (const PlanQueue& queue : plan_.queues) Record("queue", queue.name, {});
    WriteBudget(plan_.memory);
    if (plan_.device) WriteBudget(plan_.device->memory);
    if (plan_.spills()) WriteBudget({std::string(kScratchName), plan_.scratch_bytes});
  }
  void WriteChange(const GraphChange& change) {
    Attributes fields;
    for (const auto& [kind, name] : kChangeKinds) fields.Flag(name, kind == change.kind);
    fields.Number("first", change.first);
    if (change.kind != GraphChange::Kind::kFetchEarlier) fields.Number("second", change.second);
    if (change.kind == GraphChange::Kind::kBands) fields.Number("count", change.bands);
    Record(kChangeRecord, change.name, std::move(fields));
  }
  void WriteBudget(const PlanMemory& memory) {
    out_.items.push_back({decl::Budget{memory.name, fmt::format("{}", memory.arena_bytes)}, {}});
  }

  void WriteWeights(const std::vector<std::optional<uint64_t>>& offsets) {
    for (size_t i = 0; i < offsets.size(); ++i) {
      if (offsets[i]) Record("weight", weights_[i], Attributes().Number("at", *offsets[i]));
    }
  }

  void WriteBuffers() {
    std::vector<Attributes> uses(plan_.buffers.size());
    for (size_t i = 0; i < plan_.value_buffers.size(); ++i) {
      uses[Index(plan_.value_buffers[i])].Text("value", values_[i]);
    }
    for (size_t i = 0; i < plan_.cache_buffers.size(); ++i) {
      uses[Index(plan_.cache_buffers[i])].Number("layer", i);
    }
    for (size_t i = 0; i < plan_.workspace_buffers.size(); ++i) {
      uses[Index(plan_.workspace_buffers[i])].Number("worker", i);
    }
    if (!plan_.buffers.empty()) uses[Index(plan_.rope_buffer)].Flag("rope");
    if (plan_.device) AddDeviceUses(*plan_.device, uses);
    for (size_t i = 0; i < plan_.buffers.size(); ++i) {
      const PlanBuffer& buffer = plan_.buffers[i];
      Attributes attributes;
      for (const auto& [kind, name] : kBufferKinds) {
        if (kind == buffer.kind) attributes.Flag(name);
      }
      attributes.Number("at", buffer.offset).Number("bytes", buffer.bytes);
      for (Attribute& use : uses[i].Take()) attributes.Add(std::move(use));
      Record("buffer", buffer.name, std::move(attributes));
    }
  }

  // A buffer's offset tells in which memory its uses are.
  void AddDeviceUses(const PlanDevice& device, std::vector<Attributes>& uses) const {
    for (size_t i = 0; i < device.value_buffers.size(); ++i) {
      const std::optional<BufferId>& buffer = device.value_buffers[i];
      if (buffer && *buffer != plan_.value_buffers[i])
        uses[Index(*buffer)].Text("value", values_[i]);
    }
    uses[Index(device.workspace_buffer)].Number("worker", 0);
    uses[Index(device.rope_buffer)].Flag("rope");
  }

  // --- steps ---

  // Blocks of what each queue can issue before it waits for another, DISK first. Where none can go
  // on, which no plan has that is accepted, the rest follows as it is.
  void WriteBlocks() {
    size_t left = 0, idle = 0;
    for (const PlanQueue& queue : plan_.queues) left += queue.steps.size();
    for (size_t queue = kDiskQueue; left > 0; ++queue) {
      const size_t written = WriteBlock(queue % plan_.queues.size(), idle >= plan_.queues.size());
      left -= written;
      idle = written == 0 ? idle + 1 : 0;
    }
  }

  bool Ready(const Step& step) const {
    for (const Sync& sync : step.syncs) {
      const Fence& fence = plan_.fences[Index(sync.fence)];
      if (sync.distance == 0 && next_.at(fence.queue) <= fence.step) return false;
    }
    return true;
  }

  size_t WriteBlock(size_t queue, bool force) {
    const std::vector<Step>& steps = plan_.queues[queue].steps;
    const size_t begin = next_[queue];
    Block block{false, PlaceOfQueue(plan_.queues[queue].name), {}, {}};
    for (size_t& at = next_[queue]; at < steps.size() && (force || Ready(steps[at])); ++at) {
      WriteStep(queue, at, block.commands);
    }
    const size_t written = next_[queue] - begin;
    if (written != 0) out_.items.push_back({std::move(block), {}});
    return written;
  }

  void WriteStep(size_t queue, size_t at, std::vector<Command>& out) const {
    const Step& step = plan_.queues[queue].steps[at];
    for (const Sync& sync : step.syncs) {
      out.push_back({cmd::Sync{{{plan_.fences[Index(sync.fence)].name, sync.distance}}}});
    }
    Attributes attributes;
    auto work = std::visit(
        [&](const auto& what) -> std::variant<cmd::Work, cmd::Move> {
          return Work(what, attributes);
        },
        step.work);
    for (const auto& [name, flag] : kStepFlags) attributes.Flag(name, step.*flag);
    std::visit([&](auto& what) { out.push_back({std::move(what), attributes.Take()}); }, work);
    const auto [first, last] =
        fences_.equal_range({static_cast<uint32_t>(queue), static_cast<uint32_t>(at)});
    for (auto fence = first; fence != last; ++fence) {
      out.push_back({cmd::Fence{fence->second->name}});
    }
  }

  cmd::Work Work(const step::Load& load, Attributes& attributes) const {
    cmd::Work out{cmd::Verb::kLoad, RefFromDotted(fmt::format("part.{}", load.part))};
    out.ref.slice.edit() = {NumberExpr(load.file_offset),
                            NumberExpr(load.file_offset + load.bytes)};
    attributes.Number("at", load.arena_offset).Flag("once", load.once);
    return out;
  }
  cmd::Work Work(const step::LoadRows& rows, Attributes& attributes) const {
    cmd::Work out{cmd::Verb::kLoad, RefFromDotted(weights_[Index(rows.table)])};
    out.ref.slice.edit() = {NameExpr("tokens")};
    attributes.Text("into", buffers_[Index(rows.staging)]).Number("stride", rows.stride);
    return out;
  }
  // To the place that computes in the memory.
  cmd::Move Work(const step::Move& move, Attributes&) const {
    const size_t to = move.to_device ? kDeviceQueue : kCpuQueue;
    return {RefFromDotted(values_[Index(move.value)]), PlaceOfQueue(plan_.queues[to].name)};
  }
  cmd::Work Work(const step::Run& run, Attributes& attributes) const {
    cmd::Work out{cmd::Verb::kEvaluate, RefFromDotted(ops_[Index(run.op)])};
    const bool rows = run.row_begin != 0 || run.row_end != 0;
    if (rows) out.ref.slice.edit() = {NumberExpr(run.row_begin), NumberExpr(run.row_end)};
    if (rows || run.weights_offset != 0) attributes.Number("weights", run.weights_offset);
    return out;
  }

  cmd::Work Work(const step::Transfer& move, Attributes& attributes) const {
    attributes.Number("scratch", move.scratch_offset);
    return {cmd::Verb::kEvaluate, RefFromDotted(ops_[Index(move.op)])};
  }

  const Graph& graph_;
  const Plan& plan_;
  const PlanPurpose& purpose_;
  const std::span<const GraphChange> changes_;
  const UniqueNames ops_, weights_, values_, buffers_;
  std::multimap<std::pair<uint32_t, uint32_t>, const Fence*> fences_;
  std::vector<size_t> next_;  // step to write, by queue
  Schedule out_;
};

}  // namespace

std::string WritePlan(const Graph& graph, const Plan& plan, const PlanPurpose& purpose,
                      std::span<const GraphChange> changes) {
  return Writer(graph, plan, purpose, changes).Write();
}

}  // namespace tinyai
