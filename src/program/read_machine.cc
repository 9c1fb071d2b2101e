#include "program/read_machine.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "lang/parse_costs.h"
#include "lang/parse_devices.h"
#include "lang/print_schedule.h"
#include "plan/resolve_schedule.h"
#include "program/op_cost.h"
#include "program/read_objective.h"

namespace tinyai {
namespace {

template <typename T>
Result<T> Checked(T read, const Diagnostics& out) {
  if (!out.has_errors()) return read;
  for (const Diagnostic& one : out.all()) {
    if (one.severity != Severity::kError) continue;
    return tl::unexpected<Error>(out.AsError(ScheduleKey(one.code)));
  }
  return read;
}

}  // namespace

Result<Devices> ReadDevices(Diagnostics& out) {
  Devices devices = ParseDevices(out);
  return Checked(std::move(devices), out);
}

Result<Costs> ReadCosts(const Devices& devices, Diagnostics& out) {
  Costs costs = ParseCosts(out);
  for (const Costs::Op& op : costs.ops) {
    if (op.place == "*" || devices.FindPlace(op.place)) continue;
    std::vector<std::string_view> known;
    for (const Devices::Place& one : devices.places) known.push_back(one.name);
    const std::string near = NearestName(op.place, known);
    out.Error("I7", op.where,
              fmt::format("no device '{}' (declared: {})", op.place, devices.PlaceNames()))
        .Help(near.empty() ? "declare it in a device file: --device FILE"
                           : fmt::format("did you mean '{}'?", near));
  }
  if (costs.objective) ReadObjective(*costs.objective, devices, out);
  return Checked(std::move(costs), out);
}

void CheckCosts(const Program& program, const Devices& devices, const Costs& costs, bool timed,
                const ProgramNet& net, Diagnostics& out) {
  const OpCosts priced(program, devices, costs);
  std::set<std::string> said;
  for (size_t i = 0; i < net.op_of.size(); ++i) {
    if (!net.op_of[i]) continue;
    const Eval& eval = program.evals[i];
    const NetOp& op = net.net.op(*net.op_of[i]);
    for (const NetChoice& choice : op.choices) {
      const std::string& place = devices.places[Index(choice.place)].name;
      if (const auto wrong = priced.Senseless(eval, Index(choice.place))) {
        const auto& [cost, seconds] = *wrong;
        if (!said.insert(fmt::format("{} on {}", cost->op, cost->place)).second) continue;
        out.Error("I15", cost->seconds.where,
                  fmt::format("cost of '{} on {}' is {}", cost->op, cost->place,
                              std::isfinite(seconds) ? "negative" : "no finite number"))
            .Help(fmt::format("'{}' asks for it", op.name));
      }
      const std::string lacks = timed ? priced.Unpriced(eval, Index(choice.place)) : "";
      if (lacks.empty() || !said.insert(fmt::format("{} on {}", lacks, place)).second) continue;
      out.Error("A8", costs.objective ? costs.objective->where : Where{},
                fmt::format("op '{}' on {} has no cost; objective `makespan` cannot be evaluated",
                            lacks, place))
          .Help(fmt::format("add op {} on {} = ..;", lacks, place));
    }
  }
}

std::vector<double> HowOften(const Program& program, const ProgramNet& net, const Costs& costs) {
  std::vector<double> out(net.net.regions.size(), 0.5);
  for (size_t i = 1; i < out.size(); ++i) {
    const std::string& condition = program.branches[net.branch_of[i]].text;
    for (const Costs::Branch& one : costs.branches) {
      if (PrintExpr(one.condition) != condition) continue;
      out[i] = net.net.regions[i].arm ? one.often : 1 - one.often;
    }
  }
  return out;
}

void WarnOfBranches(const Program& program, const Costs& costs, NetObjective::Counting counting,
                    Diagnostics& out) {
  for (const Costs::Branch& one : costs.branches) {
    const std::string condition = PrintExpr(one.condition);
    const bool known = std::any_of(program.branches.begin(), program.branches.end(),
                                   [&](const Branch& branch) { return branch.text == condition; });
    if (!known) {
      out.Warning("W6", one.where, fmt::format("the program has no 'if ({})'", condition));
    } else if (counting != NetObjective::Counting::kExpected) {
      out.Warning("W6", one.where,
                  fmt::format("how often '{}' holds makes no difference here", condition))
          .Help("write 'count expected;' in the schedule");
    }
  }
}

}  // namespace tinyai
