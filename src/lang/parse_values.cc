#include "lang/parse_values.h"

#include <string>
#include <utility>

#include "fmt/format.h"
#include "lang/number.h"
#include "lang/parse_expr.h"
#include "lang/parse_ref.h"

namespace tinyai {
namespace {

using What = decltype(ValueStatement::what);

constexpr std::string_view kStatement =
    "a statement (name = .., if, for, while, next, output or return)";

class StatementParser {
 public:
  explicit StatementParser(TokenStream& in) : in_(in) {}

  bool Parse(bool top, ValueStatement& out) {
    const uint32_t begin = in_.token().span.begin;
    if (!Read(top, out.what)) {
      in_.SkipStatement(begin);
      while (in_.AtWord("else")) in_.SkipStatement(in_.token().span.begin);
      while (in_.Accept(TokenKind::kSemicolon)) {  // of what was skipped
      }
      return false;
    }
    out.where = Span{begin, in_.last_end()};
    return true;
  }

 private:
  // Each of these writes what it reads into `out`; false, and reported, where it is none.
  bool Ended(bool good) { return good && in_.Expect(TokenKind::kSemicolon); }

  bool Read(bool top, What& out) {
    if (in_.token().kind != TokenKind::kName || in_.AtWord("else")) {
      in_.Unexpected(kStatement);
      return false;
    }
    const Token head = in_.token();
    const std::string_view word = in_.text().substr(0, kMostNameBytes + 1);
    in_.Take();
    // Every word is a name where it is defined: next = 3;
    const TokenKind after = in_.token().kind;
    const bool defines =
        after == TokenKind::kAssign || after == TokenKind::kComma || after == TokenKind::kColon;
    const NameAt name{word, head.span};
    if (defines) return Ended(Let(name, out.emplace<val::Let>()));
    if (word == "if") return If(head.span, out.emplace<val::If>());
    if (word == "for") return For(head.span, out.emplace<val::For>());
    if (word == "while") return While(head.span, out.emplace<val::While>());
    if (word == "let") return Ended(LetWord(out.emplace<val::Let>()));
    if (word == "next") return Ended(Next(out.emplace<val::Next>()));
    if (word == "output" || word == "return") {
      val::Output& output = out.emplace<val::Output>();
      output.returns = word == "return";
      return Ended(Exprs(output.values));
    }
    if (top && word == "fn") return Function(head.span, out.emplace<val::Function>());
    if (top && word == "extern") return Ended(Extern(out.emplace<val::Extern>()));
    if (top && word == "class") return Class(out.emplace<val::Class>());
    if (top && word == "const") return Ended(Const(out.emplace<val::Const>()));
    if (!top && (word == "fn" || word == "extern" || word == "class" || word == "const")) {
      in_.Misplaced(head.span, fmt::format("'{}' stands outside of all blocks", word));
      return false;
    }
    return Ended(Let(name, out.emplace<val::Let>()));
  }

  bool Name(NameAt& out) {
    out = {in_.text().substr(0, kMostNameBytes), in_.token().span};
    return in_.Expect(TokenKind::kName);
  }

  // A name has been taken.
  bool Let(const NameAt& name, val::Let& out) {
    out.name = name;
    while (in_.Accept(TokenKind::kComma)) {
      if (!Name(out.more.emplace_back())) return false;
    }
    if (in_.Accept(TokenKind::kColon)) {
      if (in_.token().kind == TokenKind::kString) {
        in_.Misplaced(in_.token().span, "a kernel stands in the braces of an extern");
        return false;
      }
      if (!Type(out.type.emplace())) return false;
    }
    return in_.Expect(TokenKind::kAssign) && ParseExprTree(in_, out.value);
  }
  bool LetWord(val::Let& out) {
    NameAt name;
    return Name(name) && Let(name, out);
  }

  bool Type(TypeSyntax& out) {
    const uint32_t begin = in_.token().span.begin;
    out.scalar = in_.text().substr(0, kMostNameBytes);
    if (in_.token().kind != TokenKind::kName) {
      in_.Unexpected("a type");
      return false;
    }
    in_.Take();
    if (in_.Accept(TokenKind::kOpenBracket)) {
      if (!Exprs(out.shape) || !in_.Expect(TokenKind::kCloseBracket)) return false;
    }
    out.where = Span{begin, in_.last_end()};
    return true;
  }

  bool Exprs(std::vector<ExprTree>& out) {
    do {
      if (!ParseExprTree(in_, out.emplace_back())) return false;
    } while (in_.Accept(TokenKind::kComma));
    return true;
  }

  bool Block(Span begin, ValueBlock& out) {
    if (!in_.Enter()) return false;
    if (!in_.Accept(TokenKind::kOpenBrace)) {
      in_.Unexpected();
      // Where it was only forgotten, what follows is read as if it stood there.
      if (in_.token().kind != TokenKind::kName) return false;
    }
    while (!in_.At(TokenKind::kCloseBrace) && !in_.ended()) {
      ValueStatement statement;
      if (Parse(false, statement)) out.push_back(std::move(statement));
    }
    in_.Leave();
    return CloseBrace(in_, begin);
  }

  bool InParens(ExprTree& out) {
    return in_.Expect(TokenKind::kOpenParen) && ParseExprTree(in_, out) &&
           in_.Expect(TokenKind::kCloseParen);
  }

