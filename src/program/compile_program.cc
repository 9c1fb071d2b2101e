#include "program/compile_program.h"

#include <optional>
#include <utility>

#include "fmt/format.h"
#include "lang/parse_schedule.h"
#include "lang/resolve_program.h"
#include "program/certify.h"
#include "program/compile_part.h"
#include "program/complete_schedule.h"
#include "program/place_bodies.h"

namespace tinyai {
namespace {

// What the schedule says beside its blocks.
void Keep(const Schedule& schedule, CompiledProgram& compiled) {
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
  keep(compiled.schedule);
  compiled.schedule.end_comments = {CertificateText(compiled.certificate)};
  for (Alternative& one : compiled.alternatives) keep(one.schedule);
}

// Whether a file of a program holds a schedule too.
bool HoldsSchedule(const SourceText& source) {
  return source.text().find("schedule") != std::string_view::npos &&
         source.text().find("value") != std::string_view::npos;
}

// The whole program by a schedule, with its text.
Result<CompiledProgram> Complete(const PartContext& context, Program program,
                                 const Schedule& schedule) {
  TRY_ASSIGN(CompiledPart part, CompilePart(context, std::move(program), {}, schedule));
  CompiledProgram& compiled = part.program;
  PlaceBodies(compiled);
  compiled.certificate = Certify(compiled, part.objective);
  std::optional<Schedule> complete = CompleteSchedule(compiled, part.wishes);
  if (!complete) {
    return Fail(ErrorCode::kSchedule, "SCHEDULE_IMPOSSIBLE",
                "the places wait for each other in a circle");
  }
  compiled.schedule = std::move(*complete);
  Keep(schedule, compiled);
  return std::move(compiled);
}

// What is printed, compiled.
Result<CompiledProgram> Again(const PartContext& context, const Program& program,
                              const Schedule& printed) {
  Diagnostics values(context.values.source()), out(context.out.source());
  std::optional<Diagnostics> costs;
  CompileOptions options = context.options;
  options.pareto = false;
  if (options.cost_text != nullptr) {
    options.cost_text = &costs.emplace(options.cost_text->source());
  }
  return Complete({values, out, options}, program, printed);
}

// Which values share memory is decided once more for what is printed, and told of that, so that
// whoever compiles the answer is told the same. What was proved stays proved.
void SettlePeaks(const PartContext& context, const Program& program, CompiledProgram& compiled) {
  Result<CompiledProgram> again = Again(context, program, compiled.schedule);
  if (!again || again->schedule.items != compiled.schedule.items) return;
  again->alternatives = std::move(compiled.alternatives);
  std::swap(again->certificate.peaks, compiled.certificate.peaks);
  again->certificate = std::move(compiled.certificate);
  again->schedule.end_comments = {CertificateText(again->certificate)};
  compiled = std::move(*again);
}

// With loops in it, what is printed is compiled until that changes nothing any more, so that
// whoever compiles the answer gets it again.
void Settle(const PartContext& context, const Program& program, CompiledProgram& compiled) {
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    Result<CompiledProgram> again = Again(context, program, compiled.schedule);
    if (!again || again->certificate.syncs.value > compiled.certificate.syncs.value) return;
    const bool same = again->schedule == compiled.schedule;
    compiled = std::move(*again);
    if (same) return;
  }
}

}  // namespace

Result<CompiledProgram> CompileProgram(Diagnostics& program, Diagnostics* schedule_text,
                                       const CompileOptions& options) {
  Diagnostics& out = schedule_text != nullptr ? *schedule_text : program;
  Schedule schedule;
  if (schedule_text != nullptr || HoldsSchedule(program.source())) {
    schedule = ParseSchedule(out);
    if (out.has_errors()) return FirstMistake(out, true);
  }
  Program resolved = ResolveProgram(program);
  if (program.has_errors()) return FirstMistake(program, false);
  if (!schedule.program.empty() && !resolved.name.empty() && schedule.program != resolved.name) {
    out.Error("I7", {},
              fmt::format("no program '{}': this schedule is compiled for '{}'", schedule.program,
                          resolved.name))
        .Help(fmt::format("schedule {} for {} {{ .. }}", schedule.name, resolved.name));
    return FirstMistake(out, true);
  }
  const PartContext context{program, out, options};
  const bool loops = !resolved.loops.empty() && !options.pareto;
  // Larger ones, and in a hurry, are not compiled twice.
  constexpr size_t kMostSettled = 300;
  const bool settles =
      resolved.evals.size() <= kMostSettled && options.limits.effort != Effort::kFast;
  std::optional<Program> kept;
  if (loops || settles) kept = resolved;
  TRY_ASSIGN(CompiledProgram compiled, Complete(context, std::move(resolved), schedule));
  if (!compiled.bodies.empty() && loops) {
    Settle(context, *kept, compiled);
  } else if (compiled.bodies.empty() && settles) {
    SettlePeaks(context, *kept, compiled);
  }
  return compiled;
}

}  // namespace tinyai
