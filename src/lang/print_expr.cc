#include <span>
#include <string>

#include "fmt/format.h"
#include "lang/lexer.h"
#include "lang/print_schedule.h"

namespace tinyai {
namespace {

// How tightly a tree holds together; a part that holds less than its place asks for is put in
// parentheses.
enum Precedence { kChoice = 0, kUnary = 7, kPostfix = 8, kPrimary = 9 };

int BinaryPrecedence(std::string_view op) {
  if (op == "||") return 1;
  if (op == "&&") return 2;
  if (op == "==" || op == "!=") return 3;
  if (op[0] == '<' || op[0] == '>') return 4;
  return op == "+" || op == "-" ? 5 : 6;
}

template <typename Tree>
int PrecedenceOf(const Tree& expr) {
  switch (expr.kind) {
    case Expr::Kind::kChoice:
      return kChoice;
    case Expr::Kind::kBinary:
      return BinaryPrecedence(expr.text);
    case Expr::Kind::kUnary:
      return kUnary;
    case Expr::Kind::kCall:
    case Expr::Kind::kElement:
    case Expr::Kind::kMember:
      return kPostfix;
    default:
      return kPrimary;
  }
}

// Of an Expr or an ExprTree.
template <typename Tree>
class ExprPrinter {
 public:
  std::string Print(const Tree& expr, int least) {
    const std::string text = Bare(expr);
    return PrecedenceOf(expr) >= least ? text : fmt::format("({})", text);
  }

 private:
  std::string Bare(const Tree& expr) {
    const auto& parts = expr.operands;
    switch (expr.kind) {
      case Expr::Kind::kName:
      case Expr::Kind::kNumber:
        return std::string(expr.text);
      case Expr::Kind::kString:
        return Quote(expr.text);
      // Another sign in front would make a fence of three.
      case Expr::Kind::kUnary:
        return std::string(expr.text) + Print(parts[0], kPostfix);
      case Expr::Kind::kBinary: {
        const int precedence = BinaryPrecedence(expr.text);
        return fmt::format("{} {} {}", Print(parts[0], precedence), expr.text,
                           Print(parts[1], precedence + 1));
      }
      case Expr::Kind::kChoice:
        return fmt::format("{} ? {} : {}", Print(parts[0], kChoice + 1), Print(parts[1], kChoice),
                           Print(parts[2], kChoice));
      case Expr::Kind::kCall:
        return fmt::format("{}({})", Base(parts[0]), List(parts, 1));
      case Expr::Kind::kElement:
        return fmt::format("{}[{}]", Base(parts[0]), List(parts, 1));
      case Expr::Kind::kMember:
        return fmt::format("{}.{}", Base(parts[0]), expr.text);
      case Expr::Kind::kArray:
        return fmt::format("[{}]", List(parts, 0));
    }
    return {};
  }
  // A number in front of a dot would go on behind it.
  std::string Base(const Tree& expr) {
    return Print(expr, expr.kind == Expr::Kind::kNumber ? kPrimary + 1 : kPostfix);
  }
  std::string List(std::span<const Tree> parts, size_t first) {
    std::string out;
    for (size_t i = first; i < parts.size(); ++i) {
      if (i != first) out += ", ";
      out += Print(parts[i], kChoice);
    }
    return out;
  }
};

}  // namespace

std::string PrintExpr(const Expr& expr) { return ExprPrinter<Expr>().Print(expr, kChoice); }
std::string PrintExpr(const ExprTree& expr) { return ExprPrinter<ExprTree>().Print(expr, kChoice); }

}  // namespace tinyai
