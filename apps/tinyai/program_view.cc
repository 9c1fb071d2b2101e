#include "program_view.h"

#include "base/units.h"
#include "fmt/format.h"
#include "lang/print_schedule.h"
#include "plan_view.h"
#include "program/complete_schedule.h"

namespace tinyai {
namespace {

std::string IterationsOf(const Certificate::LoopFigures& loop) {
  const std::string turns = loop.window > 1 ? fmt::format(", in turns of {}", loop.window) : "";
  return (loop.iterations ? std::to_string(*loop.iterations) : "not known before") + turns;
}

}  // namespace

ProgramView::ProgramView(const CompiledProgram& compiled, const std::string& title)
    : view_([&] {
        std::span<const Certificate::LoopFigures> loops = compiled.certificate.loops;
        return ViewOf(compiled, title, loops);
      }()) {
  view_.summary = {{"schedule", CertificateText(compiled.certificate)},
                   {"time", FormatSeconds(compiled.certificate.makespan)}};
}

NetView ProgramView::ViewOf(const CompiledProgram& compiled, const std::string& title,
                            std::span<const Certificate::LoopFigures>& loops) {
  PlannedNet& planned = planned_.emplace_back(compiled.details);
  planned.plan = compiled.plan;
  NetView view{.net = compiled.net, .planned = planned, .title = title};
  view.kinds = {"value"};
  view.kind_of.assign(compiled.net.values.size(), 0);
  view.text = PrintSchedule(compiled.schedule);
  for (uint32_t body = 0; body < compiled.bodies.size(); ++body) {
    view.loops.push_back(LoopOf(compiled, body, title, loops));
  }
  return view;
}

NetLoop ProgramView::LoopOf(const CompiledProgram& around, uint32_t body, const std::string& title,
                            std::span<const Certificate::LoopFigures>& loops) {
  const Certificate::LoopFigures& figures = loops.front();
  loops = loops.subspan(1);
  const CompiledProgram& compiled = around.bodies[body];
  const std::string name = "loop " + figures.name;
  NetLoop loop{.name = name,
               .members = {},
               .window = figures.window,
               .iterations = figures.iterations,
               .view = ViewOf(compiled, fmt::format("{}, {}", title, name), loops)};
  for (uint32_t op = 0; op < around.net.ops.size(); ++op) {
    const auto* const work = std::get_if<work::Loop>(&around.work[op]);
    if (work != nullptr && work->body == body) loop.members.push_back(NetOpId(op));
  }
  loop.view.summary = {{"iterations", IterationsOf(figures)},
                       {"syncs of a turn", std::to_string(figures.syncs)},
                       {"least of an iteration", fmt::format("{:.3g}, {}", figures.lower_bound,
                                                             fmt::join(figures.witness, " -> "))},
                       {"time of a turn", FormatSeconds(compiled.details.simulation.makespan)}};
  return loop;
}

}  // namespace tinyai
