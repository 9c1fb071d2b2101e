#include "program/compile_part.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "lang/print_schedule.h"
#include "plan/resolve_schedule.h"
#include "program/carry_values.h"
#include "program/choose_windows.h"
#include "program/complete_schedule.h"
#include "program/loop_bounds.h"
#include "program/loop_schedule.h"
#include "program/order_lines.h"
#include "program/plan_program.h"
#include "program/program_net.h"
#include "program/read_machine.h"
#include "program/read_objective.h"
#include "program/resolve_ref.h"
#include "program/review_schedule.h"
#include "program/sort_lines.h"

namespace tinyai {
namespace {

bool Names(const Expr& terms, std::string_view name) {
  return (terms.kind == Expr::Kind::kName && terms.text == name) ||
         std::any_of(terms.operands.begin(), terms.operands.end(),
                     [&](const Expr& one) { return Names(one, name); });
}

// What a loop makes lies behind all that is around it: its own peak says little of that of all.
void LeavePeaksOut(NetObjective& objective) {
  for (NetObjective::Sum& sum : objective.terms) {
    std::erase_if(sum.parts, [](const NetObjective::Weighted& part) {
      return part.term == NetObjective::Term::kPeak;
    });
  }
  std::erase_if(objective.terms, [](const NetObjective::Sum& sum) { return sum.parts.empty(); });
  CompleteObjective(objective);
}

Schedule Printed(const CompiledProgram& body, const Schedule& asked);
// `like`: the same body, planned before, with its ops where they are to be.
Result<CompiledPart> CompileBody(const PartContext& context, const Program& program, LoopBody body,
                                 const Schedule& schedule, const CompiledProgram* like);

class PartCompiler {
 public:
  PartCompiler(const PartContext& context, Program program, std::optional<LoopBody> body,
               const CompiledProgram* like = nullptr)
      : values_(context.values),
        out_(context.out),
        options_(context.options),
        context_(context),
        like_(like) {
    compiled_.program = std::move(program);
    compiled_.devices = options_.devices;
    compiled_.body = std::move(body);
  }

  Result<CompiledPart> Compile(const Schedule& whole) {
    TRY(CompileBodies(whole));
    const Schedule& schedule = rest_ ? *rest_ : whole;
    const LoopBody* const body = compiled_.body ? &*compiled_.body : nullptr;
    net_ = BuildProgramNet(compiled_.program, compiled_.devices, options_.costs,
                           {body, compiled_.bodies});
    if (body != nullptr) KeepBody();
    if (!CheckPlaces()) return FirstMistake(values_, false);
    wishes_ = ReadWishes(compiled_.program, compiled_.devices, options_.costs, schedule,
                         values_.source(), net_, out_);
    if (out_.has_errors()) return FirstMistake(out_, true);
    if (body != nullptr) SortLines(net_.net, wishes_);
    if (options_.cost_text != nullptr && body == nullptr) {
      TRY(UseCosts(schedule));
    } else if (options_.cost_text != nullptr && options_.costs.objective && !wishes_.objective) {
      Diagnostics said(options_.cost_text->source());  // of the whole again
      wishes_.objective = ReadObjective(*options_.costs.objective, compiled_.devices, said);
    }
    if (like_ != nullptr) PlaceLike(*like_);
    TakeListed(compiled_.program, compiled_.devices, values_.source(), wishes_, net_, out_);
    if (!OrderLines(wishes_, compiled_.program, compiled_.devices, values_.source(), net_, out_)) {
      return FirstMistake(out_, true);
    }
    CheckPrintOrder(wishes_, net_, out_);
    if (out_.has_errors()) return FirstMistake(out_, true);
    WarnOfPlaces(compiled_.program, compiled_.devices, wishes_, net_, out_);
    if (body == nullptr) WarnOfUnused(compiled_.program, wishes_, net_, values_);
    TRY(Plan());
    WarnOfTraps(compiled_.program, wishes_, compiled_, values_.source(), out_);
    if (body != nullptr) compiled_.schedule = *CompleteSchedule(compiled_, wishes_);
    return CompiledPart{std::move(compiled_), std::move(wishes_), std::move(objective_)};
  }

