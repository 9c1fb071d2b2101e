#include "command.h"
#include "compile.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

// `tinyai compile`: a program and a schedule of it to a complete schedule.
class CompileCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    flags.Word("PROGRAM", "the value program; -: stdin", &flags_.program);
    flags.Word("SCHEDULE",
               "what is to be done where and in which order; none: the compiler decides",
               &flags_.schedule);
    flags.Text("--device", "FILE",
               "the machine: its queues, memories, what each can do; else CPU and GPU",
               &flags_.device);
    flags.Text("--cost", "FILE", "what ops cost on each place, and what is to be least",
               &flags_.cost);
    flags.Value("--emit", "FORM",
                "schedule (as without it), json, trace (for ui.perfetto.dev), html (a page) or dot "
                "(for Graphviz)",
                [this](std::string_view text) -> Status {
                  flags_.form = text;
                  if (IsCompileForm(text)) return {};
                  return Fail(
                      ErrorCode::kUsage, "BAD_OPTION",
                      fmt::format("'{}' is none of schedule, json, trace, html, dot", text));
                });
    flags_.search.Add(flags);
    flags.Switch("--pareto",
                 "instead of a schedule, a table of those that no other one beats in everything, "
                 "with the objectives that pick them",
                 &flags_.pareto);
    flags.Switch("--check", "say only how good the schedule is", &flags_.check);
    flags.Switch("--format",
                 "write PROGRAM, or any other file of these languages, with the usual white space; "
                 "with --check, end with 7 where it has another",
                 &flags_.format);
    flags.Switch("--run", "run the program instead of printing its schedule", &flags_.run.run);
    flags.Text("--input", "VALUES",
               "what the program reads: a file, - for stdin, or the values themselves, as JSON "
               "writes them",
               &flags_.run.input);
    flags.Text(
        "--gpu", "NAME",
        "with --run, the GPU: a UUID, a number, a part of its name; none: threads in its place",
        &flags_.run.gpu);
    flags.List("--kernels", "FILE",
               "with --run, what extern functions may call: a library with a table of kernels, or "
               "the GLSL of one, NAME.comp; may be given again",
               &flags_.run.kernels);
    flags.Text("--trace", "FILE",
               "with --run, write what ran when, to be opened by ui.perfetto.dev",
               &flags_.run.trace);
  }
  Result<int> Run(Console& console) override { return RunCompile(flags_, console); }

 private:
  CompileFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeCompileCommand() { return std::make_unique<CompileCommand>(); }

}  // namespace tinyai
