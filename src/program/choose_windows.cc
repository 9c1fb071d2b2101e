#include "program/choose_windows.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "program/compile_part.h"
#include "program/op_cost.h"
#include "program/place_bodies.h"
#include "program/plan_program.h"

namespace tinyai {
namespace {

// What nobody limits: iterations of a turn, where their number is not known, and bytes of what
// they make.
constexpr uint64_t kUsualWindow = 64;
constexpr uint64_t kMostSlotBytes = uint64_t{64} << 20;

class WindowChooser {
 public:
  WindowChooser(const PlanTask& task, const BodyCompiler& compile,
                const std::vector<bool>& looks_back, ProgramNet net, const Wishes& wishes,
                Diagnostics& out, CompiledProgram& compiled)
      : task_(task),
        compile_(compile),
        looks_back_(looks_back),
        net_(std::move(net)),
        wishes_(wishes),
        out_(out),
        compiled_(compiled) {}

  Result<Wishes> Run() {
    for (size_t i = 0; i < compiled_.bodies.size(); ++i) {
      most_.push_back(MostWindow(compiled_.bodies[i], looks_back_[i]));
    }
    if (out_.has_errors()) return FirstMistake(out_, true);
    uint64_t most = 1;
    for (size_t i = 0; i < most_.size(); ++i) {
      if (!compiled_.bodies[i].body->wanted_window) most = std::max(most, most_[i]);
    }
    if (most <= 1) return Last(1);
    if (!IsSyncsFirst()) return Last(Best(most));
    // The largest that fits; if none does, what there is to say is said of the smallest.
    uint64_t fits = 1, too_large = most + 1;
    for (uint64_t window = most; window > fits; window = fits + (too_large - fits) / 2) {
      (Fits(window) ? fits : too_large) = window;
    }
    return Last(fits);
  }

 private:
  bool IsSyncsFirst() const {
    const auto& terms = task_.objective.terms;
    return !terms.empty() && terms[0].parts.size() == 1 &&
           terms[0].parts[0].term == NetObjective::Term::kSyncs;
  }

  uint64_t MostWindow(const CompiledProgram& body, bool looks_back) {
    const LoopBody& what = *body.body;
    const ProgramLoop& loop = body.program.loops[what.loop];
    if (what.wanted_window) return what.window;
    const bool can = loop.index && !looks_back && what.widens;
    if (!can || body.details.syncs.value == 0) return 1;
    uint64_t most = std::min(loop.trips.value_or(kUsualWindow), kMostWindow);
    if (const auto said = task_.costs.trips.find(loop.name);
        !loop.trips && said != task_.costs.trips.end() && said->second >= 1) {
      most = std::min(kMostWindow, static_cast<uint64_t>(std::min(said->second, 1e6)));
    } else if (!loop.trips && !wishes_.budgets.empty()) {
      const Position at = task_.values.At(loop.where.begin);
      out_.Error("I14", what.where,
                 fmt::format("loop at {}:{} has no static bound, and budgets limit what its "
                             "iterations make",
                             at.line, at.column))
          .NoteAt(wishes_.budgets.begin()->second, "the budget")
          .Help(fmt::format("say how many of them a turn has: loop {} window 16",
                            LoopName(body.program, loop)));
    }
    uint64_t bytes = 1;
    for (const NetValue& value : body.net.values) bytes += value.given ? 0 : value.bytes;
    return std::max<uint64_t>(1, std::min(most, kMostSlotBytes / bytes));
  }

  // Of 1, 2, 4 and so on, that the objective likes best.
  uint64_t Best(uint64_t most) const {
    uint64_t best = 1;
    std::optional<PlanFigures> figures = Try(1);
    for (uint64_t window = 2; window / 2 < most; window *= 2) {
      const std::optional<PlanFigures> wide = Try(std::min(window, most));
      if (!wide || (figures && !IsBetter(*wide, *figures, task_.objective))) continue;
      figures = wide;
      best = std::min(window, most);
    }
    return best;
  }

  // Bodies of this window, as far as they may; the user's stay as they are.
  Result<std::vector<CompiledProgram>> Bodies(uint64_t window) const {
    std::vector<CompiledProgram> out;
    for (size_t i = 0; i < compiled_.bodies.size(); ++i) {
      const CompiledProgram& body = compiled_.bodies[i];
      const uint64_t own = std::min(window, most_[i]);
      if (body.body->wanted_window || own <= 1) {
        out.push_back(body);
        continue;
      }
      Result<CompiledProgram> wide = compile_(i, own);
      if (!wide && wide.error().key != "NET_INVALID") {
        return tl::unexpected<Error>(std::move(wide).error());
      }
      out.push_back(wide && HaveSamePlaces(*wide, body) ? std::move(*wide) : body);
    }
    return out;
  }

  static bool HaveSamePlaces(const CompiledProgram& a, const CompiledProgram& b) {
    for (size_t i = 0; i < a.body->carried.size(); ++i) {
      if (PlaceOfNext(a, a.body->carried[i]) != PlaceOfNext(b, b.body->carried[i])) return false;
    }
    return std::equal(a.plan.queues.begin(), a.plan.queues.end(), b.plan.queues.begin(),
                      [](const auto& x, const auto& y) { return x.empty() == y.empty(); });
  }

