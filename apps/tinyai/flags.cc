#include "flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "CLI/CLI.hpp"
#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

tl::unexpected<Error> BadOption(std::string message) {
  return Fail(ErrorCode::kUsage, "BAD_OPTION", std::move(message));
}

std::vector<std::string> SplitNames(std::string_view names) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    out.emplace_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// "-ctk", which the library would take for -c with the value "tk".
bool IsLongAfterOneDash(std::string_view name) {
  return name.size() > 2 && name[0] == '-' && name[1] != '-';
}

// How many letters must be inserted, deleted, replaced or swapped with their neighbour.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

Result<int64_t> ParseInteger(std::string_view text, int64_t least, int64_t most) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const bool whole = rest == end && !text.empty();
  if (error == std::errc() && whole && value >= least && value <= most) return value;
  if (whole && error != std::errc::invalid_argument) {
    return BadOption(fmt::format("{} is not within {} and {}", text, least, most));
  }
  return BadOption(fmt::format("'{}' is not a whole number", EscapeControl(text)));
}

Result<double> ParseDecimal(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && rest == end && std::isfinite(value)) return value;
  return BadOption(fmt::format("'{}' is not a number", EscapeControl(text)));
}

std::string Nearest(std::string_view text, std::span<const std::string> known) {
  if (text.size() > 64) return {};
  std::string best;
  size_t least = text.size() / 3 + 2;  // more than that is another word
  for (const std::string& candidate : known) {
    const size_t distance = EditDistance(text, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

struct Flags::Parsing {
  CLI::App app;
  std::optional<Error> error;  // of the first value that could not be parsed
};

Flags::Flags(std::string verb, std::string summary)
    : verb_(std::move(verb)), summary_(std::move(summary)), parsing_(std::make_unique<Parsing>()) {
  parsing_->app.set_help_flag();
}

Flags::~Flags() = default;

const Flags::Known& Flags::Remember(std::string_view names, std::string_view type,
                                    std::string_view help) {
  known_.push_back(std::make_unique<Known>(
      Known{SplitNames(names), std::string(type), std::string(help), false}));
  return *known_.back();
}

namespace {

std::string NamesForLibrary(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ',';
    out += IsLongAfterOneDash(name) ? "-" + name : name;
  }
  return out;
}

}  // namespace

void Flags::Value(std::string_view names, std::string_view type, std::string_view help,
                  Parser parse) {
  const Known& known = Remember(names, type, help);
  Parsing* const parsing = parsing_.get();
  const CLI::callback_t take = [parsing, parse = std::move(parse),
                                &known](const CLI::results_t& results) {
    const Status status = parse(results.back());
    if (status) return true;
    if (!parsing->error) {
      parsing->error = status.error();
      parsing->error->message = fmt::format("{}: {}", known.names.back(), status.error().message);
    }
    return false;
  };
  parsing->app.add_option(NamesForLibrary(known.names), take);
}

void Flags::List(std::string_view names, std::string_view type, std::string_view help,
                 std::vector<std::string>* target) {
  const Known& known = Remember(names, type, help);
  const CLI::callback_t take = [target](const CLI::results_t& results) {
    *target = results;
    return true;
  };
  parsing_->app.add_option(NamesForLibrary(known.names), take)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Flags::Switch(std::string_view names, std::string_view help, bool* target) {
  const Known& known = Remember(names, "", help);
  parsing_->app.add_flag(NamesForLibrary(known.names), *target)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
}

void Flags::Word(std::string_view name, std::string_view help, std::string* target) {
  words_.push_back({{std::string(name)}, "", std::string(help), false});
  parsing_->app.add_option(std::string(name), *target);
}

void Flags::Word(std::string_view name, std::string_view help, std::optional<std::string>* target) {
  words_.push_back({{std::string(name)}, "", std::string(help), true});
  parsing_->app.add_option(std::string(name), *target);
}

const Flags::Known* Flags::Find(std::string_view name) const {
  for (const auto& known : known_) {
    if (std::find(known->names.begin(), known->names.end(), name) != known->names.end()) {
      return known.get();
    }
  }
  return nullptr;
}

std::vector<std::string> Flags::WithDoubleDashes(std::span<const std::string> args) const {
  std::vector<std::string> out;
  for (size_t i = 0; i < args.size(); ++i) {
    const Known* const known = Find(args[i]);
    out.push_back(known != nullptr && IsLongAfterOneDash(args[i]) ? "-" + args[i] : args[i]);
    const bool has_value = known != nullptr && !known->type.empty();
    if (has_value && i + 1 < args.size()) out.push_back(args[++i]);
  }
  return out;
}

Error Flags::UnknownFlag(const std::string& text) const {
  if (!text.starts_with('-') || text == "--") {
    return {
        ErrorCode::kUsage, "BAD_USAGE",
        fmt::format("'{}' belongs to no flag; see tinyai {} --help", EscapeControl(text), verb_)};
  }
  std::vector<std::string> names;
  for (const auto& known : known_)
    names.insert(names.end(), known->names.begin(), known->names.end());
  const std::string name = text.substr(0, text.find('='));
  const std::string near = Nearest(name, names);
  return {ErrorCode::kUsage, "UNKNOWN_FLAG",
          fmt::format("{} has no flag {}; {}", verb_, EscapeControl(name),
                      near.empty() ? fmt::format("see tinyai {} --help", verb_)
                                   : fmt::format("did you mean {}?", near))};
}

Error Flags::MissingValue(const std::string& text) const {
  const std::string name = text.substr(0, text.find(':'));
  const Known* const known = Find(name);
  return {ErrorCode::kUsage, "BAD_USAGE",
          fmt::format("{} wants a value{}; see tinyai {} --help", name,
                      known == nullptr ? "" : ", " + known->type, verb_)};
}

Status Flags::Parse(std::span<const std::string> args) {
  Switch("-h,--help", "show this help", &help_asked_);
  std::vector<std::string> reversed = WithDoubleDashes(args);
  std::reverse(reversed.begin(), reversed.end());
  try {
    parsing_->app.parse(std::move(reversed));
  } catch (const CLI::ExtrasError&) {
    return tl::unexpected<Error>(UnknownFlag(parsing_->app.remaining().front()));
  } catch (const CLI::ArgumentMismatch& error) {
    return tl::unexpected<Error>(MissingValue(error.what()));
  } catch (const CLI::ParseError& error) {
    if (parsing_->error) return tl::unexpected<Error>(*parsing_->error);
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                fmt::format("{}; see tinyai {} --help", error.what(), verb_));
  }
  for (const Known& word : words_) {
    const size_t count = parsing_->app.count(word.names[0]);
    if (help_asked_ || count == 1 || (word.optional && count == 0)) continue;
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                fmt::format("{} wants a {}: {}", verb_, word.names[0], word.help));
  }
  return {};
}

std::string Flags::Help() const {
  std::string out = fmt::format("{}\n\nusage: tinyai {}", summary_, verb_);
  for (const Known& word : words_) {
    out += word.optional ? fmt::format(" [{}]", word.names[0]) : " " + word.names[0];
  }
  out += " [flags]\n\n";
  for (const Known& word : words_) {
    out += fmt::format("  {:28}{}\n", word.names[0], word.help);
  }
  for (const auto& known : known_) {
    std::string left = fmt::format("  {}", fmt::join(known->names, ", "));
    if (!known->type.empty()) left += " " + known->type;
    // What is too long for the column stands on a line of its own.
    out += left.size() > 28 ? fmt::format("{}\n{:30}", left, "") : fmt::format("{:30}", left);
    out += known->help + "\n";
  }
  return out;
}

}  // namespace tinyai
