#include <algorithm>
#include <random>

#include "lang/lang_test_support.h"
#include "lang/lexer.h"

namespace tinyai {
namespace {

// Damages of one token may confuse what follows, but not much of it.
constexpr size_t kMostErrorsOfOneToken = 2;

std::vector<Span> TokensOf(const std::string& text) {
  const SourceText source("in", text);
  Diagnostics diagnostics(source);
  Lexer lexer(diagnostics);
  std::vector<Span> out;
  while (true) {
    const Token token = lexer.Next(Lexer::Mode::kUsual);
    if (token.kind == TokenKind::kEnd) return out;
    out.push_back(token.span);
  }
}

void ExpectFewErrors(const std::string& text) {
  const Parsed parsed = ParseText(text);
  EXPECT_LE(parsed.located.size(), kMostErrorsOfOneToken) << text << "\n" << parsed.complaints;
  if (!parsed.located.empty()) return;
  const std::string printed = PrintSchedule(parsed.schedule);
  EXPECT_EQ(ParseText(printed).schedule, parsed.schedule) << text;
}

// Deletes, doubles and replaces every token of every example.
TEST(ParseSchedule, IsNotConfusedByOneWrongToken) {
  const std::vector<std::string> others = {
      ";", "{", "}",  "(", ")",  "[",    "]",    "x",    "7",      "---",   "???",   "..",  ".",
      ",", ":", "->", "@", "if", "else", "loop", "sync", "closed", "place", "\"s\"", "4KiB"};
  size_t tried = 0;
  for (const std::string& text : ExampleSchedules()) {
    for (const Span& token : TokensOf(text)) {
      const std::string before = text.substr(0, token.begin), after = text.substr(token.end);
      const std::string own = text.substr(token.begin, token.end - token.begin);
      ExpectFewErrors(before + after);
      ExpectFewErrors(before + own + " " + own + after);
      for (const std::string& other : others) ExpectFewErrors(before + other + after);
      tried += others.size() + 2;
    }
  }
  EXPECT_GT(tried, 5000u);
}

TEST(ParseSchedule, SurvivesBeingCutAnywhere) {
  for (const std::string& text : ExampleSchedules()) {
    for (size_t size = 0; size < text.size(); ++size) {
      const Parsed parsed = ParseText(text.substr(0, size));
      EXPECT_LE(parsed.located.size(), 2u) << text.substr(0, size) << "\n" << parsed.complaints;
    }
  }
}

TEST(ParseSchedule, SurvivesRandomBytes) {
  std::mt19937 random(7);
  for (const std::string& example : ExampleSchedules()) {
    for (int i = 0; i < 300; ++i) {
      std::string text = example;
      for (int n = 0; n < 1 + i % 5; ++n) {
        text[random() % text.size()] = static_cast<char>(random() % 256);
      }
      const Parsed parsed = ParseText(text);
      EXPECT_LE(parsed.located.size(), Diagnostics::kMostErrors);
      const bool printable =
          std::all_of(parsed.complaints.begin(), parsed.complaints.end(),
                      [](char c) { return c == '\n' || static_cast<uint8_t>(c) >= 0x20; });
      EXPECT_TRUE(printable);
    }
  }
}

}  // namespace
}  // namespace tinyai
