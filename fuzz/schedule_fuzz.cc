// Feeds any bytes to the parser of schedules. What it refuses it explains in printable text; what
// it accepts is printed, read again and printed again, and both times says the same.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/escape.h"
#include "lang/parse_schedule.h"
#include "lang/print_schedule.h"

namespace {

using namespace tinyai;

void Require(bool holds, const char* what, const std::string& text) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n%s\n", what, text.c_str());
  std::abort();
}

void CheckComplaints(const Diagnostics& diagnostics) {
  const std::string text = diagnostics.Text();
  Require(diagnostics.all().size() <= Diagnostics::kMostErrors, "few errors", text);
  Require(diagnostics.has_errors() == !text.empty(), "errors are explained", text);
  Require(IsUtf8(text), "explanations are text", text);
  Require(std::none_of(text.begin(), text.end(),
                       [](char c) { return c != '\n' && static_cast<uint8_t>(c) < 0x20; }),
          "explanations have no control bytes", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
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
