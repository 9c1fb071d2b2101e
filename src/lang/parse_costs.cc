#include "lang/parse_costs.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "lang/number.h"
#include "lang/parse_expr.h"
#include "lang/parse_ref.h"
#include "lang/print_schedule.h"
#include "lang/token_stream.h"

namespace tinyai {
namespace {

class CostParser {
 public:
  explicit CostParser(Diagnostics& diagnostics) : in_(diagnostics) {}

  // 'cost' NAME '{' entries '}'
  Costs Parse() {
    const Span head = in_.token().span;
    if (!Word("cost")) {
      in_.Unexpected("'cost'");
      return std::move(out_);
    }
    out_.name = std::string(in_.text());
    if (!in_.Expect(TokenKind::kName) || !in_.Expect(TokenKind::kOpenBrace)) return std::move(out_);
    while (!in_.At(TokenKind::kCloseBrace) && !in_.ended()) {
      const uint32_t begin = in_.token().span.begin;
      if (!Entry() || !in_.Expect(TokenKind::kSemicolon)) in_.SkipStatement(begin);
    }
    if (!CloseBrace(in_, head)) return std::move(out_);
    in_.Accept(TokenKind::kSemicolon);
    if (!in_.ended()) in_.Misplaced(in_.token().span, "nothing may follow the costs");
    return std::move(out_);
  }

 private:
  bool Word(std::string_view word) {
    if (!in_.AtWord(word)) return false;
    in_.Take();
    return true;
  }

  bool Entry() {
    const Span head = in_.token().span;
    if (Word("fence")) return Seconds("fence", head, out_.fence_seconds);
    if (Word("sync")) return Seconds("sync", head, out_.sync_seconds);
    if (Word("op")) return Op();
    if (Word("branch")) {
      std::optional<Expr> condition = ParseExpr(in_);
      if (!condition || !in_.Expect(TokenKind::kAssign)) return false;
      const std::optional<double> often = Number();
      if (often && *often > 1) in_.Error("I15", head, "a branch is taken at most always: 1");
      Once(fmt::format("branch {}", PrintExpr(*condition)), head);
      out_.branches.push_back({std::move(*condition), often.value_or(0), head});
      return often.has_value();
    }
    if (Word("trip")) {
      const std::string loop(in_.text());
      const Span where = in_.token().span;
      if (!in_.Expect(TokenKind::kName) || !in_.Expect(TokenKind::kAssign)) return false;
      const std::optional<double> trips = Number();
      if (trips && !out_.trips.emplace(loop, *trips).second)
        Twice(fmt::format("trip {}", loop), where);
      return trips.has_value();
    }
    if (Word("recompute")) {
      if (!in_.Expect(TokenKind::kLessEqual)) return false;
      Once("recompute", head);
      const std::optional<double> most = Number();
      out_.recompute = static_cast<uint64_t>(std::clamp(most.value_or(0), 0.0, 1e9));
      return most.has_value();
    }
    if (Word("objective")) {
      std::optional<Expr> terms = ParseExpr(in_);
      if (!terms) return false;
      if (out_.objective) Twice("objective", terms->where);
      out_.objective = std::move(terms);
      return true;
    }
    in_.Unexpected("'fence', 'sync', 'op', 'branch', 'trip', 'recompute', 'objective' or '}'");
    return false;
  }

  void Twice(const std::string& what, Span where) {
    in_.diagnostics()
        .Error("A8", where, fmt::format("there are two costs for '{}'", what))
        .Help("delete one");
  }

  void Once(const std::string& what, Span where) {
    if (!said_.insert(what).second) Twice(what, where);
  }

  std::optional<double> Number() {
    const Token token = in_.token();
    const bool minus = in_.Accept(TokenKind::kMinus);
    const Token number = in_.token();
    if (!in_.Expect(TokenKind::kNumber)) return std::nullopt;
    const double value = NumberValue(in_.Text(number)) * (minus ? -1 : 1);
    CheckConstant(value, "this", Span{token.span.begin, in_.last_end()});
    return value;
  }

  void CheckConstant(double value, std::string_view what, Span where) {
    if (std::isfinite(value) && value >= 0) return;
    in_.diagnostics().Error(
        "I15", where,
        fmt::format("{} is {}", what, std::isfinite(value) ? "negative" : "no finite number"));
  }

