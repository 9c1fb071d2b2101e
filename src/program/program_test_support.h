#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "lang/print_schedule.h"
#include "program/compile_program.h"

namespace tinyai {

// A program compiled from texts, with all that was said about them.
struct Compiled {
  std::unique_ptr<SourceText> values_text, schedule_text;
  std::unique_ptr<Diagnostics> values, schedule;
  std::optional<CompiledProgram> program;
  std::string key;   // of the error
  std::string said;  // about both texts

  std::string text() const { return program ? PrintSchedule(program->schedule) : said; }
};

// `schedule` null: none.
inline Compiled CompileTexts(std::string values, std::optional<std::string> schedule,
                             const CompileOptions& options = {}) {
  Compiled out;
  out.values_text = std::make_unique<SourceText>("in.value", std::move(values));
  out.values = std::make_unique<Diagnostics>(*out.values_text);
  if (schedule) {
    out.schedule_text = std::make_unique<SourceText>("in.sched", std::move(*schedule));
    out.schedule = std::make_unique<Diagnostics>(*out.schedule_text);
  }
  Result<CompiledProgram> compiled = CompileProgram(*out.values, out.schedule.get(), options);
  out.said = out.values->Text() + (out.schedule ? out.schedule->Text() : "");
  if (compiled) {
    out.program = std::move(*compiled);
  } else {
    out.key = compiled.error().key;
    if (out.said.empty()) out.said = Describe(compiled.error()) + "\n";
  }
  return out;
}

inline constexpr std::string_view kExample1 =
    "b = input();\nx = input();\ny = input();\nif (b > 0) {\n    z = x + y;\n}\nelse {\n"
    "    z = x - y;\n}\n";
inline constexpr std::string_view kExample2 =
    "// Initial value code\n\nx = input();\ny = input();\nz = input();\na = x + y;\nb = x * y;\n"
    "c = x - z;\nd = y / z;\n";

}  // namespace tinyai
