#include "lang/parse_schedule.h"

#include "fmt/format.h"
#include "lang/lang_test_support.h"

namespace tinyai {
namespace {

// --- what is read ---

TEST(ParseSchedule, ReadsEveryExample) {
  for (const std::string& text : ExampleSchedules()) {
    const Parsed parsed = ParseText(text);
    EXPECT_EQ(parsed.complaints, "") << text;
    EXPECT_FALSE(parsed.schedule.items.empty());
  }
}

const Block& OnlyBlock(const Schedule& schedule) {
  EXPECT_EQ(schedule.items.size(), 1u);
  return std::get<Block>(schedule.items.at(0).what);
}

TEST(ParseSchedule, KeepsWhatTheProposalsScheduleSays) {
  const Parsed parsed = ParseText(ExampleSchedules()[2]);
  ASSERT_EQ(parsed.schedule.items.size(), 2u);
  const auto& cpu = std::get<Block>(parsed.schedule.items[0].what);
  const auto& gpu = std::get<Block>(parsed.schedule.items[1].what);
  EXPECT_EQ(cpu.place->name, "CPU");
  ASSERT_EQ(cpu.commands.size(), 5u);
  EXPECT_EQ(std::get<cmd::Fence>(cpu.commands[3].what).name, "write");
  EXPECT_EQ(std::get<cmd::Sync>(cpu.commands[4].what).targets[0].fence, "write");
  ASSERT_EQ(gpu.commands.size(), 1u);
  const auto& branch = std::get<cmd::If>(gpu.commands[0].what);
  EXPECT_EQ(PrintExpr(branch.condition), "b");
  ASSERT_TRUE(branch.otherwise);
  EXPECT_EQ(DottedName(std::get<cmd::Work>(branch.otherwise->at(0).what).ref), "z'");
  EXPECT_EQ(parsed.schedule.head_comments, std::vector<std::string>{"Calculated schedule"});
  EXPECT_EQ(parsed.schedule.inner_comments.size(), 1u);
}

TEST(ParseSchedule, ReadsNamesOfModels) {
  const Parsed parsed =
      ParseText("CPU { blk.3.ffn_down; blk.0..7; blk.0..7.ffn[0..64]@last; a.0.1.7b; }");
  EXPECT_EQ(parsed.complaints, "");
  std::vector<Ref> refs;
  for (const Command& command : OnlyBlock(parsed.schedule).commands) {
    refs.push_back(std::get<cmd::Work>(command.what).ref);
  }
  ASSERT_EQ(refs.size(), 4u);
  EXPECT_EQ(refs[0], RefFromDotted("blk.3.ffn_down"));
  EXPECT_EQ(refs[1].parts[1], (Ref::Part{"0", "7"}));
  EXPECT_EQ(DottedName(refs[2]), "blk.0..7.ffn");
  EXPECT_EQ(*refs[2].slice, (std::vector<Expr>{NumberExpr(0), NumberExpr(64)}));
  EXPECT_EQ(*refs[2].qualifier, "last");
  EXPECT_EQ(DottedName(refs[3]), "a.0.1.7b");
}

TEST(ParseSchedule, TellsPlacesFromValues) {
  const Parsed parsed = ParseText("GPU[1].copy { GPU.copy { a; } GPU[i + 1].x.y { b; } w[1]; }");
  EXPECT_EQ(parsed.complaints, "");
  const Block& block = OnlyBlock(parsed.schedule);
  EXPECT_EQ(block.place->queues, std::vector<std::string>{"copy"});
  EXPECT_EQ(PrintExpr(block.place->index.at(0)), "1");
  EXPECT_EQ(std::get<Block>(block.commands.at(0).what).place->name, "GPU");
  EXPECT_EQ(std::get<Block>(block.commands.at(1).what).place->queues.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<cmd::Work>(block.commands.at(2).what));
}

TEST(ParseSchedule, BindsOperatorsAsUsual) {
  const auto grouped = [](const std::string& text) {
    const Parsed parsed = ParseText("CPU { if (" + text + ") { x; } }");
    EXPECT_EQ(parsed.complaints, "");
    const auto& branch = std::get<cmd::If>(OnlyBlock(parsed.schedule).commands.at(0).what);
    std::string out;
    const auto print = [&out](const auto& self, const Expr& expr) -> void {
      if (expr.operands.empty()) {
        out += expr.text;
        return;
      }
      out += '(' + expr.text;
      for (const Expr& operand : expr.operands) {
        out += ' ';
        self(self, operand);
      }
      out += ')';
    };
    print(print, branch.condition);
    return out;
  };
  EXPECT_EQ(grouped("a || b && c == d < e + f * -g.h"),
            "(|| a (&& b (== c (< d (+ e (* f (- (h g))))))))");
  EXPECT_EQ(grouped("a - b - c"), "(- (- a b) c)");
  EXPECT_EQ(grouped("a ? b : c ? d : e"), "( a b ( c d e))");
  EXPECT_EQ(grouped("(a - (b - c))[1](x, y)"), "( ( (- a (- b c)) 1) x y)");
}

TEST(ParseSchedule, KeepsTheCertificateAtTheEnd) {
  const Parsed parsed = ParseText(
      "/* title\n * of it */\nCPU { /* in */ x; }\n//  syncs 2 (lower bound 2)  \n\n/* optimal */");
  EXPECT_EQ(parsed.schedule.head_comments, (std::vector<std::string>{"title", "* of it"}));
  EXPECT_EQ(parsed.schedule.end_comments,
            (std::vector<std::string>{" syncs 2 (lower bound 2)", "optimal"}));
  EXPECT_EQ(parsed.schedule.inner_comments.size(), 1u);
}

TEST(ParseSchedule, TakesAnyEndOfLineAndNone) {
  const Schedule expected = ParseText("CPU {\n  x;\n}\n").schedule;
  for (const char* text :
       {"CPU {\r\n\tx;\r\n}\r\n", "CPU{x;}", "\n\nCPU\n{\nx\n;\n}", "CPU { x; };"}) {
    const Parsed parsed = ParseText(text);
    EXPECT_EQ(parsed.complaints, "");
    EXPECT_EQ(parsed.schedule, expected) << text;
  }
  EXPECT_EQ(ParseText("").schedule, Schedule{});
}

// --- what is refused ---

TEST(ParseSchedule, SaysWhatItExpected) {
  const auto message = [](const std::string& text) {
    const Parsed parsed = ParseText(text);
    if (parsed.located.size() != 1) return "not one error but:\n" + parsed.complaints;
    const LocatedDiagnostic& only = parsed.located[0];
    return fmt::format("{}:{} {} {}", only.at.line, only.at.column, only.code, only.message);
  };
  EXPECT_EQ(message("CPU { x y; }"), "1:9 S1 expected '.', ';', ':', '@', '{' or '[', found 'y'");
  EXPECT_EQ(message("CPU { sync(f, ); }"), "1:15 S1 expected a name, found ')'");
  EXPECT_EQ(message("CPU { if (a +) { x; } else { y; } z; }"),
            "1:14 S1 expected an expression, found ')'");
  EXPECT_EQ(message("CPU { move x GPU; }"), "1:14 S1 expected '->', '.', '@' or '[', found 'GPU'");
  EXPECT_EQ(message("CPU { ; }"), "1:7 S1 expected a command, found ';'");
  EXPECT_EQ(message("CPU { x;\n"), "2:1 S1 expected '}', found the end of the text");
  EXPECT_EQ(message("CPU { x; } }"), "1:12 S1 this '}' closes nothing");
  EXPECT_EQ(message("CPU x; }"), "1:5 S1 expected a string, '.', '@', '{' or '[', found 'x'");
  EXPECT_EQ(message("7;"), "1:1 S1 expected a declaration or a block, found '7'");
  EXPECT_EQ(message("else { x; }"), "1:1 S1 expected a declaration or a block, found 'else'");
  EXPECT_EQ(message("budget RAM <= 3us;"), "1:15 S3 '3us' is no size");
  EXPECT_EQ(message("count best;"),
            "1:7 S1 expected 'static', 'worst' or 'expected', found 'best'");
  EXPECT_EQ(message("CPU { blk.7..3; }"), "1:11 S3 the range 7..3 is empty or too large");
  EXPECT_EQ(message("CPU { sync(f@-0); }"),
            "1:15 S3 a sync looks back at least one iteration, and not so far");
  EXPECT_EQ(message("CPU { loop i window 1.5 { x; } }"),
            "1:21 S3 this must be a whole number without unit");
  EXPECT_EQ(message("blk.0..7 { x; }"), "1:1 S1 this is no place");
  EXPECT_EQ(message("CPU.a[1] { x; }"), "1:1 S1 this is no place");
  EXPECT_EQ(message("schedule s { CPU { x; } }"), "1:12 S1 expected 'for', found '{'");
  EXPECT_EQ(message("CPU { x; } schedule s for p { GPU { y; } }"),
            "1:12 S1 a file holds one schedule, and nothing beside it");
  EXPECT_EQ(message("CPU { --- f: queue 1 }"), "1:22 S1 expected ',' or ';', found '}'");
}

TEST(ParseSchedule, FindsAllMistakesOfAFile) {
  const Parsed parsed = ParseText(
      "CPU {\n  x y;\n  sync();\n  z;\n}\nbudget RAM 5;\nGPU {\n  if (a { b; } else { c; }\n  "
      "print(a;\n}\n");
  std::string places;
  for (const LocatedDiagnostic& one : parsed.located) {
    places += fmt::format("{}:{} ", one.at.line, one.at.column);
  }
  EXPECT_EQ(places, "2:5 3:8 6:12 8:9 9:10 ");
  EXPECT_EQ(parsed.schedule.items.size(), 2u);
}

TEST(ParseSchedule, PointsBackToWhatIsNotClosed) {
  EXPECT_EQ(ParseText("GPU { a; }\nCPU {\n  x;").complaints,
            "in.sched:3:5: error[S1]: expected '}', found the end of the text\n"
            "  x;\n"
            "    ^\n"
            "  note: in.sched:2:1: this has no '}'\n");
}

TEST(ParseSchedule, StopsAfterTenErrors) {
  std::string text = "CPU {\n";
  for (int i = 0; i < 1000; ++i) text += "  x y;\n";
  EXPECT_EQ(ParseText(text + "}").located.size(), 10u);
}

// --- size and depth ---

std::string Nested(const std::string& open, const std::string& middle, const std::string& close,
                   int depth) {
  std::string out;
  for (int i = 0; i < depth; ++i) out += open;
  out += middle;
  for (int i = 0; i < depth; ++i) out += close;
  return out;
}

TEST(ParseSchedule, BoundsTheDepthOfEverything) {
  const auto condition = [](const std::string& expr) { return "CPU { if (" + expr + ") { x; } }"; };
  const auto texts = [&](int depth) {
    return std::vector<std::string>{
        Nested("CPU { ", "x;", " }", depth),
        "CPU { " + Nested("if (a) { ", "x;", " }", depth) + " }",
        "CPU { " + Nested("loop i { ", "x;", " }", depth) + " }",
        "CPU { if (a) { x; }" + Nested(" else if (a) { x; }", "", "", depth) + " }",
        condition(Nested("(", "a", ")", depth)),
        condition(Nested("[", "a", "]", depth)),
        condition(Nested("f(", "a", ")", depth)),
        condition(Nested("!", "a", "", depth)),
        condition(Nested("a ? b : ", "c", "", depth)),
        condition(Nested("a + ", "b", "", depth)),
        condition("a" + Nested(".b", "", "", depth)),
        condition("a" + Nested("[1]", "", "", depth)),
        condition("a" + Nested("()", "", "", depth)),
    };
  };
  for (const std::string& text : texts(250)) EXPECT_EQ(ParseText(text).complaints, "") << text;
  for (const int depth : {300, 100'000}) {
    for (const std::string& text : texts(depth)) {
      const Parsed parsed = ParseText(text);
      ASSERT_EQ(parsed.located.size(), 1u)
          << text.substr(0, 60) << parsed.complaints.substr(0, 500);
      EXPECT_EQ(parsed.located[0].code, "S4");
      EXPECT_LT(parsed.complaints.size(), 600u);
    }
  }
}

// A hundred operators in each of two hundred parentheses: no tree may be deeper than the bound.
TEST(ParseSchedule, BoundsTheDepthOfMixedTrees) {
  const std::string chain = Nested("a + ", "", "", 100);
  const Parsed parsed = ParseText("CPU { if (" + Nested(chain + "(", "b", ")", 200) + ") { x; } }");
  ASSERT_EQ(parsed.located.size(), 1u);
  EXPECT_EQ(parsed.located[0].code, "S4");
}

TEST(ParseSchedule, ReadsAMillionLines) {
  std::string text = "CPU {\n";
  for (int i = 0; i < 1'000'000; ++i) text += "  w.3[0..64]; // up\n";
  const Parsed parsed = ParseText(text + "}\n");
  EXPECT_EQ(parsed.complaints, "");
  EXPECT_EQ(OnlyBlock(parsed.schedule).commands.size(), 1'000'000u);
}

}  // namespace
}  // namespace tinyai
