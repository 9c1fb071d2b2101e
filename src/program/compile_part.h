#pragma once

#include "lang/diagnostics.h"
#include "program/compile_program.h"
#include "program/wishes.h"

namespace tinyai {

// What all parts of a program are compiled with.
struct PartContext {
  Diagnostics& values;  // about the program's text
  Diagnostics& out;     // about the schedule's
  const CompileOptions& options;
};

// A part that is planned, with what its text is made of.
struct CompiledPart {
  CompiledProgram program;
  Wishes wishes;
  NetObjective objective;
};

// Compiles all of a program, or the body of one of its loops, with those loops in it that the
// schedule lists. Texts are only there for bodies, and nothing has its place in memory among the
// others yet. Errors: as for CompileProgram.
Result<CompiledPart> CompilePart(const PartContext& context, Program program,
                                 std::optional<LoopBody> body, const Schedule& schedule);

// The first mistake as an error.
tl::unexpected<Error> FirstMistake(const Diagnostics& out, bool of_schedule);

}  // namespace tinyai
