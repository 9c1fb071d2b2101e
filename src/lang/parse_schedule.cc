#include "lang/parse_schedule.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "lang/number.h"
#include "lang/parse_command.h"
#include "lang/parse_expr.h"
#include "lang/parse_ref.h"
#include "lang/token_stream.h"

namespace tinyai {
namespace {

using MaybeItem = std::optional<decltype(Item::what)>;

class ScheduleParser {
 public:
  explicit ScheduleParser(Diagnostics& diagnostics) : in_(diagnostics) {}

  Schedule Parse() {
    const uint32_t begin = in_.token().span.begin;
    if (in_.AtWord("value")) SkipProgram();
    while (!in_.ended()) {
      if (in_.AtWord("schedule")) {
        Wrapper();
      } else if (in_.token().kind == TokenKind::kCloseBrace) {
        in_.Misplaced(in_.token().span, "this '}' closes nothing");
        in_.Take();
      } else {
        NextItem();
      }
    }
    KeepComments(begin);
    return std::move(out_);
  }

 private:
  // value name { .. } in front of the schedule, for whoever reads programs.
  void SkipProgram() {
    in_.set_dialect(Lexer::Dialect::kProgram);
    in_.Take();
    in_.SkipStatement(in_.token().span.begin);
    in_.set_dialect(Lexer::Dialect::kSchedule);
    in_.Accept(TokenKind::kSemicolon);
  }

  // schedule name for program { items }
  void Wrapper() {
    const Span begin = in_.Take().span;
    if (wrapped_ || !out_.items.empty()) {
      in_.Misplaced(begin, "a file holds one schedule, and nothing beside it");
    }
    wrapped_ = true;
    out_.name = std::string(in_.text());
    bool good = in_.Expect(TokenKind::kName);
    if (good && !in_.AtWord("for")) {
      in_.Unexpected("'for'");
      good = false;
    }
    if (good) {
      in_.Take();
      out_.program = std::string(in_.text());
      good = in_.Expect(TokenKind::kName);
    }
    if (!good || !in_.Expect(TokenKind::kOpenBrace)) {
      in_.SkipStatement(begin.begin);
      return;
    }
    while (!in_.At(TokenKind::kCloseBrace) && !in_.ended()) NextItem();
    CloseBrace(in_, begin);
    in_.Accept(TokenKind::kSemicolon);
    if (in_.ended()) return;
    in_.Misplaced(in_.token().span, "nothing may follow the schedule");
    in_.Stop();
  }

  void NextItem() {
    const uint32_t begin = in_.token().span.begin;
    MaybeItem what = What();
    if (what && !std::holds_alternative<Block>(*what) && !in_.Expect(TokenKind::kSemicolon)) {
      what.reset();
    }
    if (!what) {
      in_.SkipStatement(begin);
      return;
    }
    if (std::holds_alternative<Block>(*what)) in_.Accept(TokenKind::kSemicolon);
    out_.items.push_back({std::move(*what), Span{begin, in_.last_end()}});
  }

  MaybeItem What() {
    const Token head = in_.token();
    const std::string_view word = in_.text();
    const bool name = head.kind == TokenKind::kName;
    if (!name || (IsCommandWord(word) && word != "closed")) {
      in_.set_quiet(in_.confused());
      Diagnostic* const error = in_.Unexpected("a declaration or a block");
      if (error != nullptr && name) {
        error->Help(fmt::format("'{}' stands in the block of a place: CPU {{ .. }}", word));
      }
      in_.set_quiet(false);
      return std::nullopt;
    }
    in_.Take();
    if (word == "place") return Placement();
    if (word == "before") return Before();
    if (word == "budget") return Budget();
    if (word == "objective") return Objective();
    if (word == "count") return Count();
    if (in_.At(TokenKind::kString)) return Record(std::string(word));
    Block block;
    block.closed = word == "closed";
    std::optional<Place> place = Head(head, block.closed);
    if (!place) return std::nullopt;
    block.place = std::move(*place);
    if (!ParseBraces(in_, head.span, block.commands)) return std::nullopt;
    block.where = Span{head.span.begin, in_.last_end()};
    return block;
  }

