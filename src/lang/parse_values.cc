#include "lang/parse_values.h"

#include <string>
#include <utility>

#include "fmt/format.h"
#include "lang/number.h"
#include "lang/parse_expr.h"
#include "lang/parse_ref.h"

namespace tinyai {
namespace {

using MaybeWhat = std::optional<decltype(ValueStatement::what)>;

constexpr std::string_view kStatement =
    "a statement (name = .., if, for, while, next, output or return)";

class StatementParser {
 public:
  explicit StatementParser(TokenStream& in) : in_(in) {}

  std::optional<ValueStatement> Parse(bool top) {
    const uint32_t begin = in_.token().span.begin;
    MaybeWhat what = What(top);
    if (!what) {
      in_.SkipStatement(begin);
      while (in_.AtWord("else")) in_.SkipStatement(in_.token().span.begin);
      while (in_.Accept(TokenKind::kSemicolon)) {  // of what was skipped
      }
      return std::nullopt;
    }
    return ValueStatement{std::move(*what), Span{begin, in_.last_end()}};
  }

 private:
  template <typename T>
  MaybeWhat Ended(std::optional<T> what) {
    if (!what || !in_.Expect(TokenKind::kSemicolon)) return std::nullopt;
    return std::move(*what);
  }

  MaybeWhat What(bool top) {
    if (in_.token().kind != TokenKind::kName || in_.AtWord("else")) {
      in_.Unexpected(kStatement);
      return std::nullopt;
    }
    const Token head = in_.token();
    const std::string word(in_.text().substr(0, kMostNameBytes + 1));
    in_.Take();
    // Every word is a name where it is defined: next = 3;
    const TokenKind after = in_.token().kind;
    const bool defines =
        after == TokenKind::kAssign || after == TokenKind::kComma || after == TokenKind::kColon;
    if (defines) return Ended(Let({word, head.span}));
    if (word == "if") return If(head.span);
    if (word == "for") return For(head.span);
    if (word == "while") return While(head.span);
    if (word == "let") return Ended(LetWord());
    if (word == "next") return Ended(Next());
    if (word == "output" || word == "return") return Ended(Output(word == "return"));
    if (top && word == "fn") return Function(head.span);
    if (top && word == "extern") return Ended(Extern());
    if (top && word == "class") return Class();
    if (top && word == "const") return Ended(Const());
    if (!top && (word == "fn" || word == "extern" || word == "class" || word == "const")) {
      in_.Misplaced(head.span, fmt::format("'{}' stands outside of all blocks", word));
      return std::nullopt;
    }
    return Ended(Let({word, head.span}));
  }

  bool Name(NameAt& out) {
    out = {std::string(in_.text().substr(0, kMostNameBytes)), in_.token().span};
    return in_.Expect(TokenKind::kName);
  }

  // A name has been taken.
  std::optional<val::Let> Let(NameAt name) {
    val::Let out{std::move(name), {}, {}, {}};
    while (in_.Accept(TokenKind::kComma)) {
      if (!Name(out.more.emplace_back())) return std::nullopt;
    }
    if (in_.Accept(TokenKind::kColon)) {
      if (in_.token().kind == TokenKind::kString) {
        in_.Misplaced(in_.token().span, "a kernel stands in the braces of an extern");
        return std::nullopt;
      }
      out.type = Type();
      if (!out.type) return std::nullopt;
    }
    if (!in_.Expect(TokenKind::kAssign)) return std::nullopt;
    std::optional<Expr> value = ParseExpr(in_);
    if (!value) return std::nullopt;
    out.value = std::move(*value);
    return out;
  }
  std::optional<val::Let> LetWord() {
    NameAt name;
    if (!Name(name)) return std::nullopt;
    return Let(std::move(name));
  }

