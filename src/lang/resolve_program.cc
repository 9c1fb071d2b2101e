#include "lang/resolve_program.h"

#include <utility>

#include "lang/parse_ref.h"
#include "lang/parse_values.h"
#include "lang/program_builder.h"

namespace tinyai {
namespace {

// Goes through the file; statements are resolved as soon as they are read.
class ProgramReader {
 public:
  explicit ProgramReader(Diagnostics& diagnostics)
      : diagnostics_(diagnostics), in_(diagnostics), builder_(diagnostics) {}

  Program Read() {
    in_.set_dialect(Lexer::Dialect::kProgram);
    builder_.Expect(in_.source().line_count());
    if (in_.AtWord("value")) Wrapper();
    while (!in_.ended()) {
      if (in_.token().kind == TokenKind::kCloseBrace) {
        in_.Misplaced(in_.token().span, "this '}' closes nothing");
        in_.Take();
        in_.Accept(TokenKind::kSemicolon);
      } else {
        Next();
      }
    }
    return builder_.Finish();
  }

 private:
  void Next() {
    const size_t before = diagnostics_.all().size();
    builder_.Announce(in_.text());
    const bool read = ParseValueStatement(in_, true, statement_);
    // What comes after a mistake of writing may only follow from it.
    if (diagnostics_.all().size() != before || in_.lexer().broken()) builder_.set_quiet();
    if (read) builder_.Add(statement_);
    // A function's body is looked at again where it is called.
    if (read && std::holds_alternative<val::Function>(statement_.what)) in_.arena().Hold();
    in_.arena().Clear();
  }

  // value name { .. } and what may follow: schedule name for name { .. }, which is not read here.
  void Wrapper() {
    const Token value = in_.Take();
    if (in_.token().kind != TokenKind::kName) {
      in_.Unexpected("the program's name");
      return;
    }
    builder_.set_name(std::string(in_.text()));
    in_.Take();
    if (!in_.Expect(TokenKind::kOpenBrace)) return;
    while (!in_.At(TokenKind::kCloseBrace) && !in_.ended()) Next();
    CloseBrace(in_, value.span);
    in_.Accept(TokenKind::kSemicolon);
    if (in_.AtWord("schedule")) return in_.Stop();
    if (in_.ended()) return;
    in_.Misplaced(in_.token().span, "only a schedule may follow the program");
    in_.Stop();
  }

  Diagnostics& diagnostics_;
  TokenStream in_;
  ProgramBuilder builder_;
  ValueStatement statement_;  // the one that is being read
};

}  // namespace

Program ResolveProgram(Diagnostics& diagnostics) { return ProgramReader(diagnostics).Read(); }

}  // namespace tinyai