  // The place of a block. Where its brace is missing, the commands after it look like blocks
  // without a brace too; all are one mistake.
  std::optional<Place> Head(Token head, bool closed) {
    std::optional<Place> place;
    in_.set_quiet(in_.confused());
    if (closed) {
      place = ParsePlace(in_);
    } else if (Ref ref; ParseRefAfter(in_, head, ref)) {
      place = PlaceFromRef(in_, std::move(ref));
    }
    if (place && !in_.At(TokenKind::kOpenBrace)) {
      in_.Unexpected();
      place.reset();
    }
    in_.set_quiet(false);
    return place;
  }

  MaybeItem Placement() {
    Ref ref;
    if (!ParseRef(in_, ref) || !in_.Expect(TokenKind::kColon)) return std::nullopt;
    std::optional<Place> place = ParsePlace(in_);
    if (!place) return std::nullopt;
    return decl::Placement{std::move(ref), std::move(*place)};
  }

  MaybeItem Before() {
    decl::Before before;
    if (!ParseRef(in_, before.first) || !in_.Expect(TokenKind::kComma)) return std::nullopt;
    if (!ParseRef(in_, before.second)) return std::nullopt;
    return before;
  }

  MaybeItem Budget() {
    decl::Budget budget;
    budget.memory = std::string(in_.text());
    if (!in_.Expect(TokenKind::kName)) return std::nullopt;
    while (in_.Accept(TokenKind::kDot, Lexer::Mode::kPart)) {
      budget.memory += '.' + std::string(in_.text());
      if (!in_.Expect(TokenKind::kName)) return std::nullopt;
    }
    if (!in_.Expect(TokenKind::kLessEqual)) return std::nullopt;
    const Token size = in_.token();
    if (!in_.Expect(TokenKind::kNumber)) return std::nullopt;
    budget.size = std::string(in_.Text(size).substr(0, kMostNameBytes));
    if (ByteCount(budget.size)) return budget;
    if (Diagnostic* error =
            in_.Error("S3", size.span, fmt::format("'{}' is no size", budget.size))) {
      error->Help("write bytes, or a number with K, M, G or T (powers of 1024), such as 512M");
    }
    return std::nullopt;
  }

  MaybeItem Objective() {
    std::optional<Expr> terms = ParseExpr(in_);
    if (!terms) return std::nullopt;
    return decl::Objective{std::move(*terms)};
  }

  MaybeItem Count() {
    for (const auto& [word, how] :
         {std::pair("static", decl::Counting::kStatic), std::pair("worst", decl::Counting::kWorst),
          std::pair("expected", decl::Counting::kExpected)}) {
      if (!in_.AtWord(word)) continue;
      in_.Take();
      return decl::Count{how};
    }
    in_.Unexpected("'static', 'worst' or 'expected'");
    return std::nullopt;
  }

  MaybeItem Record(std::string kind) {
    decl::Record record{std::move(kind), Unquote(in_.text().substr(0, kMostStringBytes))};
    in_.Take();
    if (!ParseAttributes(in_, record.attributes)) return std::nullopt;
    return record;
  }

  // --- comments ---

  void KeepComments(uint32_t first_token) {
    for (const Span& comment : in_.lexer().comments()) {
      if (comment.begin < first_token) {
        AddLines(comment, out_.head_comments);
      } else if (comment.begin >= in_.last_end()) {
        AddLines(comment, out_.end_comments);
      } else {
        out_.inner_comments.push_back(comment);
      }
    }
  }

  void AddLines(Span comment, std::vector<std::string>& lines) {
    std::string_view text = in_.source().Slice(comment);
    const bool one_line = text.starts_with("//");
    text.remove_prefix(2);
    if (!one_line) text.remove_suffix(text.ends_with("*/") ? 2 : 0);
    while (true) {
      std::string_view line = text.substr(0, text.find('\n'));
      const bool last = line.size() == text.size();
      text.remove_prefix(last ? text.size() : line.size() + 1);
      line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
      if (one_line) {
        if (line.starts_with(' ')) line.remove_prefix(1);
      } else {
        line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
      }
      if (one_line || !line.empty()) lines.emplace_back(line);
      if (last) return;
    }
  }

  TokenStream in_;
  Schedule out_;
  bool wrapped_ = false;
};

}  // namespace

Schedule ParseSchedule(Diagnostics& diagnostics) { return ScheduleParser(diagnostics).Parse(); }

}  // namespace tinyai
