// Feeds any bytes to the parser of schedules. What it refuses it explains in printable text; what
// it accepts is printed, read again and printed again, and both times says the same.

#include <cstdint>
#include <string>

#include "lang/parse_schedule.h"
#include "lang/print_schedule.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tinyai;
  const SourceText source("in", std::string(reinterpret_cast<const char*>(data), size));
  Diagnostics diagnostics(source);
  const Schedule schedule = ParseSchedule(diagnostics);
  CheckComplaints(diagnostics);
  if (diagnostics.has_errors()) return 0;

  const std::string printed = PrintSchedule(schedule);
  const SourceText again_source("printed", printed);
  Diagnostics again_diagnostics(again_source);
  const Schedule again = ParseSchedule(again_diagnostics);
  Require(!again_diagnostics.has_errors(), "what is printed is read", again_diagnostics.Text());
  Require(again == schedule, "what is printed says the same", printed);
  Require(PrintSchedule(again) == printed, "printing again gives the same text", printed);
  return 0;
}