 private:
  void KeepBody() {
    compiled_.body->carried = net_.carried;
    net_.window = compiled_.body->window;
    // Inside another loop its turns follow those of the time before.
    const std::optional<uint64_t> trips = compiled_.program.loops[compiled_.body->loop].trips;
    if (compiled_.body->around.empty()) net_.net.iterations = trips.value_or(0);
  }

  // Whether what this part does, it does there: in its own scope, or in arms of that.
  bool IsHere(ScopeId scope) const {
    ScopeId root{};
    if (compiled_.body) root = compiled_.program.loops[compiled_.body->loop].body;
    while (scope != root) {
      const ProgramScope& one = compiled_.program.scope(scope);
      const bool arm =
          one.kind == ProgramScope::Kind::kThen || one.kind == ProgramScope::Kind::kElse;
      if (!arm) return false;
      scope = one.parent;
    }
    return true;
  }
  std::optional<uint32_t> FindLoop(const std::string& name) const {
    for (const Eval& eval : compiled_.program.evals) {
      if (eval.kind != Eval::Kind::kLoop || !IsHere(eval.scope)) continue;
      const ProgramLoop& loop = compiled_.program.loops[eval.index];
      if (LoopName(compiled_.program, loop) == name) return eval.index;
    }
    return std::nullopt;
  }