  std::optional<TypeSyntax> Type() {
    TypeSyntax out;
    const uint32_t begin = in_.token().span.begin;
    out.scalar = std::string(in_.text().substr(0, kMostNameBytes));
    if (in_.token().kind != TokenKind::kName) {
      in_.Unexpected("a type");
      return std::nullopt;
    }
    in_.Take();
    if (in_.Accept(TokenKind::kOpenBracket)) {
      if (!Exprs(out.shape) || !in_.Expect(TokenKind::kCloseBracket)) return std::nullopt;
    }
    out.where = Span{begin, in_.last_end()};
    return out;
  }

  bool Exprs(std::vector<Expr>& out) {
    do {
      std::optional<Expr> next = ParseExpr(in_);
      if (!next) return false;
      out.push_back(std::move(*next));
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
      std::optional<ValueStatement> statement = Parse(false);
      if (statement) out.push_back(std::move(*statement));
    }
    in_.Leave();
    return CloseBrace(in_, begin);
  }

  std::optional<Expr> InParens() {
    if (!in_.Expect(TokenKind::kOpenParen)) return std::nullopt;
    std::optional<Expr> out = ParseExpr(in_);
    if (!out || !in_.Expect(TokenKind::kCloseParen)) return std::nullopt;
    return out;
  }

  MaybeWhat If(Span begin) {
    std::optional<Expr> condition = InParens();
    if (!condition) return std::nullopt;
    val::If out{std::move(*condition), {}, {}};
    if (!Block(begin, out.then)) return std::nullopt;
    if (!in_.AtWord("else")) return out;
    const Span otherwise = in_.Take().span;
    if (!in_.AtWord("if")) {
      if (!Block(otherwise, out.otherwise)) return std::nullopt;
      return out;
    }
    if (!in_.Enter()) return std::nullopt;
    const Span inner = in_.Take().span;
    MaybeWhat next = If(inner);
    in_.Leave();
    if (!next) return std::nullopt;
    out.otherwise.push_back({std::move(*next), Span{inner.begin, in_.last_end()}});
    return out;
  }

  bool Carries(std::vector<val::Carry>& out) {
    if (!in_.AtWord("carry")) return true;
    in_.Take();
    if (!in_.Expect(TokenKind::kOpenParen)) return false;
    do {
      val::Carry& carry = out.emplace_back();
      if (!Name(carry.name) || !in_.Expect(TokenKind::kAssign)) return false;
      std::optional<Expr> init = ParseExpr(in_);
      if (!init) return false;
      carry.init = std::move(*init);
    } while (in_.Accept(TokenKind::kComma));
    return in_.Expect(TokenKind::kCloseParen);
  }

  MaybeWhat For(Span begin) {
    val::For out;
    if (!Name(out.index)) return std::nullopt;
    if (!in_.AtWord("in")) {
      in_.Unexpected("'in'");
      return std::nullopt;
    }
    in_.Take();
    std::optional<Expr> first = ParseExpr(in_);
    if (!first || !in_.Expect(TokenKind::kDots)) return std::nullopt;
    std::optional<Expr> end = ParseExpr(in_);
    if (!end || !Carries(out.carried)) return std::nullopt;
    out.begin = std::move(*first);
    out.end = std::move(*end);
    if (!Block(begin, out.body)) return std::nullopt;
    return out;
  }

  MaybeWhat While(Span begin) {
    std::optional<Expr> condition = InParens();
    if (!condition) return std::nullopt;
    val::While out{std::move(*condition), {}, {}, {}};
    if (!Carries(out.carried)) return std::nullopt;
    if (in_.AtWord("max")) {
      in_.Take();
      out.most = ParseWholeNumber(in_);
      if (!out.most) return std::nullopt;
    }
    if (!Block(begin, out.body)) return std::nullopt;
    return out;
  }

  std::optional<val::Next> Next() {
    val::Next out;
    if (!Name(out.name) || !in_.Expect(TokenKind::kAssign)) return std::nullopt;
    std::optional<Expr> value = ParseExpr(in_);
    if (!value) return std::nullopt;
    out.value = std::move(*value);
    return out;
  }

