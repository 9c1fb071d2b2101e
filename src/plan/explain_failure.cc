#include <utility>

#include "base/units.h"
#include "fmt/format.h"
#include "lang/lexer.h"
#include "plan/resolve_schedule.h"
#include "plan/sizing.h"

namespace tinyai {
namespace {

// The least budget with some of the wishes left out; nothing if there is none.
std::optional<uint64_t> LeastWith(const Graph& graph, PlanRequest request,
                                  const ModelWishes& wishes) {
  request.wishes = &wishes;
  const Result<Planned> least = CompileLeast(graph, request);
  if (!least) return std::nullopt;
  return least->report.least_budget_bytes;
}

std::string Bytes(uint64_t bytes) {
  return fmt::format("{} ({} bytes)", FormatByteSize(bytes), bytes);
}

void ReportPins(const ResolvedSchedule& schedule, uint64_t least, uint64_t budget,
                Diagnostics& out) {
  std::string names;
  for (size_t i = 0; i < schedule.pins.size() && i < 4; ++i) {
    names += (i == 0 ? "" : ", ") + schedule.pins[i].name;
  }
  if (schedule.pins.size() > 4) names += fmt::format(", and {} more", schedule.pins.size() - 4);
  Diagnostic& error =
      out.Error("I12", schedule.pins.front().where,
                fmt::format("pinned set exceeds budget by {}: {}", Bytes(least - budget), names));
  for (size_t i = 1; i < schedule.pins.size() && i < 4; ++i) {
    error.NoteAt(schedule.pins[i].where, "pinned here too");
  }
  error.Help(fmt::format("pin less, or give a budget of {}", Bytes(least)));
}

// Where the device's memory is too small with the least chunk, and what for.
bool ReportDevice(const Graph& graph, const PlanRequest& request, const ResolvedSchedule& schedule,
                  Diagnostics& out) {
  if (!request.device || !schedule.on_device) return false;
  PlanRequest with = request;
  with.wishes = &schedule.wishes;
  const uint64_t need = Sizing(graph, with).LeastDeviceBytes();
  const uint64_t there = request.device->memory_bytes;
  if (need <= there) return false;
  out.Error("I10", *schedule.on_device,
            fmt::format("memory: what {} computes needs at least {} in {}, which has {}",
                        request.device->name, Bytes(need), request.device->memory, Bytes(there)))
      .Help("put less there, or give a shorter context");
  return true;
}

}  // namespace

Error ExplainFailure(const Graph& graph, const PlanRequest& request,
                     const ResolvedSchedule& schedule, uint64_t memory_bytes, Error error,
                     Diagnostics& diagnostics) {
  if (error.key != "BUDGET_INFEASIBLE") return error;
  if (ReportDevice(graph, request, schedule, diagnostics)) {
    return diagnostics.AsError("SCHEDULE_IMPOSSIBLE");
  }
  if (request.mode == PlanMode::kNormal) return error;
  const uint64_t budget = request.budget_bytes;
  const std::optional<uint64_t> least = LeastWith(graph, request, schedule.wishes);
  if (!least || *least <= budget) return error;
  ModelWishes without = schedule.wishes;
  without.ahead.clear();
  without.loads.clear();
  without.loads_before.clear();
  const std::optional<uint64_t> least_late = LeastWith(graph, request, without);
  without.stay.clear();
  without.stay_rows.clear();
  const std::optional<uint64_t> least_free = LeastWith(graph, request, without);
  if (schedule.reads_ahead && least_late && *least_late <= budget) {
    diagnostics
        .Error("I10", *schedule.reads_ahead,
               fmt::format("memory: what is read ahead has to wait somewhere; this needs {} more "
                           "than the budget of {}",
                           Bytes(*least - budget), Bytes(budget)))
        .Help(fmt::format("read ahead less, or give a budget of {}", Bytes(*least)));
  } else if (!schedule.pins.empty() && least_free && *least_free <= budget) {
    ReportPins(schedule, *least, budget, diagnostics);
  } else if (schedule.budget && budget < memory_bytes) {
    diagnostics
        .Error("I10", *schedule.budget,
               fmt::format("memory: every plan needs at least {}", Bytes(*least)))
        .Help(fmt::format("budget RAM <= {};", *least));
  } else {
    return error;
  }
  return diagnostics.AsError("SCHEDULE_IMPOSSIBLE");
}

bool IsWholePlan(const Diagnostics& diagnostics) {
  Diagnostics ignored(diagnostics.source());
  Lexer lexer(ignored);
  const Token word = lexer.Next(Lexer::Mode::kUsual), name = lexer.Next(Lexer::Mode::kUsual);
  return word.kind == TokenKind::kName && name.kind == TokenKind::kString &&
         diagnostics.source().Slice(word.span) == "plan";
}

}  // namespace tinyai