  // The loops that the schedule lists, each by itself.
  Status CompileBodies(const Schedule& schedule) {
    std::map<std::string, LoopSchedule> loops = FindLoops(schedule, out_);
    if (out_.has_errors()) return FirstMistake(out_, true);
    for (auto& [name, listed] : loops) {
      const std::optional<uint32_t> loop = FindLoop(name);
      if (!loop) continue;  // reading the lines reports it
      HandOn(schedule, compiled_.program.loops[*loop], listed.body);
      LoopBody body;
      body.loop = *loop;
      if (compiled_.body) {
        body.around = compiled_.body->around;
        body.around.push_back(compiled_.body->loop);
      }
      body.wanted_window = listed.window;
      body.window = std::max<uint64_t>(listed.window.value_or(1), 1);
      body.where = listed.where;
      if (body.window > kMostWindow) {
        out_.Error("I9", body.where, fmt::format("a window has at most {} iterations", kMostWindow))
            .Help("write a smaller one");
        return FirstMistake(out_, true);
      }
      Result<CompiledPart> part = CompilePart(context_, compiled_.program, body, listed.body);
      if (!part) return ExplainWindow(name, body, listed.body, std::move(part).error());
      CompiledProgram& program = part->program;
      const bool empty = std::all_of(program.plan.queues.begin(), program.plan.queues.end(),
                                     [](const auto& queue) { return queue.empty(); });
      if (empty) continue;
      compiled_.bodies.push_back(std::move(program));
      listed_.push_back(std::move(listed.body));
      looks_back_.push_back(listed.looks_back);
    }
    return {};
  }
  // What is declared of values that only the loop makes is said to its body.
  void HandOn(const Schedule& schedule, const ProgramLoop& loop, Schedule& body) {
    const auto is_inner = [&](const Item& item) {
      if (const auto* place = std::get_if<decl::Placement>(&item.what)) {
        return IsMadeIn(place->ref, loop);
      }
      const auto* before = std::get_if<decl::Before>(&item.what);
      return before != nullptr && IsMadeIn(before->first, loop) && IsMadeIn(before->second, loop);
    };
    const auto holds_for_all = [](const Item& item) {
      return std::holds_alternative<decl::Budget>(item.what) ||
             std::holds_alternative<decl::Objective>(item.what) ||
             std::holds_alternative<decl::Count>(item.what);
    };
    const auto copy = [&](const auto& which) {
      std::copy_if(schedule.items.begin(), schedule.items.end(), std::back_inserter(body.items),
                   which);
    };
    copy(holds_for_all);
    const size_t lines = body.items.size();
    copy(is_inner);
    if (body.items.size() == lines) return;
    if (!rest_) rest_ = schedule;
    std::erase_if(rest_->items, is_inner);
  }
  bool IsMadeIn(const Ref& ref, const ProgramLoop& loop) const {
    const Program& program = compiled_.program;
    const std::string name = RefText(ref);
    return std::any_of(program.defs.begin(), program.defs.end(), [&](const Def& def) {
      if (def.name != name) return false;
      ScopeId scope = program.eval(def.maker).scope;
      while (scope != loop.body && scope != ScopeId{}) scope = program.scope(scope).parent;
      return scope == loop.body;
    });
  }
  // With its ops where they are, if the objective has chosen that.
  Result<CompiledProgram> CompileAgain(size_t index, uint64_t window) const {
    LoopBody body = *compiled_.bodies[index].body;
    body.carried.clear();
    body.window = window;
    const CompiledProgram* const like = wishes_.objective ? &compiled_.bodies[index] : nullptr;
    Result<CompiledPart> part = CompileQuietly(body, listed_[index], like);
    if (!part && part.error().key == "NET_INVALID") {  // more is said of where all is
      part = CompileQuietly(body, Printed(compiled_.bodies[index], listed_[index]));
    }
    if (!part) return tl::unexpected<Error>(std::move(part).error());
    return std::move(part->program);
  }
  Result<CompiledPart> CompileQuietly(LoopBody body, const Schedule& schedule,
                                      const CompiledProgram* like = nullptr) const {
    Diagnostics values(values_.source()), out(out_.source());
    Result<CompiledPart> part =
        CompileBody({values, out, options_}, compiled_.program, std::move(body), schedule, like);
    // A sync of the schedule may be stale in turns of several iterations only.
    const bool stale = !part && out.has_errors() && out.all().front().code == "I6";
    if (stale) return Fail(ErrorCode::kSchedule, "NET_INVALID", part.error().message);
    return part;
  }
  // I9 where it is the window that cannot be.
  tl::unexpected<Error> ExplainWindow(const std::string& name, LoopBody body,
                                      const Schedule& schedule, Error error) {
    if (error.key != "NET_INVALID") return tl::unexpected(std::move(error));
    if (body.window <= 1) {
      out_.Error("I9", body.where,
                 fmt::format("loop '{}' cannot be carried out with these fences and syncs: {}",
                             name, error.message))
          .Help("leave some of them out; what is needed is added");
      return FirstMistake(out_, true);
    }
    const uint64_t window = std::exchange(body.window, 1);
    const Where where = body.where;
    std::string why = error.message;
    if (const Result<CompiledPart> part = CompileQuietly(std::move(body), schedule)) {
      const Certificate::LoopFigures bound = BoundLoop(part->program);
      if (!bound.witness.empty()) {
        why = fmt::format("{} goes from place to place in each", fmt::join(bound.witness, " -> "));
      }
    }
    out_.Error("I9", where,
               fmt::format("iterations of '{}' cannot go through its places {} at a time: {}", name,
                           window, why))
        .Help(fmt::format("write 'loop {}'", name));
    return FirstMistake(out_, true);
  }

  // What the schedule puts nowhere is where the other body has it.
  void PlaceLike(const CompiledProgram& other) {
    for (size_t i = 0; i < other.work.size(); ++i) {
      const auto* evaluate = std::get_if<work::Evaluate>(&other.work[i]);
      if (evaluate == nullptr || evaluate->again) continue;
      const std::optional<NetOpId> id = net_.op_of[Index(evaluate->eval)];
      if (!id) continue;
      NetOp& op = net_.net.ops[Index(*id)];
      const NetChoice* const choice = op.choice_at(other.details.place_of[i]);
      if (choice != nullptr) op.choices = NetChoices{*choice};
    }
  }

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
    if (compiled_.body) LeavePeaksOut(objective_);
    objective_.counting = wishes_.counting;
    objective_.often = HowOften(compiled_.program, net_, options_.costs);
    net_.net.fence_seconds = options_.costs.fence_seconds;
    net_.net.sync_seconds = options_.costs.sync_seconds;
    const bool asked = wishes_.objective || options_.costs.recompute > 0 ||
                       wishes_.counting != NetObjective::Counting::kStatic;
    const bool explores = (asked && like_ == nullptr) || (options_.pareto && !compiled_.body);
    const PlanTask task{.program = compiled_.program,
                        .devices = compiled_.devices,
                        .costs = options_.costs,
                        .values = values_.source(),
                        .objective = objective_,
                        .limits = options_.limits,
                        .explores = explores,
                        .pareto = options_.pareto && !compiled_.body,
                        .objective_text = wishes_.objective_text,
                        .bodies = &compiled_.bodies,
                        .body = compiled_.body ? &*compiled_.body : nullptr};
    const auto again = [this](size_t body, uint64_t window) { return CompileAgain(body, window); };
    return PlanWithWindows(task, again, looks_back_, std::move(net_), wishes_, out_, compiled_);
  }