  std::optional<val::Output> Output(bool returns) {
    val::Output out{returns, {}};
    if (!Exprs(out.values)) return std::nullopt;
    return out;
  }

  // --- declarations ---

  bool Params(std::vector<val::Function::Param>& out) {
    if (!in_.Expect(TokenKind::kOpenParen)) return false;
    if (in_.Accept(TokenKind::kCloseParen)) return true;
    do {
      val::Function::Param& param = out.emplace_back();
      if (!Name(param.name) || !in_.Expect(TokenKind::kColon)) return false;
      std::optional<TypeSyntax> type = Type();
      if (!type) return false;
      param.type = std::move(*type);
    } while (in_.Accept(TokenKind::kComma));
    return in_.Expect(TokenKind::kCloseParen);
  }

  MaybeWhat Function(Span begin) {
    val::Function out;
    if (!Name(out.name) || !Params(out.params)) return std::nullopt;
    if (in_.Accept(TokenKind::kArrow)) {
      const bool tuple = in_.Accept(TokenKind::kOpenParen);
      do {
        std::optional<TypeSyntax> type = Type();
        if (!type) return std::nullopt;
        out.results.push_back(std::move(*type));
      } while (tuple && in_.Accept(TokenKind::kComma));
      if (tuple && !in_.Expect(TokenKind::kCloseParen)) return std::nullopt;
    }
    if (!Block(begin, out.body)) return std::nullopt;
    return out;
  }

  std::optional<val::Extern> Extern() {
    val::Extern out;
    if (!in_.AtWord("fn")) {
      in_.Unexpected("'fn'");
      return std::nullopt;
    }
    in_.Take();
    if (!Name(out.name) || !Params(out.params) || !in_.Expect(TokenKind::kArrow)) {
      return std::nullopt;
    }
    std::optional<TypeSyntax> result = Type();
    if (!result) return std::nullopt;
    out.result = std::move(*result);
    const bool kernels = in_.Accept(TokenKind::kOpenBrace);
    if (!kernels && in_.At(TokenKind::kSemicolon)) return out;
    if (!kernels) in_.Unexpected();
    while (kernels && !in_.Accept(TokenKind::kCloseBrace)) {
      if (!Kernel(out)) return SkipKernels();
    }
    if (!kernels) return SkipKernels();
    return out;
  }
  // What is left of the kernels of an `extern` in which something is wrong.
  std::nullopt_t SkipKernels() {
    in_.set_quiet(true);
    val::Extern skipped;
    do {
      while (!in_.ended() && !in_.Accept(TokenKind::kSemicolon)) in_.Take();
    } while (Kernel(skipped) || (in_.token().kind != TokenKind::kName && !in_.ended()));
    in_.set_quiet(false);
    return std::nullopt;
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
  MaybeWhat Class() {
    val::Class out;
    if (!Name(out.name) || !in_.Expect(TokenKind::kOpenBrace)) return std::nullopt;
    do {
      if (!Name(out.members.emplace_back())) return std::nullopt;
    } while (in_.Accept(TokenKind::kComma));
    if (!in_.Expect(TokenKind::kCloseBrace)) return std::nullopt;
    in_.Accept(TokenKind::kSemicolon);
    return out;
  }

  std::optional<val::Const> Const() {
    val::Const out;
    if (!Name(out.name) || !in_.Expect(TokenKind::kAssign)) return std::nullopt;
    std::optional<Expr> value = ParseExpr(in_);
    if (!value) return std::nullopt;
    out.value = std::move(*value);
    return out;
  }

  TokenStream& in_;
};

}  // namespace

std::optional<ValueStatement> ParseValueStatement(TokenStream& in, bool top) {
  return StatementParser(in).Parse(top);
}

}  // namespace tinyai
