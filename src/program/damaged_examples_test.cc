// Every example of a program, with each token of each of its files deleted, doubled or replaced:
// what comes of it compiles, or is refused with few mistakes, each at its place.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/mix.h"
#include "fmt/format.h"
#include "lang/lexer.h"
#include "paths/paths.h"
#include "program/program_test_support.h"

namespace tinyai {
namespace {

// A program and what belongs to it; empty texts where it has none.
struct Example {
  enum File : uint8_t { kValues, kSchedule, kDevices, kCosts };
  std::string name;
  std::array<std::string, 4> files;
};

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Those of examples/programs, and the two of the proposal.
std::vector<Example> Examples() {
  constexpr std::array<std::string_view, 4> kEndings = {".value", ".schedule", ".device", ".cost"};
  std::vector<Example> out;
  const std::filesystem::path folder = SourceFolder() + "/examples/programs";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != kEndings[0]) continue;
    Example& one = out.emplace_back();
    one.name = entry.path().stem();
    for (size_t i = 0; i < kEndings.size(); ++i) {
      one.files[i] = Read(std::filesystem::path(entry.path()).replace_extension(kEndings[i]));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const Example& a, const Example& b) { return a.name < b.name; });
  out.push_back({"one", {std::string(kExample1), "GPU { z; }\n"}});
  out.push_back({"two", {std::string(kExample2), "GPU { a; b; }\nCPU { c; print(a); d; }\n"}});
  return out;
}

std::vector<Span> TokensOf(const std::string& text) {
  const SourceText source("in", text);
  Diagnostics said(source);
  Lexer lexer(said);
  std::vector<Span> out;
  for (Token token = lexer.Next(Lexer::Mode::kUsual); token.kind != TokenKind::kEnd;
       token = lexer.Next(Lexer::Mode::kUsual)) {
    out.push_back(token.span);
  }
  return out;
}

size_t Count(const std::string& text, std::string_view word) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++count;
  return count;
}

// True if it compiles.
bool Try(const Example& example) {
  CompileOptions options;
  options.limits.effort = Effort::kFast;
  const auto& files = example.files;
  const Machine made = CompileOn(files[Example::kDevices], files[Example::kCosts],
                                 files[Example::kValues], files[Example::kSchedule], options);
  if (made.compiled.program) return true;
  const size_t errors = Count(made.said, ": error[");
  EXPECT_LE(errors, Diagnostics::kMostErrors) << made.said;
  // Where no budget of a schedule is to blame, too little memory is nobody's mistake.
  EXPECT_TRUE(errors > 0 || made.key == "BUDGET_INFEASIBLE")
      << example.name << ": " << made.key << "\n"
      << made.said << files[0] << files[1] << files[2] << files[3];
  return false;
}

TEST(DamagedExamples, CompileOrAreRefusedWithFewMistakes) {
  constexpr std::array<std::string_view, 26> kOthers = {
      ";", "{", "}",  "(", ")",  "[",    "]",    "x",    "7",      "---",   "???",   "..", ".",
      ",", ":", "->", "@", "if", "else", "loop", "sync", "closed", "place", "\"s\"", "-1", "="};
  constexpr size_t kOwn = 8;
  size_t tried = 0, compile = 0;
  for (const Example& example : Examples()) {
    ASSERT_TRUE(Try(example)) << example.name;
    for (size_t file = 0; file < example.files.size(); ++file) {
      const std::string& text = example.files[file];
      const std::vector<Span> tokens = TokensOf(text);
      for (size_t at = 0; at < tokens.size(); ++at) {
        const Span token = tokens[at];
        const std::string before = text.substr(0, token.begin), after = text.substr(token.end);
        const std::string own = text.substr(token.begin, token.end - token.begin);
        Example damaged = example;
        const auto with = [&](const std::string& instead) {
          damaged.files[file] = before + instead + after;
          compile += Try(damaged);
          ++tried;
        };
        with("");
        with(own + " " + own);
        for (const std::string_view other : kOthers) with(std::string(other));
        // By others of its own, which more often means something.
        for (size_t i = 0; i < kOwn; ++i) {
          const Span other = tokens[Mix64(tried) % tokens.size()];
          with(text.substr(other.begin, other.end - other.begin));
        }
        if (HasFailure()) return;
      }
    }
  }
  fmt::print("{} damaged texts, {} of them compile\n", tried, compile);
  EXPECT_GT(tried, 40000u);
  EXPECT_GT(compile, tried / 50);
}

}  // namespace
}  // namespace tinyai
