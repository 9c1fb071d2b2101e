#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "lang/print_schedule.h"
#include "program/compile_program.h"
#include "program/read_machine.h"

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

// What is compiled for a machine of files.
struct Machine {
  Compiled compiled;
  std::string said, key;
};

// A program compiled with the files; empty: without. `options`: what they do not say.
inline Machine CompileOn(std::string_view devices, std::string_view costs, std::string_view values,
                         std::optional<std::string> schedule = {}, CompileOptions options = {}) {
  Machine out;
  const SourceText device_text("in.device", std::string(devices));
  const SourceText cost_text("in.cost", std::string(costs));
  Diagnostics device_says(device_text), cost_says(cost_text);
  const auto read = [&]() -> Status {
    if (!devices.empty()) {
      TRY_ASSIGN(options.devices, ReadDevices(device_says));
    }
    if (costs.empty()) return {};
    TRY_ASSIGN(options.costs, ReadCosts(options.devices, cost_says));
    options.cost_text = &cost_says;
    return {};
  };
  const Status good = read();
  if (good) {
    out.compiled = CompileTexts(std::string(values), std::move(schedule), options);
    out.key = out.compiled.key;
  } else {
    out.key = good.error().key;
  }
  out.said = device_says.Text() + cost_says.Text() + out.compiled.said;
  return out;
}

inline constexpr std::string_view kExample1 =
    "b = input();\nx = input();\ny = input();\nif (b > 0) {\n    z = x + y;\n}\nelse {\n"
    "    z = x - y;\n}\n";
inline constexpr std::string_view kExample2 =
    "// Initial value code\n\nx = input();\ny = input();\nz = input();\na = x + y;\nb = x * y;\n"
    "c = x - z;\nd = y / z;\n";

}  // namespace tinyai
