#include "program/compile_program.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "lang/parse_schedule.h"
#include "lang/print_schedule.h"
#include "lang/resolve_program.h"
#include "plan/resolve_schedule.h"
#include "program/carry_values.h"
#include "program/certify.h"
#include "program/complete_schedule.h"
#include "program/order_lines.h"
#include "program/place_implied.h"
#include "program/program_net.h"
#include "program/read_machine.h"
#include "program/read_objective.h"
#include "program/review_schedule.h"
#include "program/wishes.h"

namespace tinyai {
namespace {

// Larger nets are planned without search.
constexpr size_t kMostSearchedOps = 5000;

tl::unexpected<Error> FirstOf(const Diagnostics& out, bool of_schedule) {
  const std::string& code = out.all().front().code;
  return tl::unexpected<Error>(out.AsError(of_schedule ? ScheduleKey(code) : "PROGRAM_INVALID"));
}

void FindLoops(const std::vector<Command>& commands, std::set<std::string>& out) {
  for (const Command& command : commands) {
    if (const auto* loop = std::get_if<cmd::Loop>(&command.what)) {
      out.insert(loop->name);
      FindLoops(loop->body, out);
    }
    if (const auto* block = std::get_if<Block>(&command.what)) FindLoops(block->commands, out);
    if (const auto* branch = std::get_if<cmd::If>(&command.what)) {
      FindLoops(branch->then, out);
      if (branch->otherwise) FindLoops(*branch->otherwise, out);
    }
  }
}

bool Names(const Expr& terms, std::string_view name) {
  return (terms.kind == Expr::Kind::kName && terms.text == name) ||
         std::any_of(terms.operands.begin(), terms.operands.end(),
                     [&](const Expr& one) { return Names(one, name); });
}

class Compiler {
 public:
  Compiler(Diagnostics& program, Diagnostics* schedule, const CompileOptions& options)
      : values_(program), out_(schedule != nullptr ? *schedule : program), options_(options) {}

  Result<CompiledProgram> Compile(bool has_schedule) {
    Schedule schedule;
    if (has_schedule) {
      schedule = ParseSchedule(out_);
      if (out_.has_errors()) return FirstOf(out_, true);
    }
    ResolveOptions resolve;
    for (const Item& item : schedule.items) {
      if (const auto* block = std::get_if<Block>(&item.what)) {
        FindLoops(block->commands, resolve.unrolled);
      }
    }
    compiled_.program = ResolveProgram(values_, resolve);
    if (values_.has_errors()) return FirstOf(values_, false);
    compiled_.devices = options_.devices;
    net_ = BuildProgramNet(compiled_.program, compiled_.devices, options_.costs);
    if (!CheckPlaces()) return FirstOf(values_, false);
    wishes_ = ReadWishes(compiled_.program, compiled_.devices, options_.costs, schedule,
                         values_.source(), net_, out_);
    if (out_.has_errors()) return FirstOf(out_, true);
    if (options_.cost_text != nullptr) {
      TRY(UseCosts(schedule));
    }
    TakeListed(compiled_.program, compiled_.devices, values_.source(), wishes_, net_, out_);
    if (!OrderLines(wishes_, compiled_.program, compiled_.devices, values_.source(), net_, out_)) {
      return FirstOf(out_, true);
    }
    CheckPrintOrder(wishes_, net_, out_);
    if (out_.has_errors()) return FirstOf(out_, true);
    WarnOfPlaces(compiled_.program, compiled_.devices, wishes_, net_, out_);
    WarnOfUnused(compiled_.program, wishes_, net_, values_);
    TRY(Plan());
    if (out_.has_errors()) return FirstOf(out_, true);
    WarnOfTraps(compiled_.program, wishes_, compiled_, values_.source(), out_);
    compiled_.certificate = Certify(compiled_, objective_);
    compiled_.schedule = CompleteSchedule(compiled_, wishes_);
    Keep(schedule);
    return std::move(compiled_);
  }

