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
#include "program/plan_program.h"
#include "program/program_net.h"
#include "program/read_machine.h"
#include "program/read_objective.h"
#include "program/review_schedule.h"
#include "program/wishes.h"

namespace tinyai {
namespace {

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
    const std::string& name = compiled_.program.name;
    if (!schedule.program.empty() && !name.empty() && schedule.program != name) {
      out_.Error("I7", {},
                 fmt::format("no program '{}': this schedule is compiled for '{}'",
                             schedule.program, name))
          .Help(fmt::format("schedule {} for {} {{ .. }}", schedule.name, name));
      return FirstOf(out_, true);
    }
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
    WarnOfTraps(compiled_.program, wishes_, compiled_, values_.source(), out_);
    compiled_.certificate = Certify(compiled_, objective_);
    std::optional<Schedule> complete = CompleteSchedule(compiled_, wishes_);
    if (!complete) {
      return Fail(ErrorCode::kSchedule, "SCHEDULE_IMPOSSIBLE",
                  "the places wait for each other in a circle");
    }
    compiled_.schedule = std::move(*complete);
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
      wishes_.objective_text = PrintExpr(*terms);
    }
    WarnOfBranches(compiled_.program, options_.costs, wishes_.counting, costs);
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
    objective_.counting = wishes_.counting;
    objective_.often = HowOften(compiled_.program, net_, options_.costs);
    net_.net.fence_seconds = options_.costs.fence_seconds;
    net_.net.sync_seconds = options_.costs.sync_seconds;
    const bool explores = wishes_.objective || options_.pareto || options_.costs.recompute > 0 ||
                          wishes_.counting != NetObjective::Counting::kStatic;
    const PlanTask task{.program = compiled_.program,
                        .devices = compiled_.devices,
                        .costs = options_.costs,
                        .values = values_.source(),
                        .objective = objective_,
                        .limits = options_.limits,
                        .explores = explores,
                        .pareto = options_.pareto,
                        .objective_text = wishes_.objective_text};
    TRY_ASSIGN(const bool planned, PlanProgram(task, std::move(net_), wishes_, out_, compiled_));
    if (!planned) return tl::unexpected<Error>(FirstOf(out_, true));
    return {};
  }

  // What the schedule says beside its blocks.
  void Keep(const Schedule& schedule) {
    std::vector<Item> declarations;
    for (const Item& item : schedule.items) {
      if (!std::holds_alternative<Block>(item.what)) declarations.push_back(item);
    }
    const auto keep = [&](Schedule& out) {
      out.items.insert(out.items.begin(), declarations.begin(), declarations.end());
      out.name = schedule.name;
      out.program = schedule.program;
      out.head_comments = schedule.head_comments;
    };
    keep(compiled_.schedule);
    compiled_.schedule.end_comments = {CertificateText(compiled_.certificate)};
    for (Alternative& one : compiled_.alternatives) keep(one.schedule);
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
