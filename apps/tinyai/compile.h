#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "console.h"

namespace tinyai {

struct CompileFlags {
  std::string program;
  std::optional<std::string> schedule;
  std::string form = "schedule";  // of --emit
  bool check = false;
};
bool IsCompileForm(std::string_view name);

// The work of `tinyai compile`; apart from the command, since a command is something else in
// schedules.
Result<int> RunCompile(const CompileFlags& flags, Console& console);

}  // namespace tinyai
