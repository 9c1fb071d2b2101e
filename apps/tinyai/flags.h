#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

// Numbers as written on a command line, whatever the locale. Error BAD_OPTION says what is allowed.
Result<int64_t> ParseInteger(std::string_view text, int64_t least, int64_t most);
Result<double> ParseDecimal(std::string_view text);  // NaN and infinity are no numbers

// The flags of one sub-command. Each may be given once, unless it is a list; what it is given goes
// to the target named when it was added, which outlives this object.
class Flags {
 public:
  using Parser = std::function<Status(std::string_view)>;

  Flags(std::string verb, std::string summary);
  ~Flags();

  // `names` such as "-n,--predict"; several letters after one dash are allowed ("-ctk"). `type`
  // and `help` are for the reader of --help.
  void Value(std::string_view names, std::string_view type, std::string_view help, Parser parse);
  // The same for one that may be given again and again: `target` gets each.
  void List(std::string_view names, std::string_view type, std::string_view help,
            std::vector<std::string>* target);
  void Switch(std::string_view names, std::string_view help, bool* target);
  // A word without a flag, which must be there: `tinyai solve offsets FILE`. In the order of calls.
  void Word(std::string_view name, std::string_view help, std::string* target);
  // The same for a word that may be left out; after all others.
  void Word(std::string_view name, std::string_view help, std::optional<std::string>* target);

  // `target`: an integer, or an optional of one.
  template <typename T>
  void Integer(std::string_view names, std::string_view help, T* target, int64_t least,
               int64_t most) {
    Value(names, "N", help, [=](std::string_view text) -> Status {
      TRY_ASSIGN(*target, ParseInteger(text, least, most));
      return {};
    });
  }
  void Decimal(std::string_view names, std::string_view help, float* target) {
    Value(names, "X", help, [=](std::string_view text) -> Status {
      TRY_ASSIGN(*target, ParseDecimal(text));
      return {};
    });
  }
  // `target`: a string, or an optional of one.
  template <typename T>
  void Text(std::string_view names, std::string_view type, std::string_view help, T* target) {
    Value(names, type, help, [=](std::string_view text) -> Status {
      *target = std::string(text);
      return {};
    });
  }

  // Once, with all flags added; --help comes with it. `args`: what follows the verb. Errors (all
  // usage): UNKNOWN_FLAG with the nearest known one, BAD_USAGE (a value is missing, a flag is
  // repeated, a word that belongs to no flag), those of the parsers, with the name of the flag.
  Status Parse(std::span<const std::string> args);
  bool help_asked() const { return help_asked_; }
  std::string Help() const;

 private:
  struct Parsing;  // holds the library's parser
  struct Known {
    std::vector<std::string> names;
    std::string type, help;
    bool optional = false;  // of a word
  };
  std::vector<std::string> WithDoubleDashes(std::span<const std::string> args) const;
  const Known* Find(std::string_view name) const;
  Error UnknownFlag(const std::string& text) const;
  // The error of a flag without its value; `text` starts with the flag's name and a colon.
  Error MissingValue(const std::string& text) const;
  const Known& Remember(std::string_view names, std::string_view type, std::string_view help);

  std::string verb_, summary_;
  std::vector<std::unique_ptr<Known>> known_;
  std::vector<Known> words_;
  std::unique_ptr<Parsing> parsing_;
  bool help_asked_ = false;
};

// The one of `known` that `text` is probably meant to be; empty if none is near.
std::string Nearest(std::string_view text, std::span<const std::string> known);

}  // namespace tinyai