  bool If(Span begin, val::If& out) {
    if (!InParens(out.condition)) return false;
    if (!Block(begin, out.then)) return false;
    if (!in_.AtWord("else")) return true;
    const Span otherwise = in_.Take().span;
    if (!in_.AtWord("if")) return Block(otherwise, out.otherwise);
    if (!in_.Enter()) return false;
    const Span inner = in_.Take().span;
    ValueStatement& next = out.otherwise.emplace_back();
    const bool good = If(inner, next.what.emplace<val::If>());
    in_.Leave();
    next.where = Span{inner.begin, in_.last_end()};
    return good;
  }

  bool Carries(std::vector<val::Carry>& out) {
    if (!in_.AtWord("carry")) return true;
    in_.Take();
    if (!in_.Expect(TokenKind::kOpenParen)) return false;
    do {
      val::Carry& carry = out.emplace_back();
      if (!Name(carry.name) || !in_.Expect(TokenKind::kAssign)) return false;
      if (!ParseExprTree(in_, carry.init)) return false;
    } while (in_.Accept(TokenKind::kComma));
    return in_.Expect(TokenKind::kCloseParen);
  }

  bool For(Span begin, val::For& out) {
    if (!Name(out.index)) return false;
    if (!in_.AtWord("in")) {
      in_.Unexpected("'in'");
      return false;
    }
    in_.Take();
    if (!ParseExprTree(in_, out.begin) || !in_.Expect(TokenKind::kDots)) return false;
    if (!ParseExprTree(in_, out.end) || !Carries(out.carried)) return false;
    return Block(begin, out.body);
  }

  bool While(Span begin, val::While& out) {
    if (!InParens(out.condition)) return false;
    if (!Carries(out.carried)) return false;
    if (in_.AtWord("max")) {
      in_.Take();
      out.most = ParseWholeNumber(in_);
      if (!out.most) return false;
    }
    return Block(begin, out.body);
  }

  bool Next(val::Next& out) {
    return Name(out.name) && in_.Expect(TokenKind::kAssign) && ParseExprTree(in_, out.value);
  }

  // --- declarations ---

  bool Params(std::vector<val::Function::Param>& out) {
    if (!in_.Expect(TokenKind::kOpenParen)) return false;
    if (in_.Accept(TokenKind::kCloseParen)) return true;
    do {
      val::Function::Param& param = out.emplace_back();
      if (!Name(param.name) || !in_.Expect(TokenKind::kColon)) return false;
      if (!Type(param.type)) return false;
    } while (in_.Accept(TokenKind::kComma));
    return in_.Expect(TokenKind::kCloseParen);
  }

  bool Function(Span begin, val::Function& out) {
    if (!Name(out.name) || !Params(out.params)) return false;
    if (in_.Accept(TokenKind::kArrow)) {
      const bool tuple = in_.Accept(TokenKind::kOpenParen);
      do {
        if (!Type(out.results.emplace_back())) return false;
      } while (tuple && in_.Accept(TokenKind::kComma));
      if (tuple && !in_.Expect(TokenKind::kCloseParen)) return false;
    }
    return Block(begin, out.body);
  }

  bool Extern(val::Extern& out) {
    if (!in_.AtWord("fn")) {
      in_.Unexpected("'fn'");
      return false;
    }
    in_.Take();
    if (!Name(out.name) || !Params(out.params) || !in_.Expect(TokenKind::kArrow)) {
      return false;
    }
    if (!Type(out.result)) return false;
    const bool kernels = in_.Accept(TokenKind::kOpenBrace);
    if (!kernels && in_.At(TokenKind::kSemicolon)) return true;
    if (!kernels) in_.Unexpected();
    while (kernels && !in_.Accept(TokenKind::kCloseBrace)) {
      if (!Kernel(out)) return SkipKernels();
    }
    return kernels || SkipKernels();
  }
  // What is left of the kernels of an `extern` in which something is wrong.
  bool SkipKernels() {
    in_.set_quiet(true);
    val::Extern skipped;
    do {
      while (!in_.ended() && !in_.Accept(TokenKind::kSemicolon)) in_.Take();
    } while (Kernel(skipped) || (in_.token().kind != TokenKind::kName && !in_.ended()));
    in_.set_quiet(false);
    return false;
  }
  bool Kernel(val::Extern& out) {
    const uint32_t begin = in_.token().span.begin;
    std::optional<Place> place = ParsePlace(in_);
    if (!place || !in_.Expect(TokenKind::kColon)) return false;
    const Token name = in_.token();
    if (!in_.Expect(TokenKind::kString) || !in_.Expect(TokenKind::kSemicolon)) return false;
    out.kernels.push_back({std::string(in_.source().Slice({begin, place->where.end})),
                           Unquote(in_.Text(name).substr(0, kMostStringBytes))});
    return true;
  }

  // The semicolon may be left out, as the grammar of the proposal does.
  bool Class(val::Class& out) {
    if (!Name(out.name) || !in_.Expect(TokenKind::kOpenBrace)) return false;
    do {
      if (!Name(out.members.emplace_back())) return false;
    } while (in_.Accept(TokenKind::kComma));
    if (!in_.Expect(TokenKind::kCloseBrace)) return false;
    in_.Accept(TokenKind::kSemicolon);
    return true;
  }

  bool Const(val::Const& out) {
    return Name(out.name) && in_.Expect(TokenKind::kAssign) && ParseExprTree(in_, out.value);
  }

  TokenStream& in_;
};

}  // namespace

bool ParseValueStatement(TokenStream& in, bool top, ValueStatement& out) {
  return StatementParser(in).Parse(top, out);
}

}  // namespace tinyai
