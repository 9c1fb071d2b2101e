#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "command.h"
#include "json.h"
#include "search_flags.h"
#include "solve/search_limits.h"

namespace tinyai {

// What the kinds of `tinyai solve` have in common: a problem in a file is solved, or a solution of
// it checked. A kind reads the problem, and turns solutions into JSON and text.
class SolveCommand : public Command {
 public:
  // FILE, --check, --time, --fast, --exact. A kind with flags of its own adds them to these.
  void AddFlags(Flags& flags) override;
  Result<int> Run(Console& console) final;

 protected:
  struct Answer {
    Json json;         // "value", "lower_bound", "optimal", "solution"; "seconds" is added
    std::string text;  // the same for a person, lines
    int code = 0;      // the exit code
  };

  // Takes the problem from the text of the file. Error BAD_PROBLEM (bad file): see BadProblem.
  virtual Status Parse(const std::string& text) = 0;
  // Of the parsed problem; always has a valid solution. Errors are of the problem (BAD_PROBLEM).
  virtual Result<Answer> Solve(const SearchLimits& limits) const = 0;
  // The bare solution of an answer, or the solution itself.
  static const Json& Bare(const Json& solution) {
    const bool whole = solution.is_object() && solution.contains("solution");
    return whole ? solution["solution"] : solution;
  }
  // The answer of Check; `what` is the value in words.
  static Answer Valid(uint64_t value, const std::string& what) {
    return {{{"valid", true}, {"value", value}}, "valid, " + what + "\n"};
  }

  // What a given solution is worth: {"valid": true, "value": ...}. `solution` is any JSON. Error
  // BAD_SOLUTION (other) that says what is wrong with it.
  virtual Result<Answer> Check(const Json& solution) const = 0;

 private:
  Result<Answer> SolveFile(Console& console) const;
  Result<Answer> CheckFile() const;

  std::string file_;
  std::optional<std::string> solution_file_;
  SearchFlags search_;
};

// `where`: such as "line 7", or empty.
tl::unexpected<Error> BadProblem(const std::string& where, const std::string& what);
tl::unexpected<Error> BadSolution(const std::string& what);

}  // namespace tinyai
