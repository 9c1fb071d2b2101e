#include "lang/print_schedule.h"

#include <cstdlib>

#include "lang/lang_test_support.h"
#include "lang/lexer.h"
#include "rapidcheck.h"

namespace tinyai {
namespace {

// Read by rapidcheck at the first property: the same schedules in every run.
[[maybe_unused]] const int kParameters = setenv("RC_PARAMS", "max_success=2000 seed=7", 0);

TEST(PrintSchedule, WritesOneCommandALine) {
  EXPECT_EQ(PrintSchedule(ParseText(ExampleSchedules()[2]).schedule),
            "// Calculated schedule\n"
            "CPU {\n"
            "  b;\n"
            "  x;\n"
            "  y;\n"
            "  --- write;\n"
            "  sync(write);\n"
            "}\n"
            "GPU {\n"
            "  if (b) {\n"
            "    z;\n"
            "  } else {\n"
            "    z';\n"
            "  }\n"
            "}\n");
  EXPECT_EQ(PrintSchedule(
                ParseText("schedule s for p{budget R<=4KiB;closed G[1].c{???load w.0..3:at -1,once;"
                          "if(-(-a)-(b-c)<4){}else if(d){pin w;}}}//done")
                    .schedule),
            "schedule s for p {\n"
            "  budget R <= 4KiB;\n"
            "  closed G[1].c {\n"
            "    ???;\n"
            "    load w.0..3: at -1, once;\n"
            "    if (-(-a) - (b - c) < 4) {\n"
            "    } else if (d) {\n"
            "      pin w;\n"
            "    }\n"
            "  }\n"
            "}\n"
            "// done\n");
}

TEST(PrintSchedule, GivesTheSameTextAgain) {
  for (const std::string& text : ExampleSchedules()) {
    const Schedule schedule = ParseText(text).schedule;
    const std::string printed = PrintSchedule(schedule);
    const Parsed again = ParseText(printed);
    EXPECT_EQ(again.complaints, "");
    EXPECT_EQ(again.schedule, schedule) << printed;
    EXPECT_EQ(PrintSchedule(again.schedule), printed);
  }
}

TEST(PrintRef, QuotesWhatHasNotTheFormOfAName) {
  Ref ref{{{"load"}, {"3"}, {"a b"}, {"free"}, {"0", "7"}}};
  EXPECT_EQ(PrintRef(ref), "\"load\".3.\"a b\".free.0..7");
}

// --- random schedules ---

template <typename T>
T Pick(std::initializer_list<T> items) {
  return *rc::gen::elementOf(std::vector<T>(items));
}
int Below(int n) { return *rc::gen::inRange(0, n); }

std::string RandomName() {
  return Pick<std::string>({"a", "b'", "blk", "$x_1", "kind", "window", "e1"});
}
std::string RandomWord() {  // of a value, which may be any word
  return Pick<std::string>(
      {"z''", "w", "if", "else", "free", "a b", "1x", "", "\"\\", "place", "ö"});
}
std::string RandomNumber() {
  return Pick<std::string>({"0", "4KiB", "1.5e-3", "12GB/s", "18446744073709551616"});
}

Expr RandomExpr(int depth) {
  using Kind = Expr::Kind;
  const auto make = [](Kind kind, std::string text, std::vector<Expr> operands) {
    return MakeExpr(kind, std::move(text), std::move(operands), {});
  };
  const int choice = Below(depth > 0 ? 11 : 3);
  const auto next = [depth] { return RandomExpr(depth - 1); };
  switch (choice) {
    case 0:
      return make(Kind::kName, RandomName(), {});
    case 1:
      return make(Kind::kNumber, RandomNumber(), {});
    case 2:
      return make(Kind::kString, RandomWord(), {});
    case 3:
      return make(Kind::kUnary, Pick<std::string>({"-", "!"}), {next()});
    case 4:
      return make(Kind::kChoice, "", {next(), next(), next()});
    case 5:
      return make(Kind::kCall, "", {next(), next()});
    case 6:
      return make(Kind::kElement, "", {next(), next()});
    case 7:
      return make(Kind::kMember, Pick<std::string>({"m", "7", "7b"}), {next()});
    case 8:
      return make(Kind::kArray, "", {next(), next(), next()});
    default:
      return make(Kind::kBinary,
                  Pick<std::string>(
                      {"||", "&&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"}),
                  {next(), next()});
  }
}

Ref RandomRef() {
  Ref ref{{{Below(2) ? RandomName() : RandomWord()}}};
  for (int i = Below(3); i > 0; --i) {
    ref.parts.push_back(Below(3) ? Ref::Part{Pick<std::string>({"3", "ffn", "7b", "a.b", "if"})}
                                 : Ref::Part{"0", "12"});
  }
  for (int i = Below(3); i > 0; --i) ref.slice.edit().push_back(RandomExpr(2));
  if (Below(4) == 0) ref.qualifier = RandomName();
  return ref;
}

Place RandomPlace() {
  Place place{Pick<std::string>({"CPU", "GPU", "DISK"})};
  if (Below(3) == 0) place.index.push_back(RandomExpr(1));
  if (Below(3) == 0) place.queues = {"copy", "2"};
  return place;
}

std::vector<Attribute> RandomAttributes() {
  std::vector<Attribute> out;
  for (int i = Below(3); i > 0; --i) {
    Attribute& attribute = out.emplace_back();
    attribute.name = RandomName();
    const auto make = [](Expr::Kind kind, std::string text, std::vector<Expr> operands) {
      return MakeExpr(kind, std::move(text), std::move(operands), {});
    };
    switch (Below(5)) {
      case 0:
        attribute.value = make(Expr::Kind::kName, "weights.7b", {});
        break;
      case 1:
        attribute.value = make(Expr::Kind::kString, RandomWord(), {});
        break;
      case 2:
        attribute.value = make(Expr::Kind::kNumber, RandomNumber(), {});
        break;
      case 3:
        attribute.value = make(Expr::Kind::kUnary, "-", {NumberExpr(3)});
        break;
    }
  }
  return out;
}

std::vector<Command> RandomCommands(int depth);

Block RandomBlock(int depth) { return {Below(2) == 0, RandomPlace(), RandomCommands(depth), {}}; }

Command RandomCommand(int depth) {
  const int choice = Below(depth > 0 ? 9 : 6);
  switch (choice) {
    case 0:
      return {cmd::Work{cmd::Verb(Below(7)), RandomRef()}, RandomAttributes()};
    case 1:
      return {cmd::Move{RandomRef(), RandomPlace()}, RandomAttributes()};
    case 2:
      return {cmd::Fence{RandomName()}, RandomAttributes()};
    case 3:
      return {cmd::Sync{{{RandomName(), 0}, {RandomName(), ~0u}}}, RandomAttributes()};
    case 4:
      return {cmd::Print{{RandomRef(), RandomRef()}}, RandomAttributes()};
    case 5:
      return {cmd::Hole{}};
    case 6: {
      cmd::If branch{RandomExpr(3), RandomCommands(depth - 1), {}};
      if (Below(2)) branch.otherwise = RandomCommands(depth - 1);
      return {std::move(branch)};
    }
    case 7: {
      cmd::Loop loop{"i_" + RandomName(), {}, RandomCommands(depth - 1)};
      if (Below(2)) loop.window = ~uint64_t{0};
      return {std::move(loop)};
    }
    default:
      return {RandomBlock(depth - 1)};
  }
}

std::vector<Command> RandomCommands(int depth) {
  std::vector<Command> out;
  for (int i = Below(4); i > 0; --i) out.push_back(RandomCommand(depth));
  return out;
}

Item RandomItem() {
  switch (Below(7)) {
    case 0:
      return {decl::Placement{RandomRef(), RandomPlace()}, {}};
    case 1:
      return {decl::Before{RandomRef(), RandomRef()}, {}};
    case 2:
      return {decl::Budget{Pick<std::string>({"RAM", "GPU.mem"}), Pick<std::string>({"0", "1.5G"})},
              {}};
    case 3:
      return {decl::Objective{RandomExpr(3)}, {}};
    case 4:
      return {decl::Count{decl::Counting(Below(3))}, {}};
    case 5:
      return {decl::Record{RandomName(), RandomWord(), RandomAttributes()}, {}};
    default:
      return {RandomBlock(3), {}};
  }
}

Schedule RandomSchedule() {
  Schedule out;
  if (Below(3) == 0) {
    out.name = RandomName();
    out.program = RandomName();
  }
  for (int i = 1 + Below(4); i > 0; --i) out.items.push_back(RandomItem());
  const auto comments = [] {
    std::vector<std::string> lines;
    for (int i = Below(3); i > 0; --i)
      lines.push_back(Pick<std::string>({"", "syncs 2", " // */ ö", "/*"}));
    return lines;
  };
  out.head_comments = comments();
  out.end_comments = comments();
  return out;
}

TEST(PrintSchedule, IsReadBackWhateverTheScheduleSays) {
  EXPECT_TRUE(rc::check([] {
    const Schedule schedule = RandomSchedule();
    const std::string printed = PrintSchedule(schedule);
    const Parsed parsed = ParseText(printed);
    if (!parsed.complaints.empty()) RC_FAIL(printed + parsed.complaints);
    if (parsed.schedule != schedule) RC_FAIL(printed);
    RC_ASSERT(PrintSchedule(parsed.schedule) == printed);
  }));
}

}  // namespace
}  // namespace tinyai
