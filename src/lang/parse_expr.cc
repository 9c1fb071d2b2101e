#include "lang/parse_expr.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "fmt/format.h"
#include "lang/lexer.h"

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

using Kind = ExprTree::Kind;

// Each function writes the tree that it reads into `out`; false, and reported, where there is none.
class ExprParser {
 public:
  explicit ExprParser(TokenStream& in) : in_(in) {}

  bool Choice(ExprTree& out) {
    if (!in_.Enter()) return false;
    const uint32_t begin = in_.token().span.begin;
    if (!Binary(1, out)) return false;
    if (in_.Accept(TokenKind::kQuestion)) {
      std::array<ExprTree, 3> parts = {out, {}, {}};
      if (!Choice(parts[1]) || !in_.Expect(TokenKind::kColon) || !Choice(parts[2])) return false;
      if (!Over(parts, Kind::kChoice, "", begin, out)) return false;
    }
    in_.Leave();
    return true;
  }

 private:
  // A node over operands; false, and reported, if the tree is too deep.
  bool Over(std::span<const ExprTree> operands, Kind kind, std::string_view text, uint32_t begin,
            ExprTree& out) {
    int depth = 1;
    for (const ExprTree& operand : operands) depth = std::max(depth, operand.depth + 1);
    out = {kind, depth, text, in_.arena().Keep(operands), Span{begin, in_.last_end()}};
    if (depth <= kMostDepth) return true;
    in_.Error("S4", out.where, fmt::format("this is nested more than {} deep", kMostDepth));
    in_.Stop();
    return false;
  }

  const BinaryOperator* TakeOperator(int least) {
    if (!in_.AtOneOf(kAtLeast[static_cast<size_t>(least)])) return nullptr;
    const TokenKind token = in_.Take().kind;
    return std::find_if(std::begin(kBinaryOperators), std::end(kBinaryOperators),
                        [&](const BinaryOperator& one) { return one.token == token; });
  }

  bool Binary(int least, ExprTree& out) {
    const uint32_t begin = in_.token().span.begin;
    if (!Unary(out)) return false;
    while (const BinaryOperator* op = TakeOperator(least)) {
      std::array<ExprTree, 2> sides = {out, {}};
      if (!Binary(op->precedence + 1, sides[1])) return false;
      if (!Over(sides, Kind::kBinary, op->text, begin, out)) return false;
    }
    return true;
  }

  bool Unary(ExprTree& out) {
    const uint32_t begin = in_.token().span.begin;
    const bool minus = in_.Accept(TokenKind::kMinus);
    if (!minus && !in_.Accept(TokenKind::kNot)) return Postfix(out);
    if (!in_.Enter()) return false;
    ExprTree operand;
    const bool good = Unary(operand);
    in_.Leave();
    return good && Over({&operand, 1}, Kind::kUnary, minus ? "-" : "!", begin, out);
  }

  bool Postfix(ExprTree& out) {
    const uint32_t begin = in_.token().span.begin;
    if (!Primary(out)) return false;
    while (true) {
      if (in_.Accept(TokenKind::kOpenParen)) {
        if (!List(Kind::kCall, begin, {out}, TokenKind::kCloseParen, out)) return false;
      } else if (in_.Accept(TokenKind::kOpenBracket)) {
        if (in_.At(TokenKind::kCloseBracket)) {
          in_.Unexpected("an expression");
          return false;
        }
        if (!List(Kind::kElement, begin, {out}, TokenKind::kCloseBracket, out)) return false;
      } else if (in_.Accept(TokenKind::kDot, Lexer::Mode::kPart)) {
        const std::string_view member = in_.text();
        const ExprTree whole = out;
        if (!in_.Expect(TokenKind::kName)) return false;
        if (!Over({&whole, 1}, Kind::kMember, member, begin, out)) return false;
      } else {
        return true;
      }
    }
  }

  // {expr ','} up to `close`, appended to `operands`.
  bool List(Kind kind, uint32_t begin, absl::InlinedVector<ExprTree, 4> operands, TokenKind close,
            ExprTree& out) {
    if (!in_.Accept(close)) {
      do {
        if (!Choice(operands.emplace_back())) return false;
      } while (in_.Accept(TokenKind::kComma));
      if (!in_.Expect(close)) return false;
    }
    return Over(operands, kind, "", begin, out);
  }

  bool Primary(ExprTree& out) {
    const Token token = in_.token();
    const std::string_view text = in_.text().substr(0, kMostStringBytes);
    const auto leaf = [&](Kind kind, std::string_view said) {
      out = {kind, 1, said, {}, token.span};
      return true;
    };
    if (in_.Accept(TokenKind::kName)) return leaf(Kind::kName, text);
    if (in_.Accept(TokenKind::kNumber)) return leaf(Kind::kNumber, text);
    if (in_.Accept(TokenKind::kString)) {
      return leaf(Kind::kString, in_.arena().Keep(Unquote(text)));
    }
    if (in_.Accept(TokenKind::kOpenBracket)) {
      return List(Kind::kArray, token.span.begin, {}, TokenKind::kCloseBracket, out);
    }
    if (in_.Accept(TokenKind::kOpenParen)) {
      return Choice(out) && in_.Expect(TokenKind::kCloseParen);
    }
    in_.Unexpected("an expression");
    return false;
  }

  TokenStream& in_;
};

}  // namespace

bool ParseExprTree(TokenStream& in, ExprTree& out) { return ExprParser(in).Choice(out); }

std::optional<Expr> ParseExpr(TokenStream& in) {
  ExprTree tree;
  if (!ParseExprTree(in, tree)) return std::nullopt;
  return Owned(tree);
}

}  // namespace tinyai
