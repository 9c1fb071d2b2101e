// The command line: finds the sub-command, hands it its flags, and reports how it ended.

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "base/escape.h"
#include "command.h"
#include "fmt/format.h"
#include "json.h"
#include "kernel/isa.h"
#include "os/signals.h"

namespace tinyai {
namespace {

struct Entry {
  std::string_view name, summary;
  std::unique_ptr<Command> (*make)();
};

constexpr Entry kCommands[] = {
    {"run", "Continues a text.", MakeRunCommand},
    {"plan", "Shows what stays in memory, what is streamed, and how fast it will be.",
     MakePlanCommand},
    {"show", "Shows what a model file holds, a damaged one up to the damage.", MakeShowCommand},
    {"verify", "Checks that a model file is whole and its weights are numbers.", MakeVerifyCommand},
    {"tokenize", "Turns text into tokens, and back.", MakeTokenizeCommand},
    {"convert", "Writes a model as a .tmai file, which is read fastest and checks itself.",
     MakeConvertCommand},
    {"compile", "Completes the schedule of a program, with the fewest syncs.", MakeCompileCommand},
    {"bench", "Measures how fast a model runs in a budget.", MakeBenchCommand},
    {"solve makespan", "Finds the shortest schedule of tasks on equal processors.",
     MakeSolveMakespanCommand},
    {"solve offsets", "Packs buffers of known lifetimes into as few bytes as possible.",
     MakeSolveOffsetsCommand},
    {"solve order", "Finds the order of ops in which the fewest bytes live at once.",
     MakeSolveOrderCommand},
    {"solve syncs", "Finds the fewest syncs and fences between queues.", MakeSolveSyncsCommand},
    {"doctor", "Shows what this machine has, and measures how fast it is.", MakeDoctorCommand},
};

// Memory that is freed must really go back to the system: the budget counts it as free. Blocks from
// 128 KiB on are mappings of their own, and all threads share one heap.
void SetUpAllocator() {
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 128 << 10);
  ::mallopt(M_TOP_PAD, 64 << 10);
  ::mallopt(M_ARENA_MAX, 1);
}

bool g_json = false;

// The system has no memory left, on any thread. Says so without taking any.
void EndWithoutMemory() {
  constexpr std::string_view kLine =
      "error: OUT_OF_MEMORY: the system gives no more memory; use a smaller --memory or -c\n";
  constexpr std::string_view kJson =
      "{\"error\":{\"code\":8,\"key\":\"OUT_OF_MEMORY\",\"message\":\"the system gives no more "
      "memory; use a smaller --memory or -c\",\"file\":null,\"offset\":null}}\n";
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, kLine.data(), kLine.size());
  if (g_json) written = ::write(STDOUT_FILENO, kJson.data(), kJson.size());
  ::_exit(static_cast<int>(ErrorCode::kOutOfMemory));
}

// Before any object of static duration is made: their constructors allocate too.
[[gnu::constructor(101)]] void CatchEndOfMemory() { std::set_new_handler(EndWithoutMemory); }

// A file opened later must not become the standard output.
void OpenStandardDescriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd >= 0) ::close(fd);
}

Status ChooseIsa() {
  const char* const name = std::getenv("TINYAI_ISA");
  return name == nullptr || *name == '\0' ? Status() : UseIsa(name);
}

std::string Help() {
  std::string out =
      "Runs language models in the memory you have.\n\nusage: tinyai COMMAND [flags]\n\n";
  for (const Entry& entry : kCommands) {
    out += fmt::format("  {:16} {}\n", entry.name, entry.summary);
  }
  out += "\ntinyai COMMAND --help tells its flags. Every command takes -m MODEL and --json.\n";
  return out;
}

Error UnknownCommand(const std::string& name) {
  std::vector<std::string> names;
  for (const Entry& entry : kCommands) names.emplace_back(entry.name);
  const std::string near = Nearest(name, names);
  return {ErrorCode::kUsage, "UNKNOWN_COMMAND",
          fmt::format("there is no command '{}'; {}", EscapeControl(name),
                      near.empty() ? "see tinyai --help" : fmt::format("did you mean {}?", near))};
}

Result<int> RunCommand(const Entry& entry, std::span<const std::string> args, Console& console) {
  Flags flags(std::string(entry.name), std::string(entry.summary));
  const std::unique_ptr<Command> command = entry.make();
  command->AddFlags(flags);
  flags.Switch("--json", "answer with one JSON object", &console.json);
  flags.Switch("-q,--quiet", "no notes, timing or progress", &console.quiet);
  TRY(flags.Parse(args));
  if (flags.help_asked()) {
    TRY(console.Answer(flags.Help()));
    return 0;
  }
  TRY(ChooseIsa());
  return command->Run(console);
}

Result<int> Main(std::span<const std::string> args, Console& console) {
  if (args.empty()) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE", "no command given; see tinyai --help");
  }
  const size_t words = args.size() > 1 && args[0] == "solve" ? 2 : 1;  // "solve offsets"
  const std::string name = words == 1 ? args[0] : args[0] + " " + args[1];
  if (name == "--help" || name == "-h" || name == "help") {
    TRY(console.Answer(Help()));
    return 0;
  }
  if (name == "--version" || name == "version") {
    TRY(console.Answer("tinyai " TINYAI_VERSION "\n"));
    return 0;
  }
  const auto* const entry = std::find_if(std::begin(kCommands), std::end(kCommands),
                                         [&](const Entry& known) { return known.name == name; });
  if (entry == std::end(kCommands)) return tl::unexpected<Error>(UnknownCommand(name));
  return RunCommand(*entry, args.subspan(words), console);
}

int Report(const Error& error, Console& console) {
  if (IsStdoutClosed(error)) return 0;
  const int stopped = StopSignal();  // then there is nothing to explain
  if (stopped == 0) console.Fail(error);
  if (console.json) {
    Json out;
    out["error"] = ToJson(error);
    for (const LocatedDiagnostic& one : console.explained()) out["errors"].push_back(ToJson(one));
    console.Answer(Dump(out));
  }
  return stopped != 0 ? 128 + stopped : static_cast<int>(error.code);
}

}  // namespace
}  // namespace tinyai

int main(int argc, char** argv) {
  using namespace tinyai;
  SetUpAllocator();
  OpenStandardDescriptors();
  CatchStopSignals();
  const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  Console console;
  // Known before the flags are parsed, since they may be wrong.
  console.json = g_json = std::find(args.begin(), args.end(), "--json") != args.end();
  Result<int> code = Main(args, console);
  return code ? *code : Report(code.error(), console);
}