  // What starts a loop is where its iterations leave what they carry; each place reads around the
  // loop what it does in these turns.
  ProgramNet NetFor(const std::vector<CompiledProgram>& bodies) const {
    ProgramNet net = net_;
    const OpCosts costs(task_.program, task_.devices, task_.costs);
    for (size_t i = 0; i < bodies.size(); ++i) {
      const CompiledProgram& body = bodies[i];
      for (size_t j = 0; j < body.body->carried.size(); ++j) {
        const NetValue& before = body.net.value(body.body->carried[j].before);
        NetValue& start = net.net.values[Index(net.net.op(net.placed[i].starts[j]).outs[0])];
        start.bytes = before.bytes;
        start.slots = before.slots;
      }
      const double trips = costs.Trips(task_.program.loops[body.body->loop]);
      for (const NetOpId member : net.placed[i].members) {
        const NetOp& old = net.net.op(member);
        NetOperands ins =
            net.LoopOperands(task_.program, body, net.placed[i], old.choices.front().place);
        // A line of the schedule may have moved what says whether a `while` around it goes on.
        const auto is_test = [&](NetValueId in) {
          return net.test && net.def_of[Index(in)] == net.def_of[Index(*net.test)];
        };
        const auto test = std::find_if(old.ins.begin(), old.ins.end(), is_test);
        if (test != old.ins.end()) ins.push_back(*test);
        NetOp& op = net.net.ops[Index(member)];
        op.ins = std::move(ins);
        op.choices.front().seconds = LoopSeconds(body, trips);
      }
    }
    return net;
  }

  bool Fits(uint64_t window) const { return Try(window).has_value(); }
  // What the whole is with it; nothing if it does not fit.
  std::optional<PlanFigures> Try(uint64_t window) const {
    Result<std::vector<CompiledProgram>> bodies = Bodies(window);
    if (!bodies) return std::nullopt;
    Diagnostics trial(out_.source());
    Wishes wishes = wishes_;
    CompiledProgram made = compiled_;
    made.bodies = std::move(*bodies);
    ProgramNet net = NetFor(made.bodies);
    PlanTask task = task_;
    task.explores = task.pareto = false;  // only whether there is room
    task.bodies = &made.bodies;
    const Result<bool> planned = PlanProgram(task, std::move(net), wishes, trial, made);
    if (!planned || !*planned || !IsWithinBudgets(made)) return std::nullopt;
    return made.figures;
  }
  // With the bodies in their places.
  bool IsWithinBudgets(CompiledProgram& made) const { return !Overfull(made); }
  static std::optional<size_t> Overfull(CompiledProgram& made) {
    CompiledProgram placed = made;
    PlaceBodies(placed);
    for (size_t i = 0; i < placed.plan.heights.size(); ++i) {
      if (placed.plan.heights[i] > placed.net.memories[i].budget_bytes) return i;
    }
    return std::nullopt;
  }

  Result<Wishes> Last(uint64_t window) {
    Result<std::vector<CompiledProgram>> bodies = Bodies(window);
    if (!bodies) return Explain(std::move(bodies).error());
    compiled_.bodies = std::move(*bodies);
    Wishes wishes = wishes_;
    ProgramNet net = NetFor(compiled_.bodies);
    PlanTask task = task_;
    task.bodies = &compiled_.bodies;
    TRY_ASSIGN(const bool planned, PlanProgram(task, std::move(net), wishes, out_, compiled_));
    if (!planned) return FirstMistake(out_, true);
    if (const auto memory = Overfull(compiled_); memory && !compiled_.bodies.empty()) {
      const NetMemory& in = compiled_.net.memories[*memory];
      return Explain({ErrorCode::kBudget, "BUDGET_INFEASIBLE",
                      fmt::format("memory {}: with what its loops make, the program needs more "
                                  "than the budget of {}",
                                  in.name, in.budget_bytes)});
    }
    return wishes;
  }
  // I10 where the budget is the schedule's.
  tl::unexpected<Error> Explain(Error error) {
    if (error.key != "BUDGET_INFEASIBLE" || wishes_.budgets.empty()) {
      return tl::unexpected<Error>(std::move(error));
    }
    out_.Error("I10", wishes_.budgets.begin()->second,
               error.message.substr(0, error.message.find("; need=")))
        .Help("raise the budget, or write a smaller window");
    return FirstMistake(out_, true);
  }

  const PlanTask& task_;
  const BodyCompiler& compile_;
  const std::vector<bool>& looks_back_;
  const ProgramNet net_;
  const Wishes& wishes_;
  Diagnostics& out_;
  CompiledProgram& compiled_;
  std::vector<uint64_t> most_;  // by body
};

}  // namespace

Status PlanWithWindows(const PlanTask& task, const BodyCompiler& compile,
                       const std::vector<bool>& looks_back, ProgramNet net, Wishes& wishes,
                       Diagnostics& out, CompiledProgram& compiled) {
  if (compiled.bodies.empty()) {
    TRY_ASSIGN(const bool planned, PlanProgram(task, std::move(net), wishes, out, compiled));
    if (!planned) return FirstMistake(out, true);
    return {};
  }
  const Wishes asked = wishes;
  TRY_ASSIGN(wishes,
             WindowChooser(task, compile, looks_back, std::move(net), asked, out, compiled).Run());
  return {};
}

}  // namespace tinyai
