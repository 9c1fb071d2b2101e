#include "lang/diagnostics.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(Diagnostics, PointAtTheText) {
  const SourceText source("llama.sched", "GPU {\n  prefetch blk.28..40;\n}\n");
  Diagnostics diagnostics(source);
  diagnostics.Error("I7", {25, 27}, "no value 'blk.40' in this model")
      .NoteAt({0, 3}, "in this block")
      .Help("it has blk.0 to blk.31");
  diagnostics.Warning("W1", {33, 33}, "the end");
  EXPECT_EQ(diagnostics.Text(),
            "llama.sched:2:20: error[I7]: no value 'blk.40' in this model\n"
            "  prefetch blk.28..40;\n"
            "                   ^^\n"
            "  note: llama.sched:1:1: in this block\n"
            "  help: it has blk.0 to blk.31\n"
            "llama.sched:4:1: warning[W1]: the end\n"
            "  \n"
            "  ^\n");
}

TEST(Diagnostics, ArePlainDataForPrograms) {
  const SourceText source("a\tb", "x\n\xC3\xB6y");
  Diagnostics diagnostics(source);
  diagnostics.Error("A1", {4, 5}, "twice").NoteAt({0, 1}, "here").Help("do it once");
  const std::vector<LocatedDiagnostic> located = diagnostics.Located();
  ASSERT_EQ(located.size(), 1u);
  EXPECT_EQ(located[0].severity, "error");
  EXPECT_EQ(located[0].code, "A1");
  EXPECT_EQ(located[0].file, "a\tb");
  EXPECT_EQ(located[0].at.line, 2u);
  EXPECT_EQ(located[0].at.column, 2u);  // code points
  EXPECT_EQ(located[0].notes, std::vector<std::string>{"a\\x09b:1:1: here"});
  EXPECT_EQ(located[0].help, "do it once");
  const Error error = diagnostics.AsError("SCHEDULE_SYNTAX");
  EXPECT_EQ(error.code, ErrorCode::kSchedule);
  EXPECT_EQ(error.key, "SCHEDULE_SYNTAX");
  EXPECT_EQ(error.message, "line 2, column 2: [A1] twice; do it once");
  EXPECT_EQ(error.offset, 4u);
}

TEST(Diagnostics, KeepTenErrorsAndTenWarnings) {
  const SourceText source("s", "x");
  Diagnostics diagnostics(source);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(diagnostics.full(), i >= 10) << i;
    diagnostics.Error("S1", {0, 1}, "wrong").Help("no");
    diagnostics.Warning("W1", {0, 1}, "odd");
  }
  EXPECT_EQ(diagnostics.all().size(), 20u);
  EXPECT_NE(diagnostics.AsError("K").message.find("(and 99 more)"), std::string::npos);
}

// What is marked stands under what is shown, whatever stands before it on the line.
TEST(Diagnostics, CountColumnsInCodePointsAndShowNoControlBytes) {
  const SourceText source("s", "\t\xC3\xB6\t\x1B\xFFz\r\nnext");
  Diagnostics diagnostics(source);
  diagnostics.Error("S1", {6, 7}, "bad \x1B byte");
  EXPECT_EQ(diagnostics.Text(),
            "s:1:6: error[S1]: bad \\x1B byte\n"
            "  \xC3\xB6 \\x1B\\xFFz\n"
            "            ^\n");
}

TEST(Diagnostics, CutLongLines) {
  const std::string half(100'000, 'n');
  const SourceText source("s", half + "!" + half);
  Diagnostics diagnostics(source);
  diagnostics.Error("S1", {100'000, 200'001}, "long");
  const std::string text = diagnostics.Text();
  EXPECT_LT(text.size(), 400u);
  EXPECT_NE(text.find("s:1:100001: "), std::string::npos);
  const size_t mark = text.find("n!n") + 1;
  const size_t line = text.rfind('\n', mark);
  const size_t marks = text.find('\n', mark);
  EXPECT_EQ(text.find('^') - marks, mark - line);
}

TEST(SourceText, FindsLinesWhateverEndsThem) {
  const SourceText source("s", "one\r\n\ntwo");
  EXPECT_EQ(source.Line(1), "one");
  EXPECT_EQ(source.Line(2), "");
  EXPECT_EQ(source.Line(3), "two");
  EXPECT_EQ(source.Locate(9), "s:3:4");
  EXPECT_EQ(source.Locate(5), "s:2:1");
  EXPECT_EQ(SourceText("s", "").Locate(0), "s:1:1");
}

}  // namespace
}  // namespace tinyai
