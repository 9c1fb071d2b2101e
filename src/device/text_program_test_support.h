#pragma once

#include <memory>
#include <optional>
#include <string>

#include "device/run_program.h"
#include "program/compile_program.h"

// Programs written as text.
namespace tinyai {

struct TextProgram {
  std::unique_ptr<SourceText> values_text, schedule_text;
  std::unique_ptr<Diagnostics> values, schedule;
  std::optional<CompiledProgram> program;
  std::string said;  // mistakes
};
TextProgram Compile(const std::string& values, const std::string& schedule,
                    const CompileOptions& options);

// With these numbers to read, the run gives out what the program means, or fails as it does.
void ExpectRunsAsItMeans(const std::string& numbers, const TextProgram& made,
                         const RunOptions& options);

}  // namespace tinyai
