// Feeds any bytes to the reader of value programs (a schedule may stand behind the program). What
// it refuses it explains; what it accepts is compiled, and the completed schedule compiles to
// itself. What can be read is formatted, which changes white space only, and only once.

#include <cstdint>
#include <string>

#include "lang/format_text.h"
#include "lang/print_schedule.h"
#include "lang/resolve_program.h"
#include "program/compile_program.h"
#include "require.h"

namespace {

using namespace tinyai;

// Larger ones take longer than a fuzzer has time for.
constexpr size_t kMostEvals = 300;

std::string WithoutBlanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
  return text;
}

void CheckFormat(const SourceText& source) {
  Diagnostics said(source);
  const std::optional<FileKind> kind = FindFileKind(said);
  CheckComplaints(said);
  Require(kind.has_value() != said.has_errors(), "a kind or a mistake", said.Text());
  if (!kind) return;
  const std::string once = FormatText(source, *kind);
  std::string before(source.text());
  if (before.starts_with("\xEF\xBB\xBF")) before.erase(0, 3);
  Require(WithoutBlanks(once) == WithoutBlanks(before), "only white space changes", once);
  Require(FormatText(SourceText("once", once), *kind) == once, "formatting again", once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const SourceText source("in", std::string(reinterpret_cast<const char*>(data), size));
  CheckFormat(source);
  Diagnostics said(source);
  const Program program = ResolveProgram(said);
  CheckComplaints(said);
  if (program.evals.size() > kMostEvals) return 0;

  CompileOptions options;
  options.limits.effort = Effort::kFast;
  Diagnostics values(source);
  const Result<CompiledProgram> compiled = CompileProgram(values, nullptr, options);
  CheckComplaints(values);
  Require(compiled || values.has_errors() || compiled.error().code == ErrorCode::kBudget,
          "a program or a mistake", compiled ? "" : Describe(compiled.error()));
  if (!compiled) return 0;
  const std::string printed = PrintSchedule(compiled->schedule);
  const SourceText schedule("schedule", printed);
  Diagnostics values_again(source), said_again(schedule);
  const Result<CompiledProgram> again = CompileProgram(values_again, &said_again, options);
  Require(again.has_value(), "what is printed compiles", printed + said_again.Text());
  Require(PrintSchedule(again->schedule) == printed, "and to itself", printed);
  return 0;
}
