#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "console.h"
#include "search_flags.h"

namespace tinyai {

// Flags of `tinyai compile --run`.
struct RunProgramFlags {
  bool run = false;
  std::optional<std::string> input;  // "-": stdin; a file's name; else the values themselves
  std::optional<std::string> trace;  // file
  std::optional<std::string> gpu;    // as for ChooseGpu; "none": threads in its place
  std::vector<std::string> kernels;  // files, as for ExternKernels
};

struct CompileFlags {
  std::string program;
  std::optional<std::string> schedule;
  std::optional<std::string> device, cost;  // files
  std::string form = "schedule";            // of --emit
  SearchFlags search;
  bool check = false;
  bool pareto = false;  // the table of alternatives
  bool format = false;  // the file itself, written as it should be
  RunProgramFlags run;
};
bool IsCompileForm(std::string_view name);

// The work of `tinyai compile`; apart from the command, since a command is something else in
// schedules.
Result<int> RunCompile(const CompileFlags& flags, Console& console);

}  // namespace tinyai
