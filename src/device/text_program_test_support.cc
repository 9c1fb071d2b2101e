#include "device/text_program_test_support.h"

#include <gtest/gtest.h>

#include "device/direct.h"
#include "lang/resolve_program.h"

namespace tinyai {

TextProgram Compile(const std::string& values, const std::string& schedule,
                    const CompileOptions& options) {
  TextProgram out;
  out.values_text = std::make_unique<SourceText>("test.value", values);
  out.schedule_text = std::make_unique<SourceText>("test.schedule", schedule);
  out.values = std::make_unique<Diagnostics>(*out.values_text);
  out.schedule = std::make_unique<Diagnostics>(*out.schedule_text);
  Result<CompiledProgram> compiled = CompileProgram(*out.values, out.schedule.get(), options);
  out.said = out.values->Text() + out.schedule->Text();
  if (compiled) {
    out.program = std::move(*compiled);
  } else {
    out.said += Describe(compiled.error());
  }
  return out;
}

void ExpectRunsAsItMeans(const std::string& numbers, const TextProgram& made,
                         const RunOptions& options) {
  ProgramInput direct_input(numbers), input(numbers);
  Diagnostics said(*made.values_text);
  const Result<DirectRun> direct = RunDirectly(ResolveProgram(said), direct_input, options.kernels);
  Budget budget("test", Budget::kUnlimited);
  const Result<ProgramRun> result = RunProgram(*made.program, input, budget, options);
  ASSERT_EQ(result.has_value(), direct.has_value()) << (result ? "" : Describe(result.error()));
  if (!result) {
    EXPECT_EQ(result.error().key, direct.error().key);
    return;
  }
  EXPECT_EQ(result->race, std::nullopt) << *result->race;
  ASSERT_EQ(result->outputs.size(), direct->outputs.size());
  for (size_t i = 0; i < direct->outputs.size(); ++i) {
    EXPECT_EQ(result->outputs[i].value, direct->outputs[i]) << result->outputs[i].name;
  }
}

}  // namespace tinyai
