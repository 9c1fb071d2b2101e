// `tinyai solve makespan`: when and on which of equal processors tasks run, to be done soonest.

#include <charconv>

#include "base/escape.h"
#include "command.h"
#include "fmt/format.h"
#include "solve.h"
#include "solve/makespan.h"

namespace tinyai {
namespace {

constexpr int64_t kMostProcessors = 1'000'000;

// Numbers between blanks, line by line; what follows a '#' is a comment.
class NumberReader {
 public:
  explicit NumberReader(std::string_view text) : text_(text) {}

  bool AtEnd() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return false;
      if (c == '\n') ++line_;
      ++at_;
    }
    return true;
  }

  Result<uint64_t> Next(std::string_view what) {
    if (AtEnd()) return Bad(fmt::format("the file ends where {} should be", what));
    const size_t end = std::min(text_.find_first_of(" \t\r\n#", at_), text_.size());
    const std::string_view word = text_.substr(at_, end - at_);
    uint64_t value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size()) {
      return Bad(fmt::format("{} is '{}'; a whole number from 0 to 2^64 - 1 is wanted", what,
                             EscapeControl(std::string(word.substr(0, 40)))));
    }
    at_ = end;
    return value;
  }

  tl::unexpected<Error> Bad(const std::string& what) const {
    return BadProblem(fmt::format("line {}", line_), what);
  }

 private:
  std::string_view text_;
  size_t at_ = 0, line_ = 1;
};

// The Standard Task Graph format: the number of tasks without the two dummies at the ends, then per
// task its number, its time, the number of tasks before it, and these. Also without the dummies.
class StgReader {
 public:
  explicit StgReader(std::string_view text) : in_(text) {}

  Status Read() {
    TRY_ASSIGN(const uint64_t count, in_.Next("the number of tasks"));
    while (!in_.AtEnd()) {
      if (count < UINT64_MAX - 2 && times_.size() == count + 2) {
        return in_.Bad(fmt::format("more than {} tasks and two dummies", count));
      }
      TRY(ReadTask());
    }
    if (times_.size() != count && times_.size() - std::min<size_t>(2, times_.size()) != count) {
      return in_.Bad(fmt::format("{} tasks and two dummies are announced, {} are there", count,
                                 times_.size()));
    }
    problem.times = times_;
    for (const uint64_t before : befores_) {
      if (before >= times_.size()) {
        return BadProblem("", fmt::format("a task waits for task {}, which is not there", before));
      }
    }
    return {};
  }

  MakespanProblem problem;

 private:
  Status ReadTask() {
    TRY_ASSIGN(const uint64_t number, in_.Next("the number of a task"));
    if (number != times_.size()) {
      return in_.Bad(fmt::format("task {} where task {} should be", number, times_.size()));
    }
    TRY_ASSIGN(times_.emplace_back(), in_.Next("the time"));
    TRY_ASSIGN(const uint64_t count, in_.Next("the number of tasks before"));
    for (uint64_t i = 0; i < count; ++i) {
      TRY_ASSIGN(const uint64_t before, in_.Next("a task before"));
      if (before >= UINT32_MAX || number >= UINT32_MAX) {
        return in_.Bad(fmt::format("there is no task {}", before));
      }
      befores_.push_back(before);
      problem.edges.push_back({static_cast<uint32_t>(before), static_cast<uint32_t>(number)});
    }
    return {};
  }

  NumberReader in_;
  std::vector<uint64_t> times_, befores_;
};

class SolveMakespanCommand : public SolveCommand {
 public:
  void AddFlags(Flags& flags) override {
    SolveCommand::AddFlags(flags);
    flags.Integer("--processors", "that work at the same time (2)", &processors_, 1,
                  kMostProcessors);
  }

 protected:
  Status Parse(const std::string& text) override {
    StgReader reader(text);
    TRY(reader.Read());
    problem_ = std::move(reader.problem);
    problem_.processors = processors_;
    return CheckMakespanProblem(problem_);
  }

  Result<Answer> Solve(const SearchLimits& limits) const override {
    TRY_ASSIGN(const MakespanResult result, SolveMakespan(problem_, limits));
    Answer answer;
    answer.json["value"] = result.value;
    answer.json["lower_bound"] = result.lower_bound;
    answer.json["optimal"] = result.optimal();
    answer.json["solution"] = Json::array();
    answer.text =
        fmt::format("makespan {} on {} processors, {}\n", result.value, processors_,
                    result.optimal() ? "proved" : fmt::format("at least {}", result.lower_bound));
    for (size_t task = 0; task < problem_.times.size(); ++task) {
      const uint64_t start = result.schedule.start[task];
      const uint32_t processor = result.schedule.processor[task];
      answer.json["solution"].push_back(
          {{"task", task}, {"start", start}, {"processor", processor}});
      answer.text += fmt::format("task {}: {} to {} on {}\n", task, start,
                                 start + problem_.times[task], processor);
    }
    return answer;
  }

  Result<Answer> Check(const Json& solution) const override {
    TRY_ASSIGN(const MakespanSchedule schedule, ScheduleOf(Bare(solution)));
    TRY_ASSIGN(const uint64_t makespan, CheckMakespan(problem_, schedule));
    return Valid(makespan, fmt::format("makespan {}", makespan));
  }

 private:
  static Result<uint64_t> Number(const Json& object, const char* key, size_t index) {
    const auto at = object.find(key);
    if (at != object.end() && at->is_number_unsigned()) return at->get<uint64_t>();
    return BadSolution(fmt::format("[{}]: \"{}\" is no whole number from 0", index, key));
  }

  Result<MakespanSchedule> ScheduleOf(const Json& list) const {
    if (!list.is_array()) return BadSolution("no array of task, start and processor");
    const size_t count = problem_.times.size();
    MakespanSchedule schedule{std::vector<uint64_t>(count), std::vector<uint32_t>(count)};
    std::vector<bool> seen(count);
    for (size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_object()) return BadSolution(fmt::format("[{}]: no object", i));
      TRY_ASSIGN(const uint64_t task, Number(list[i], "task", i));
      TRY_ASSIGN(const uint64_t start, Number(list[i], "start", i));
      TRY_ASSIGN(const uint64_t processor, Number(list[i], "processor", i));
      if (task >= count) return BadSolution(fmt::format("[{}]: there is no task {}", i, task));
      if (seen[task]) return BadSolution(fmt::format("[{}]: task {} is there twice", i, task));
      seen[task] = true;
      schedule.start[task] = start;
      schedule.processor[task] = static_cast<uint32_t>(std::min<uint64_t>(processor, UINT32_MAX));
    }
    const auto missing = std::find(seen.begin(), seen.end(), false);
    if (missing == seen.end()) return schedule;
    return BadSolution(fmt::format("task {} is missing", missing - seen.begin()));
  }

  uint32_t processors_ = 2;
  MakespanProblem problem_;
};

}  // namespace

std::unique_ptr<Command> MakeSolveMakespanCommand() {
  return std::make_unique<SolveMakespanCommand>();
}

}  // namespace tinyai
