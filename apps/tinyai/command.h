#pragma once

#include <memory>

#include "base/result.h"
#include "console.h"
#include "flags.h"

namespace tinyai {

// A sub-command: flags, and what is done with them.
class Command {
 public:
  virtual ~Command() = default;
  virtual void AddFlags(Flags& flags) = 0;
  // The exit code. An error is reported by the caller.
  virtual Result<int> Run(Console& console) = 0;
};

std::unique_ptr<Command> MakeBenchCommand();
std::unique_ptr<Command> MakeConvertCommand();
std::unique_ptr<Command> MakeDoctorCommand();
std::unique_ptr<Command> MakeCompileCommand();
std::unique_ptr<Command> MakeRunCommand();
std::unique_ptr<Command> MakePlanCommand();
std::unique_ptr<Command> MakeShowCommand();
std::unique_ptr<Command> MakeSolveMakespanCommand();
std::unique_ptr<Command> MakeSolveOffsetsCommand();
std::unique_ptr<Command> MakeSolveOrderCommand();
std::unique_ptr<Command> MakeSolveSyncsCommand();
std::unique_ptr<Command> MakeTokenizeCommand();
std::unique_ptr<Command> MakeVerifyCommand();

}  // namespace tinyai
