#include "lang/lexer.h"

#include "fmt/format.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// The tokens with bars between, then what was complained of.
std::string Cut(std::string text, Lexer::Mode mode = Lexer::Mode::kUsual) {
  const SourceText source("t", std::move(text));
  Diagnostics diagnostics(source);
  Lexer lexer(diagnostics);
  std::string out;
  for (Token token = lexer.Next(mode); token.kind != TokenKind::kEnd; token = lexer.Next(mode)) {
    out += fmt::format("{}|", source.Slice(token.span));
  }
  for (const Diagnostic& diagnostic : diagnostics.all()) {
    out += fmt::format(" {} {}-{}: {}", diagnostic.code, diagnostic.span.begin, diagnostic.span.end,
                       diagnostic.message);
  }
  return out;
}

TEST(Lexer, CutsATextIntoTokens) {
  EXPECT_EQ(Cut("a---b ??? x->y, z'' != 4KiB;"), "a|---|b|???|x|->|y|,|z''|!=|4KiB|;|");
  EXPECT_EQ(Cut("a<=b<c ? d : !e||f&&g"), "a|<=|b|<|c|?|d|:|!|e||||f|&&|g|");
  EXPECT_EQ(Cut("w[0..64]1.5.x 12GB/s 12/s 1e3"), "w|[|0|..|64|]|1.5|.|x|12GB/s|12|/|s|1e3|");
  EXPECT_EQ(Cut(""), "");
}

TEST(Lexer, ReadsWhatFollowsADotAsAName) {
  EXPECT_EQ(Cut("3.0", Lexer::Mode::kPart), "3|.|0|");
  EXPECT_EQ(Cut("0..7.ffn_down", Lexer::Mode::kPart), "0|..|7|.|ffn_down|");
  EXPECT_EQ(Cut("7b", Lexer::Mode::kPart), "7b|");
}

TEST(Lexer, SkipsCommentsAndKeepsWhereTheyAre) {
  const SourceText source("t", "// one\r\na /* two\n*/ b // three");
  Diagnostics diagnostics(source);
  Lexer lexer(diagnostics);
  while (lexer.Next(Lexer::Mode::kUsual).kind != TokenKind::kEnd) {
  }
  ASSERT_EQ(lexer.comments().size(), 3u);
  EXPECT_EQ(source.Slice(lexer.comments()[1]), "/* two\n*/");
  EXPECT_EQ(source.Slice(lexer.comments()[2]), "// three");
  EXPECT_FALSE(diagnostics.has_errors());
}

TEST(Lexer, ReportsWhatIsNoToken) {
  EXPECT_EQ(Cut("a # b"), "a|b| S2 2-3: '#' means nothing here");
  EXPECT_EQ(Cut("größe"), "größe| S2 2-4: 'ö' means nothing here");
  EXPECT_EQ(Cut("12qq;"), "12qq|;| S3 2-4: 'qq' is no unit");
  EXPECT_EQ(Cut("\"abc\nd"),
            "\"abc|d| S3 0-1: this string has no end; '\"' is missing on its line");
  EXPECT_EQ(Cut("\"abc\\"), "\"abc\\| S3 0-1: this string has no end; '\"' is missing on its line");
  EXPECT_EQ(Cut("a /* b"), "a| S2 2-4: this comment has no end; '*/' is missing");
}

TEST(Lexer, EndsBeforeBytesThatNoTextHas) {
  using namespace std::string_literals;
  for (const std::string& bad : {"\0"s, "\x1B[2J"s, "\x7F"s, "\xFF"s, "\xC0\x80"s, "\xED\xA0\x80"s,
                                 "\xC2\x9B"s, "\xE2\x82"s}) {
    for (const std::string& before : {"a "s, "a // "s, "a /* "s, "a \""s}) {
      const std::string cut = Cut(before + bad + " b");
      EXPECT_TRUE(cut.starts_with("a|")) << cut;
      EXPECT_NE(cut.find(fmt::format(" S2 {}-{}: byte 0x", before.size(), before.size() + 1)),
                std::string::npos)
          << cut;
      EXPECT_EQ(cut.find("b|"), std::string::npos) << cut;
      EXPECT_EQ(cut.find("no end"), std::string::npos) << cut;
    }
  }
  EXPECT_EQ(Cut("\xEF\xBB\xBF"
                "a\r\n\tb"),
            "a|b|");
}

TEST(Lexer, BoundsNamesNumbersAndStrings) {
  const std::string name(kMostNameBytes, 'n'), digits(kMostNameBytes, '1');
  EXPECT_EQ(Cut(name), name + "|");
  EXPECT_NE(Cut(name + 'n').find("S3 0-1: this name has 1025 bytes"), std::string::npos);
  EXPECT_NE(Cut(digits + '1').find("S3 0-1: this number has more digits"), std::string::npos);
  const std::string text(kMostStringBytes, 't');
  EXPECT_NE(Cut('"' + text + '"').find("S3 0-1: this string has"), std::string::npos);
}

TEST(Lexer, RefusesATextThatIsTooLong) {
  EXPECT_EQ(Cut(std::string(kMostSourceBytes + 1, 'n')),
            " S2 0-0: the text has 268435457 bytes; at most 268435456 are read");
}

TEST(Strings, AreQuotedAndBack) {
  using namespace std::string_literals;
  for (const std::string& text :
       {""s, "ring slot 0"s, "a\"b\\c"s, "\0\n\x1B\x7F"s, "größe 😀"s, "\xFF\xC2\x9B"s, "\\x41"s}) {
    const std::string quoted = Quote(text);
    EXPECT_EQ(Unquote(quoted), text) << quoted;
    EXPECT_EQ(Cut(quoted), quoted + "|");
  }
  EXPECT_EQ(Quote("a\n\"\xFF"), "\"a\\x0A\\\"\\xFF\"");
}

TEST(Names, HaveAForm) {
  for (const char* name : {"z", "z''", "$a_1", "_"}) EXPECT_TRUE(IsName(name)) << name;
  for (const char* name : {"", "'", "1a", "a'b", "a.b", "a b", "ö"})
    EXPECT_FALSE(IsName(name)) << name;
  EXPECT_TRUE(IsNamePart("7b"));
  EXPECT_FALSE(IsNamePart("''"));
}

}  // namespace
}  // namespace tinyai
