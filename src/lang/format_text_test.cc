#include "lang/format_text.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "lang/parse_schedule.h"
#include "lang/print_schedule.h"
#include "paths/paths.h"

namespace tinyai {
namespace {

std::string Format(const std::string& text) {
  const SourceText source("in", text);
  Diagnostics said(source);
  const std::optional<FileKind> kind = FindFileKind(said);
  EXPECT_TRUE(kind) << said.Text();
  return kind ? FormatText(source, *kind) : "";
}

TEST(FormatText, PutsStatementsOnLinesAndBlanksWhereTheyBelong) {
  EXPECT_EQ(Format("x=input( );y :f32=-x*( 2+ -x )-1;"
                   "if(x>0){z=[ 1,2 ] [0];}else if ( !b ){z=f(x , y);} else{}output -z;"),
            "x = input();\n"
            "y: f32 = -x * (2 + -x) - 1;\n"
            "if (x > 0) {\n"
            "  z = [1, 2][0];\n"
            "} else if (!b) {\n"
            "  z = f(x, y);\n"
            "} else {\n"
            "}\n"
            "output -z;\n");
  EXPECT_EQ(Format("for i in -3..n+1 carry(s=0,t=x?1:2){next s=s+i;}"),
            "for i in -3..n + 1 carry (s = 0, t = x ? 1 : 2) {\n  next s = s + i;\n}\n");
  EXPECT_EQ(Format("extern fn f(a:f32[4,n])->f32{CPU:\"x\";GPU[1].copy:\"y\";};class C{f,g}"),
            "extern fn f(a: f32[4, n]) -> f32 {\n  CPU: \"x\";\n  GPU[1].copy: \"y\";\n};\n"
            "class C {\n  f, g\n}\n");
}

TEST(FormatText, KnowsTheOtherLanguages) {
  EXPECT_EQ(Format("closed GPU[1] .copy{a;---f sync( f,g@ -1 );??? print(z@else);if(b){c;}"
                   "pin blk . 0..7 .w[0..64];---g:at 3;move x->RAM;}budget RAM<=64MiB;"),
            "closed GPU[1].copy {\n  a;\n  --- f\n  sync(f, g@-1);\n  \?\?\?\n  print(z@else);\n"
            "  if (b) {\n    c;\n  }\n  pin blk.0..7.w[0..64];\n  --- g: at 3;\n"
            "  move x -> RAM;\n}\nbudget RAM <= 64MiB;\n");
  EXPECT_EQ(
      Format("memory RAM=1GiB;device CPU{memory RAM;effects input,print,output;}"),
      "memory RAM = 1GiB;\ndevice CPU {\n  memory RAM;\n  effects input, print, output;\n}\n");
  EXPECT_EQ(Format("cost c{op add on*=max( 1ns,bytes/2GB/s );}"),
            "cost c {\n  op add on * = max(1ns, bytes / 2GB/s);\n}\n");
  EXPECT_EQ(Format("value p{a=1---2;}schedule s for p{CPU{---f;}}"),
            "value p {\n  a = 1 - - -2;\n}\nschedule s for p {\n  CPU {\n    --- f;\n  }\n}\n");
}

TEST(FormatText, KeepsCommentsAndSingleBlankLines) {
  EXPECT_EQ(Format("\n\n//a\nx = input();//b\n\n\n\n/* c\n   d */\ny = x +// e\n3; /*f*/ z=y;\n\n"
                   "if (z>1) {\n\n// g\n\n}\n// h"),
            "//a\nx = input();  //b\n\n/* c\n   d */\ny = x +  // e\n    3; /*f*/ z = y;\n\n"
            "if (z > 1) {\n  // g\n}\n// h\n");
}

TEST(FormatText, KeepsLinesThatGoOn) {
  EXPECT_EQ(Format("a = [1,\n2,\n   3];\nb\n= a[0]\n+ 1;"),
            "a = [1,\n    2,\n    3];\nb\n    = a[0]\n    + 1;\n");
}

std::string WithoutBlanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
  return text;
}

// All that the repository has: only white space changes, and it does so once.
TEST(FormatText, ChangesWhiteSpaceOnlyAndOnlyOnce) {
  const std::filesystem::path root = SourceFolder();
  size_t files = 0;
  for (const char* folder :
       {"examples/programs", "src/program/goldens", "src/lang/goldens", "fuzz/corpus/schedule"}) {
    for (const auto& entry : std::filesystem::directory_iterator(root / folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text(std::istreambuf_iterator<char>(file), {});
      const SourceText source("in", text);
      Diagnostics said(source);
      const std::optional<FileKind> kind = FindFileKind(said);
      if (!kind) continue;
      ++files;
      const std::string formatted = FormatText(source, *kind);
      EXPECT_EQ(WithoutBlanks(formatted), WithoutBlanks(text)) << entry.path();
      EXPECT_EQ(FormatText(SourceText("again", formatted), *kind), formatted) << entry.path();
      if (*kind != FileKind::kSchedule) continue;
      const SourceText formatted_source("formatted", formatted);
      Diagnostics first(source), second(formatted_source);
      const Schedule schedule = ParseSchedule(first);
      EXPECT_TRUE(ParseSchedule(second) == schedule) << entry.path();
      const std::string printed = PrintSchedule(schedule);
      EXPECT_EQ(FormatText(SourceText("printed", printed), *kind), printed) << entry.path();
    }
  }
  EXPECT_GT(files, 20u);
}

}  // namespace
}  // namespace tinyai
