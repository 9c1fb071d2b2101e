#include "lang/parse_expr.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

namespace tinyai {
namespace {

struct BinaryOperator {
  TokenKind token;
  std::string_view text;
  int precedence;
};
constexpr BinaryOperator kBinaryOperators[] = {
    {TokenKind::kOr, "||", 1},     {TokenKind::kAnd, "&&", 2},
    {TokenKind::kEqual, "==", 3},  {TokenKind::kNotEqual, "!=", 3},
    {TokenKind::kLess, "<", 4},    {TokenKind::kLessEqual, "<=", 4},
    {TokenKind::kGreater, ">", 4}, {TokenKind::kGreaterEqual, ">=", 4},
    {TokenKind::kPlus, "+", 5},    {TokenKind::kMinus, "-", 5},
    {TokenKind::kTimes, "*", 6},   {TokenKind::kDivide, "/", 6},
    {TokenKind::kModulo, "%", 6},
};

// By precedence: those that bind at least as close, a bit for each token.
constexpr auto kAtLeast = [] {
  std::array<uint64_t, 8> out{};
  for (const BinaryOperator& one : kBinaryOperators) {
    for (int least = 0; least <= one.precedence; ++least) {
      out[static_cast<size_t>(least)] |= uint64_t{1} << static_cast<int>(one.token);
    }
  }
  return out;
}();

using MaybeExpr = std::optional<Expr>;

class ExprParser {
 public:
  explicit ExprParser(TokenStream& in) : in_(in) {}

  MaybeExpr Choice() {
    if (!in_.Enter()) return std::nullopt;
    const uint32_t begin = in_.token().span.begin;
    MaybeExpr out = Binary(1);
    if (out && in_.Accept(TokenKind::kQuestion)) {
      MaybeExpr yes = Choice();
      if (!yes || !in_.Expect(TokenKind::kColon)) return std::nullopt;
      MaybeExpr no = Choice();
      if (!no) return std::nullopt;
      out = Join(Expr::Kind::kChoice, "", begin, std::move(*out), std::move(*yes), std::move(*no));
    }
    in_.Leave();
    return out;
  }

 private:
  // A node over operands; nothing, and reported, if the tree is too deep.
  template <typename... Operands>
  MaybeExpr Join(Expr::Kind kind, std::string text, uint32_t begin, Operands... operands) {
    std::vector<Expr> list;
    list.reserve(sizeof...(operands));
    (list.push_back(std::move(operands)), ...);
    return Checked(MakeExpr(kind, std::move(text), std::move(list), Span{begin, in_.last_end()}));
  }
  MaybeExpr Checked(Expr expr) {
    if (expr.depth <= kMostDepth) return expr;
    in_.Error("S4", expr.where, fmt::format("this is nested more than {} deep", kMostDepth));
    in_.Stop();
    return std::nullopt;
  }

  const BinaryOperator* TakeOperator(int least) {
    if (!in_.AtOneOf(kAtLeast[static_cast<size_t>(least)])) return nullptr;
    const TokenKind token = in_.Take().kind;
    return std::find_if(std::begin(kBinaryOperators), std::end(kBinaryOperators),
                        [&](const BinaryOperator& one) { return one.token == token; });
  }

  MaybeExpr Binary(int least) {
    const uint32_t begin = in_.token().span.begin;
    MaybeExpr left = Unary();
    while (left) {
      const BinaryOperator* op = TakeOperator(least);
      if (op == nullptr) break;
      MaybeExpr right = Binary(op->precedence + 1);
      if (!right) return std::nullopt;
      left = Join(Expr::Kind::kBinary, std::string(op->text), begin, std::move(*left),
                  std::move(*right));
    }
    return left;
  }

  MaybeExpr Unary() {
    const uint32_t begin = in_.token().span.begin;
    const bool minus = in_.Accept(TokenKind::kMinus);
    if (!minus && !in_.Accept(TokenKind::kNot)) return Postfix();
    if (!in_.Enter()) return std::nullopt;
    MaybeExpr operand = Unary();
    in_.Leave();
    if (!operand) return std::nullopt;
    return Join(Expr::Kind::kUnary, minus ? "-" : "!", begin, std::move(*operand));
  }

  MaybeExpr Postfix() {
    const uint32_t begin = in_.token().span.begin;
    MaybeExpr out = Primary();
    while (out) {
      if (in_.Accept(TokenKind::kOpenParen)) {
        std::vector<Expr> operands;
        operands.push_back(std::move(*out));
        out = List(Expr::Kind::kCall, begin, std::move(operands), TokenKind::kCloseParen);
      } else if (in_.Accept(TokenKind::kOpenBracket)) {
        if (in_.At(TokenKind::kCloseBracket)) {
          in_.Unexpected("an expression");
          return std::nullopt;
        }
        std::vector<Expr> operands;
        operands.push_back(std::move(*out));
        out = List(Expr::Kind::kElement, begin, std::move(operands), TokenKind::kCloseBracket);
      } else if (in_.Accept(TokenKind::kDot, Lexer::Mode::kPart)) {
        const std::string member(in_.text());
        if (!in_.Expect(TokenKind::kName)) return std::nullopt;
        out = Join(Expr::Kind::kMember, member, begin, std::move(*out));
      } else {
        break;
      }
    }
    return out;
  }

  // {expr ','} up to `close`, appended to `operands`.
  MaybeExpr List(Expr::Kind kind, uint32_t begin, std::vector<Expr> operands, TokenKind close) {
    if (!in_.Accept(close)) {
      do {
        MaybeExpr next = Choice();
        if (!next) return std::nullopt;
        operands.push_back(std::move(*next));
      } while (in_.Accept(TokenKind::kComma));
      if (!in_.Expect(close)) return std::nullopt;
    }
    return Checked(MakeExpr(kind, "", std::move(operands), Span{begin, in_.last_end()}));
  }

  MaybeExpr Primary() {
    const Token token = in_.token();
    const std::string text(in_.text().substr(0, kMostStringBytes));
    if (in_.Accept(TokenKind::kName)) return MakeExpr(Expr::Kind::kName, text, {}, token.span);
    if (in_.Accept(TokenKind::kNumber)) return MakeExpr(Expr::Kind::kNumber, text, {}, token.span);
    if (in_.Accept(TokenKind::kString)) {
      return MakeExpr(Expr::Kind::kString, Unquote(text), {}, token.span);
    }
    if (in_.Accept(TokenKind::kOpenBracket)) {
      return List(Expr::Kind::kArray, token.span.begin, {}, TokenKind::kCloseBracket);
    }
    if (in_.Accept(TokenKind::kOpenParen)) {
      MaybeExpr inner = Choice();
      if (!inner || !in_.Expect(TokenKind::kCloseParen)) return std::nullopt;
      return inner;
    }
    in_.Unexpected("an expression");
    return std::nullopt;
  }

  TokenStream& in_;
};

}  // namespace

std::optional<Expr> ParseExpr(TokenStream& in) { return ExprParser(in).Choice(); }

}  // namespace tinyai
