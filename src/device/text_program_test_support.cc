#include "device/text_program_test_support.h"

#include <gtest/gtest.h>

#include "device/direct.h"
#include "lang/resolve_program.h"

namespace tinyai {

void ExpectRunsAsItMeans(const std::string& numbers, const Compiled& made,
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