 private:
  // I9 of the program itself: an op that no place of this machine can do.
  bool CheckPlaces() {
    for (size_t i = 0; i < net_.op_of.size(); ++i) {
      if (!net_.op_of[i] || !net_.net.op(*net_.op_of[i]).choices.empty()) continue;
      const Eval& eval = compiled_.program.evals[i];
      values_
          .Error("I9", eval.where,
                 fmt::format("'{}' can be computed nowhere (declared: {})",
                             net_.net.op(*net_.op_of[i]).name, compiled_.devices.PlaceNames()))
          .Help("declare a kernel for one of these places, or a device that can");
    }
    return !values_.has_errors();
  }

  // The costs are for this program, and so is their objective if the schedule has none.
  Status UseCosts(const Schedule& schedule) {
    const Expr* terms = options_.costs.objective ? &*options_.costs.objective : nullptr;
    for (const Item& item : schedule.items) {
      if (const auto* said = std::get_if<decl::Objective>(&item.what)) terms = &said->terms;
    }
    Diagnostics& costs = *options_.cost_text;
    if (!wishes_.objective && terms != nullptr) {
      wishes_.objective = ReadObjective(*terms, compiled_.devices, costs);
    }
    const bool timed = terms != nullptr && Names(*terms, "makespan");
    CheckCosts(compiled_.program, compiled_.devices, options_.costs, timed, net_, costs);
    for (const Diagnostic& one : costs.all()) {
      if (one.severity != Severity::kError) continue;
      return tl::unexpected<Error>(costs.AsError(ScheduleKey(one.code)));
    }
    return {};
  }

  Status Plan() {
    objective_ = wishes_.objective.value_or(NetObjective::ForPrograms());
    SearchLimits limits = options_.limits;
    if (net_.net.ops.size() > kMostSearchedOps) limits.effort = Effort::kFast;
    PlaceImplied(compiled_.program, net_, wishes_);
    const bool apart = Memories() > 1;
    const bool chosen = std::any_of(net_.net.ops.begin(), net_.net.ops.end(),
                                    [](const NetOp& op) { return op.choices.size() > 1; });
    if (chosen && (apart || !wishes_.lines.empty())) TRY(FixPlaces(limits));
    if (!CarryValues(compiled_.program, compiled_.devices, values_.source(), wishes_, net_, out_) ||
        !FitUnlisted(wishes_, compiled_.program, net_, out_)) {
      return {};
    }
    AddLinks();
    Result<PlannedNet> planned = CompileNet(net_.net, objective_, limits);
    if (!planned) return Explain(std::move(planned).error());
    Adopt(std::move(*planned));
    return {};
  }

  // In how many memories places compute.
  size_t Memories() const {
    std::set<uint32_t> memories;
    for (const Devices::Place& place : compiled_.devices.places) {
      if (place.computes) memories.insert(place.memory);
    }
    return memories.size();
  }

  // Gives each op the place where it is best as if there were one memory; what it takes to move
  // values is known only when all have places.
  Status FixPlaces(const SearchLimits& limits) {
    TaskNet joined = net_.net;
    joined.memories.assign(1, {});
    for (NetPlace& place : joined.places) place.memory = MemoryId(0);
    for (NetValue& value : joined.values) value.memory = MemoryId(0);
    const bool apart = Memories() > 1;
    Result<PlannedNet> placed = CompileNet(apart ? joined : net_.net, objective_, limits);
    if (!placed) return Explain(std::move(placed).error());
    for (size_t i = 0; i < net_.net.ops.size(); ++i) {
      const PlaceId place = placed->place_of[i];
      std::erase_if(net_.net.ops[i].choices,
                    [&](const NetChoice& choice) { return choice.place != place; });
    }
    return {};
  }

