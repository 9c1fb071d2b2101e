#include "program_view.h"

#include <utility>

#include "base/units.h"
#include "fmt/format.h"
#include "lang/print_schedule.h"
#include "plan_view.h"
#include "program/complete_schedule.h"

namespace tinyai {
namespace {

PlannedNet WithPlan(const CompiledProgram& compiled) {
  PlannedNet out = compiled.details;
  out.plan = compiled.plan;
  return out;
}

}  // namespace

ProgramView::ProgramView(const CompiledProgram& compiled, std::string title)
    : planned_(WithPlan(compiled)),
      view_{.net = compiled.net, .planned = planned_, .title = std::move(title)} {
  view_.kinds = {"value"};
  view_.kind_of.assign(compiled.net.values.size(), 0);
  view_.text = PrintSchedule(compiled.schedule);
  view_.summary = {{"schedule", CertificateText(compiled.certificate)},
                   {"time", FormatSeconds(compiled.certificate.makespan)}};
}

}  // namespace tinyai
