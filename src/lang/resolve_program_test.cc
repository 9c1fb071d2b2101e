#include "lang/resolve_program.h"

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lang/lexer.h"

namespace tinyai {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Resolved {
  Program program;
  std::string said;
};
Resolved Resolve(std::string text) {
  const SourceText source("in.value", std::move(text));
  Diagnostics diagnostics(source);
  Resolved out;
  out.program = ResolveProgram(diagnostics);
  out.said = diagnostics.Text();
  return out;
}
std::vector<std::string> NamesOf(const Program& program) {
  std::vector<std::string> out;
  for (const Def& def : program.defs) out.push_back(def.name);
  return out;
}
std::string Complaint(const std::string& text) {
  const std::string said = Resolve(text).said;
  return said.substr(0, said.find('\n'));
}

TEST(ResolveProgram, GivesEachDefinitionANameOfItsOwn) {
  const Resolved one =
      Resolve("b = input();\nif (b > 0) { z = b + 1; } else { z = b - 1; }\noutput z;");
  EXPECT_EQ(one.said, "");
  EXPECT_THAT(NamesOf(one.program), ElementsAre("b", "b > 0", "z", "z'", "z@join"));
  EXPECT_TRUE(one.program.defs[1].implied);
  EXPECT_EQ(one.program.evals.back().kind, Eval::Kind::kOutput);
  EXPECT_THAT(one.program.evals.back().ins, ElementsAre(DefId(4)));
}

TEST(ResolveProgram, LiteralsTakeTheTypeOfWhatTheyMeet) {
  const Resolved one = Resolve("x: f32 = input(); y = x * 2; n = 3; m = i64(n) + 1; w = 2 * 0.5;");
  EXPECT_EQ(one.said, "");
  EXPECT_EQ(TypeText(one.program.defs[1].type), "f32");
  EXPECT_EQ(TypeText(one.program.defs[2].type), "i32");
  EXPECT_EQ(TypeText(one.program.defs[3].type), "i64");
  EXPECT_EQ(TypeText(one.program.defs[4].type), "f32");
}

// Trees of one statement lie in memory that the next one takes; what is needed longer stays.
TEST(ResolveProgram, TreesLastAsLongAsTheyAreLookedAt) {
  const Resolved one = Resolve(
      "const N = 2; extern fn g(a: f32[N * 4]) -> f32[N * 3] { GPU[1 + 0]: \"g\"; CPU: \"g\"; };\n"
      "fn f(a: i32) -> i32 { t = a * 2 + (a - 1) * 3; return t % (a + 7); }\n"
      "x = input(); y = f(x + 1); u = (x - 2) * (x - 3); z = f(y * 5);\n"
      "p = input(f32[8]); q = g(p); output z + u;");
  EXPECT_EQ(one.said, "");
  EXPECT_EQ(TypeText(one.program.externs[0].params[0]), "f32[8]");
  EXPECT_EQ(TypeText(one.program.externs[0].result), "f32[6]");
  const auto kinds = [&](std::string_view name) {
    std::string out;
    for (const Def& def : one.program.defs) {
      if (def.name != name) continue;
      for (const ExprNode& node : one.program.eval(def.maker).code) {
        out += fmt::format("{} ", static_cast<int>(node.kind));
      }
    }
    return out;
  };
  EXPECT_NE(kinds("y.t"), "");
  EXPECT_EQ(kinds("y.t"), kinds("z.t"));
  EXPECT_EQ(kinds("y"), kinds("z"));
}

TEST(ResolveProgram, ShapesFollowFromOperands) {
  const Resolved one = Resolve(
      "const N = 4; a = input(f32[N, 3]); b = input(f32[3, 2]); c = matmul(a, b); d = c > 0.5;\n"
      "e = sum(c); f = transpose(c); g = rows(a, 1, 2); h = concat(g, a); i = a[0]; j = a[0, 1];\n"
      "k = d ? c : 0.0; l = [1, 2, 3]; m = reshape(a, [2, 6]); o = shift(a, 1, -1);\n"
      "p = histogram(c, 8); q = fill(1.5, [2]); r = iota(5);");
  EXPECT_EQ(one.said, "");
  std::vector<std::string> types;
  for (const Def& def : one.program.defs) types.push_back(TypeText(def.type));
  EXPECT_THAT(types,
              ElementsAre("f32[4, 3]", "f32[3, 2]", "f32[4, 2]", "bool[4, 2]", "f32", "f32[2, 4]",
                          "f32[2, 3]", "f32[6, 3]", "f32[3]", "f32", "f32[4, 2]", "i32[3]",
                          "f32[2, 6]", "f32[4, 3]", "i32[8]", "f32[2]", "i32[5]"));
}

TEST(ResolveProgram, ALoopIsOneEval) {
  const std::string text =
      "n = input(); for i in 0..3 carry (s = n) { t = s + i; next s = t; } output s;";
  const Resolved whole = Resolve(text);
  EXPECT_EQ(whole.said, "");
  ASSERT_EQ(whole.program.loops.size(), 1u);
  EXPECT_EQ(whole.program.loops[0].trips, 3u);
}

TEST(ResolveProgram, ShortFunctionsBecomePartOfTheirCaller) {
  const Resolved one = Resolve(
      "fn f(a: i32, b: i32) -> i32 { t = a * b; return t + 1; }\nx = input(); y = f(x, 3);");
  EXPECT_EQ(one.said, "");
  const std::vector<std::string> names = NamesOf(one.program);
  EXPECT_THAT(std::vector(names.end() - 4, names.end()), ElementsAre("x", "y.b", "y.t", "y"));
}

TEST(ResolveProgram, AFunctionMayCallItself) {
  const Resolved one = Resolve(
      "fn fact(n: i32) -> i32 { if (n < 2) { r = 1; } else { m = fact(n - 1); r = n * m; } return "
      "r; }\n"
      "x = input(); y = fact(x); output y;");
  EXPECT_EQ(one.said, "");
  EXPECT_EQ(one.program.evals.back().kind, Eval::Kind::kOutput);
}

TEST(ResolveProgram, SaysWhatIsWrongWhere) {
  EXPECT_EQ(Complaint("x = 1;\nx = 2;"),
            "in.value:2:1: error[A9]: 'x' is already defined at 1:1; value programs have one "
            "definition per path");
  EXPECT_EQ(Complaint("y = x + 1;"), "in.value:1:5: error[I7]: no value 'x' is defined here");
  EXPECT_THAT(Complaint("x = 1; y = 2.5; z = x + y;"),
              HasSubstr("error[T1]: 'x + y' joins i32 and f32"));
  EXPECT_THAT(Complaint("b = input(); if (b) { z = 1; }"),
              HasSubstr("error[T1]: a condition is bool"));
  EXPECT_THAT(Complaint("b = input(); if (b > 0) { z = 1; } y = z;"),
              HasSubstr("error[A4]: 'z' is defined only where b > 0"));
  EXPECT_THAT(Complaint("x = sine(1.0);"), HasSubstr("error[T2]: there is no function 'sine'"));
  EXPECT_THAT(Complaint("a = input(f32[2, 3]); b = matmul(a, a);"),
              HasSubstr("error[T1]: matmul of"));
  EXPECT_THAT(Complaint("n = input(); a = fill(0, [n]);"), HasSubstr("error[T3]"));
  EXPECT_THAT(Complaint("next s = 1;"), HasSubstr("error[T4]: 'next' stands in a loop"));
}

TEST(ResolveProgram, ReportsAllMistakesOfAFileAtOnce) {
  const Resolved one = Resolve("a = q;\nb = a + 1;\nc = r;\nc = 1;\nd = 1 +;\n");
  EXPECT_EQ(one.said.find("b = a"), std::string::npos) << one.said;
  EXPECT_THAT(one.said, HasSubstr("no value 'q'"));
  EXPECT_THAT(one.said, HasSubstr("no value 'r'"));
  EXPECT_THAT(one.said, HasSubstr("error[S1]"));
}

// Deletes, doubles and replaces every token; what follows is hardly misunderstood.
void ExpectFewErrors(const std::string& text) {
  EXPECT_EQ(Resolve(text).said, "");
  std::vector<Span> tokens;
  const SourceText source("in.value", text);
  Diagnostics diagnostics(source);
  Lexer lexer(diagnostics);
  lexer.set_dialect(Lexer::Dialect::kProgram);
  for (Token token = lexer.Next(Lexer::Mode::kUsual); token.kind != TokenKind::kEnd;
       token = lexer.Next(Lexer::Mode::kUsual)) {
    tokens.push_back(token.span);
  }
  EXPECT_GT(tokens.size(), 150u);
  const auto try_one = [&](const std::string& damaged) {
    const SourceText bad("in.value", damaged);
    Diagnostics out(bad);
    ResolveProgram(out);
    EXPECT_LE(out.all().size(), Diagnostics::kMostErrors);
    size_t syntax = 0;
    for (const Diagnostic& one : out.all()) syntax += one.code == "S1" ? 1 : 0;
    EXPECT_LE(syntax, 2u) << damaged << out.Text();
  };
  for (const Span& token : tokens) {
    const std::string before = text.substr(0, token.begin), after = text.substr(token.end);
    const std::string word = text.substr(token.begin, token.end - token.begin);
    try_one(before + after);
    try_one(before + word + " " + word + after);
    for (const char* other : {"if", "else", "fn", "(", ")", "{", "}", "]", ";", "=", "0", "\"s\"",
                              "..", ",", "+", "x'"}) {
      try_one(before + other + after);
    }
  }
}

TEST(ResolveProgram, AnyTokenMayBeMissingOrTwice) {
  std::string text =
      "const N = 2; fn f(a: f32[N]) -> f32[N] { t = a * 2.0; return t; }\nb = input(f32[N]);\n"
      "if (b[0] > 0.0 && !(b[1] < 1.0)) { z = f(b); } else { z = -b; }\n"
      "for i in 0..N carry (s = 0) { next s = s + i; }\nwhile (w > 1) carry (w = s) max 9 { next w "
      "= "
      "w / 2; }\nextern fn g(a: f32[N]) -> f32[N] { CPU: \"g\"; GPU: \"g\"; };\nclass c { g }\n"
      "y = c(z); q = b[0] > 1.0 ? [1, 2] : [3, 4]; output y, q[1], w;";
  ExpectFewErrors(text);
  // The same with a line for each statement and brace.
  for (const std::string_view end : {"; ", "{ ", "} "}) {
    for (size_t at = 0; (at = text.find(end, at)) != std::string::npos;) text[at + 1] = '\n';
  }
  ExpectFewErrors(text);
}

TEST(ResolveProgram, DepthIsLimited) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "if (true) {";
  EXPECT_THAT(Complaint(deep), HasSubstr("error[S4]"));
  EXPECT_THAT(Complaint("x = " + std::string(100'000, '(')), HasSubstr("error[S4]"));
  EXPECT_THAT(Complaint("x = " + std::string(100'000, '-') + "1;"), HasSubstr("error[S4]"));
}

TEST(ResolveProgram, ReadsThePartOfAFileThatIsTheProgram) {
  const Resolved one =
      Resolve("value p { x = 1; y = x - ---x; }\nschedule s for p { CPU { --- f; } }");
  EXPECT_EQ(one.said, "");
  EXPECT_EQ(one.program.name, "p");
  EXPECT_EQ(one.program.defs.size(), 2u);
}

}  // namespace
}  // namespace tinyai