  // The ways out of a memory and back, for values for which there is no room.
  void AddLinks() {
    const Devices& devices = compiled_.devices;
    for (const Devices::Link& out : devices.links) {
      for (const Devices::Link& back : devices.links) {
        if (out.from != back.to || out.to != back.from) continue;
        net_.net.links.push_back({MemoryId(out.from), MemoryId(out.to), LinkPlace(devices, out),
                                  LinkPlace(devices, back), out.latency_seconds,
                                  out.bytes_per_second});
      }
    }
  }

  void Adopt(PlannedNet planned) {
    compiled_.net = planned.net ? std::move(*planned.net) : std::move(net_.net);
    compiled_.plan = std::move(planned.plan);
    compiled_.work = std::move(net_.work);
    compiled_.def_of = std::move(net_.def_of);
    if (planned.net) NameAdded(planned.added);
    compiled_.details = std::move(planned);
    wishes_.line_of.resize(compiled_.net.ops.size());
    wishes_.branch_of = std::move(net_.branch_of);
    for (size_t i = 0; i < compiled_.net.ops.size(); ++i) {
      const auto line = wishes_.line_of[i];
      compiled_.origins.push_back(line ? wishes_.lines[*line].where : Span{});
    }
  }

  // What the ops do that the planner added since memory was short.
  void NameAdded(const std::vector<AddedOp>& added) {
    const std::vector<std::optional<NetOpId>> makers = Makers(compiled_.net);
    compiled_.def_of.resize(compiled_.net.values.size());
    compiled_.work.resize(compiled_.net.ops.size(), work::Mark{});
    for (const AddedOp& one : added) {
      const DefId def = compiled_.def_of[Index(one.value)];
      for (const NetValueId out : compiled_.net.op(one.op).outs) compiled_.def_of[Index(out)] = def;
      NetWork& work = compiled_.work[Index(one.op)];
      if (one.kind != AddedOp::Kind::kRecompute) {
        work = work::Move{def};
        continue;
      }
      work = compiled_.work[Index(*makers[Index(one.value)])];
      if (auto* evaluate = std::get_if<work::Evaluate>(&work)) evaluate->again = true;
    }
  }

  // I10 where the budget is the schedule's.
  Status Explain(Error error) {
    if (error.key != "BUDGET_INFEASIBLE" || wishes_.budgets.empty()) {
      return tl::unexpected<Error>(std::move(error));
    }
    const Span where = wishes_.budgets.begin()->second;
    out_.Error("I10", where, error.message.substr(0, error.message.find("; need=")))
        .Help("raise the budget, or place some of it elsewhere");
    return {};
  }

  // What the schedule says beside its blocks.
  void Keep(const Schedule& schedule) {
    std::vector<Item> declarations;
    for (const Item& item : schedule.items) {
      if (!std::holds_alternative<Block>(item.what)) declarations.push_back(item);
    }
    std::vector<Item>& items = compiled_.schedule.items;
    items.insert(items.begin(), declarations.begin(), declarations.end());
    compiled_.schedule.name = schedule.name;
    compiled_.schedule.program = schedule.program;
    compiled_.schedule.head_comments = schedule.head_comments;
    compiled_.schedule.end_comments = {CertificateText(compiled_.certificate)};
  }

  Diagnostics& values_;
  Diagnostics& out_;
  const CompileOptions& options_;
  CompiledProgram compiled_;
  ProgramNet net_;
  Wishes wishes_;
  NetObjective objective_;
};

// Whether a file of a program holds a schedule too.
bool HoldsSchedule(const SourceText& source) {
  return source.text().find("schedule") != std::string_view::npos &&
         source.text().find("value") != std::string_view::npos;
}

}  // namespace

Result<CompiledProgram> CompileProgram(Diagnostics& program, Diagnostics* schedule,
                                       const CompileOptions& options) {
  return Compiler(program, schedule, options)
      .Compile(schedule != nullptr || HoldsSchedule(program.source()));
}

}  // namespace tinyai
