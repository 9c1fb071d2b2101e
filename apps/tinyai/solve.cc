#include "solve.h"

#include "fmt/format.h"
#include "stoppable_search.h"
#include "whole_file.h"

namespace tinyai {
namespace {

using Clock = SearchLimits::Clock;

constexpr uint64_t kMostProblemBytes = uint64_t{1} << 30;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Json looks for each key among all before it, too slow for solutions of 10^5 keys. The depth is
// bounded by the parser.
Json Unsorted(const SortedJson& json) {
  if (!json.is_structured()) return Json(json);
  if (json.is_array()) {
    Json out = Json::array();
    for (const SortedJson& item : json) out.push_back(Unsorted(item));
    return out;
  }
  Json out = Json::object();
  auto& members = out.get_ref<Json::object_t&>();
  for (const auto& [key, value] : json.items()) members.emplace_back(key, Unsorted(value));
  return out;
}

}  // namespace

tl::unexpected<Error> BadProblem(const std::string& where, const std::string& what) {
  return Fail(ErrorCode::kBadFile, "BAD_PROBLEM",
              where.empty() ? what : fmt::format("{}: {}", where, what));
}

tl::unexpected<Error> BadSolution(const std::string& what) {
  return Fail(ErrorCode::kOther, "BAD_SOLUTION", what);
}

void SolveCommand::AddFlags(Flags& flags) {
  flags.Word("FILE", "the problem; -: stdin", &file_);
  flags.Text("--check", "SOLUTION", "instead of solving: is this a solution, and what is it worth",
             &solution_file_);
  search_.Add(flags);
}

Result<SolveCommand::Answer> SolveCommand::SolveFile(Console& console) const {
  const Clock::time_point start = Clock::now();
  TRY_ASSIGN(const std::unique_ptr<StoppableSearch> search, StoppableSearch::Start(search_));
  TRY_ASSIGN(Answer answer, Solve(search->limits()));
  answer.json["seconds"] = SecondsSince(start);
  answer.code = ExitCodeOfSearch(answer.code, console);
  return answer;
}

Result<SolveCommand::Answer> SolveCommand::CheckFile() const {
  TRY_ASSIGN(const std::string text, ReadWholeFile(*solution_file_, kMostProblemBytes));
  TRY_ASSIGN(const SortedJson sorted, ParseSortedJson(text, *solution_file_));
  const Json solution = Unsorted(sorted);
  Result<Answer> answer = Check(solution);
  if (!answer) answer.error().file = *solution_file_;
  return answer;
}

Result<int> SolveCommand::Run(Console& console) {
  TRY(search_.Check());
  TRY_ASSIGN(const std::string text, ReadWholeFile(file_, kMostProblemBytes));
  Status parsed = Parse(text);
  if (!parsed) {
    if (parsed.error().file.empty()) parsed.error().file = file_;
    return tl::unexpected<Error>(std::move(parsed).error());
  }
  TRY_ASSIGN(const Answer answer, solution_file_ ? CheckFile() : SolveFile(console));
  TRY(console.Answer(console.json ? Dump(answer.json) : answer.text));
  return answer.code;
}

}  // namespace tinyai