  Diagnostics& values_;
  Diagnostics& out_;
  const CompileOptions& options_;
  const PartContext& context_;
  const CompiledProgram* const like_;
  CompiledProgram compiled_;
  std::vector<Schedule> listed_;  // by body: what the schedule says of it
  std::vector<bool> looks_back_;  // by body: whether that waits for the iteration before
  std::optional<Schedule> rest_;  // of the schedule, where some of it is said to bodies
  ProgramNet net_;
  Wishes wishes_;
  NetObjective objective_;
};

// What a body's text is when it has been printed and read again.
Schedule Printed(const CompiledProgram& body, const Schedule& asked) {
  Schedule text;
  for (const NetPlace& place : body.net.places) {
    cmd::Loop loop = LoopCommand(body, place.name);
    if (loop.body.empty()) continue;
    Block block;
    block.place = PlaceFromName(place.name);
    block.commands.emplace_back().what = std::move(loop);
    text.items.push_back({std::move(block), {}});
  }
  const SourceText none("", "");
  Diagnostics quiet(none);
  std::map<std::string, LoopSchedule> loops = FindLoops(text, quiet);
  Schedule out;
  if (!loops.empty()) out = std::move(loops.begin()->second.body);
  std::copy_if(asked.items.begin(), asked.items.end(), std::back_inserter(out.items),
               [](const Item& item) { return !std::holds_alternative<Block>(item.what); });
  return out;
}

// Compiles what is printed of a body until that does not change it any more, so that whoever
// compiles the answer gets it again.
void Settle(const PartContext& context, const Program& program, const LoopBody& body,
            const Schedule& asked, CompiledPart& part) {
  constexpr int kRounds = 4;
  const bool widens = part.program.body->widens;
  for (int round = 0; round < kRounds; ++round) {
    Diagnostics values(context.values.source()), out(context.out.source());
    const Schedule text = Printed(part.program, asked);
    Result<CompiledPart> again =
        PartCompiler({values, out, context.options}, program, body).Compile(text);
    if (!again) return;
    const bool same = again->program.schedule == part.program.schedule;
    part = std::move(*again);
    part.program.body->widens = widens;
    if (same) return;
  }
}

Result<CompiledPart> CompileBody(const PartContext& context, const Program& program, LoopBody body,
                                 const Schedule& schedule, const CompiledProgram* like) {
  const bool inner = !body.around.empty();
  TRY_ASSIGN(CompiledPart part, PartCompiler(context, program, body, like).Compile(schedule));
  if (!inner) Settle(context, program, body, schedule, part);
  return part;
}

}  // namespace

tl::unexpected<Error> FirstMistake(const Diagnostics& out, bool of_schedule) {
  const std::string& code = out.all().front().code;
  return tl::unexpected<Error>(out.AsError(of_schedule ? ScheduleKey(code) : "PROGRAM_INVALID"));
}

Result<CompiledPart> CompilePart(const PartContext& context, Program program,
                                 std::optional<LoopBody> body, const Schedule& schedule) {
  if (body) return CompileBody(context, program, std::move(*body), schedule, nullptr);
  return PartCompiler(context, std::move(program), {}).Compile(schedule);
}

}  // namespace tinyai