  bool Seconds(const std::string& what, Span head, double& seconds) {
    if (!in_.Expect(TokenKind::kAssign)) return false;
    const std::optional<Expr> formula = ParseExpr(in_);
    if (!formula) return false;
    if (CheckFormula(*formula, {})) {
      seconds = CostValue(*formula, {});
      CheckConstant(seconds, fmt::format("the cost of a {}", what), formula->where);
    }
    Once(what, head);
    return true;
  }

  // NAME ['(' names ')'] 'on' (place | '*') '=' formula
  bool Op() {
    Costs::Op op;
    const Span head = in_.token().span;
    op.op = std::string(in_.text());
    if (!in_.Expect(TokenKind::kName)) return false;
    if (in_.Accept(TokenKind::kOpenParen) && !in_.Accept(TokenKind::kCloseParen)) {
      do {
        op.params.emplace_back(in_.text());
        if (!in_.Expect(TokenKind::kName)) return false;
      } while (in_.Accept(TokenKind::kComma));
      if (!in_.Expect(TokenKind::kCloseParen)) return false;
    }
    if (!Word("on")) {
      in_.Unexpected("'on'");
      return false;
    }
    const Span at = in_.token().span;
    op.where = at;
    op.place = std::string(in_.text().substr(0, 1));  // "*"
    if (!in_.Accept(TokenKind::kTimes)) {
      const std::optional<Place> place = ParsePlace(in_);
      if (!place) return false;
      op.place = std::string(in_.source().Slice(place->where));
      op.where = place->where;
    }
    if (!in_.Expect(TokenKind::kAssign)) return false;
    std::optional<Expr> seconds = ParseExpr(in_);
    if (!seconds) return false;
    std::vector<std::string> known = op.params;
    known.insert(known.end(), {"bytes", "flops"});
    if (CheckFormula(*seconds, known) && IsConstant(*seconds)) {
      CheckConstant(CostValue(*seconds, {}), fmt::format("cost of '{} on {}'", op.op, op.place),
                    seconds->where);
    }
    op.seconds = std::move(*seconds);
    for (const Costs::Op& other : out_.ops) {
      if (other.op == op.op && other.place == op.place) {
        Twice(fmt::format("{} on {}", op.op, op.place), head);
        return true;
      }
    }
    out_.ops.push_back(std::move(op));
    return true;
  }

  static bool IsConstant(const Expr& formula) {
    if (formula.kind == Expr::Kind::kName) return false;
    const size_t first = formula.kind == Expr::Kind::kCall ? 1 : 0;
    return std::all_of(formula.operands.begin() + static_cast<ptrdiff_t>(first),
                       formula.operands.end(), IsConstant);
  }

  bool CheckFormula(const Expr& formula, const std::vector<std::string>& known) {
    const std::string& text = formula.text;
    size_t first = 0;
    switch (formula.kind) {
      case Expr::Kind::kNumber:
        return true;
      case Expr::Kind::kName:
        if (std::find(known.begin(), known.end(), text) != known.end()) return true;
        in_.diagnostics()
            .Error("I7", formula.where, fmt::format("this formula knows no '{}'", text))
            .Help(known.empty() ? "write a number such as 10us"
                                : fmt::format("it knows {}", fmt::join(known, ", ")));
        return false;
      case Expr::Kind::kUnary:
        if (text == "-") break;
        return NoFormula(formula);
      case Expr::Kind::kBinary:
        if (text == "+" || text == "-" || text == "*" || text == "/") break;
        return NoFormula(formula);
      case Expr::Kind::kCall:
        first = 1;
        if (formula.operands.size() == 3 &&
            (formula.operands[0].text == "min" || formula.operands[0].text == "max")) {
          break;
        }
        return NoFormula(formula);
      default:
        return NoFormula(formula);
    }
    for (size_t i = first; i < formula.operands.size(); ++i) {
      if (!CheckFormula(formula.operands[i], known)) return false;
    }
    return true;
  }

  bool NoFormula(const Expr& formula) {
    in_.diagnostics()
        .Error("S1", formula.where, "this is no part of a formula")
        .Help("formulas have + - * / min(a, b) max(a, b), names and numbers");
    return false;
  }

  TokenStream in_;
  Costs out_;
  std::set<std::string> said_;  // of what there is one
};

}  // namespace

Costs ParseCosts(Diagnostics& diagnostics) { return CostParser(diagnostics).Parse(); }

}  // namespace tinyai
