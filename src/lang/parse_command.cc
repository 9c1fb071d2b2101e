#include "lang/parse_command.h"

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "lang/parse_expr.h"
#include "lang/parse_ref.h"

namespace tinyai {
namespace {

using MaybeWhat = std::optional<Command::What>;

constexpr std::array<std::pair<std::string_view, cmd::Verb>, 6> kVerbs = {{
    {"evict", cmd::Verb::kEvict},
    {"free", cmd::Verb::kFree},
    {"load", cmd::Verb::kLoad},
    {"pin", cmd::Verb::kPin},
    {"prefetch", cmd::Verb::kPrefetch},
    {"recompute", cmd::Verb::kRecompute},
}};

class CommandParser {
 public:
  explicit CommandParser(TokenStream& in) : in_(in) {}

  bool Parse(Command& out) {
    const uint32_t begin = in_.token().span.begin;
    MaybeWhat what = What();
    if (!what) return false;
    out.what = std::move(*what);
    if (!End(out)) return false;
    out.where = Span{begin, in_.last_end()};
    return true;
  }

 private:
  MaybeWhat What() {
    const Token head = in_.token();
    if (in_.Accept(TokenKind::kFence)) return FenceAfter();
    if (in_.Accept(TokenKind::kHole)) return cmd::Hole{};
    if (in_.token().kind == TokenKind::kString) return EvaluateOrBlock(head);
    if (in_.token().kind != TokenKind::kName || in_.AtWord("else")) {
      in_.Unexpected("a command");
      return std::nullopt;
    }
    const std::string_view word = in_.text();
    if (!IsCommandWord(word)) return EvaluateOrBlock(head);
    in_.Take();
    if (word == "if") return IfAfter(head.span);
    if (word == "loop") return LoopAfter(head.span);
    if (word == "sync") return SyncAfter();
    if (word == "print") return PrintAfter();
    if (word == "move") return MoveAfter();
    if (word == "closed") return ClosedAfter(head.span);
    for (const auto& [spelling, verb] : kVerbs) {
      if (word != spelling) continue;
      std::optional<Ref> ref = ParseRef(in_);
      if (!ref) return std::nullopt;
      return cmd::Work{verb, std::move(*ref)};
    }
    return std::nullopt;
  }

  MaybeWhat EvaluateOrBlock(Token head) {
    in_.Take();
    std::optional<Ref> ref = ParseRefAfter(in_, head);
    if (!ref) return std::nullopt;
    const bool after_index = in_.token().kind == TokenKind::kDot;
    if (!after_index && !in_.At(TokenKind::kOpenBrace)) {
      return cmd::Work{cmd::Verb::kEvaluate, std::move(*ref)};
    }
    std::optional<Place> place = PlaceFromRef(in_, std::move(*ref));
    return place ? BlockAt(std::move(*place), head.span, false) : std::nullopt;
  }

  MaybeWhat ClosedAfter(Span begin) {
    std::optional<Place> place = ParsePlace(in_);
    return place ? BlockAt(std::move(*place), begin, true) : std::nullopt;
  }

  MaybeWhat BlockAt(Place place, Span begin, bool closed) {
    Block block{closed, std::move(place), {}, {}};
    if (!ParseBraces(in_, begin, block.commands)) return std::nullopt;
    block.where = Span{begin.begin, in_.last_end()};
    return block;
  }

  MaybeWhat FenceAfter() {
    std::string name(in_.text());
    if (!in_.Expect(TokenKind::kName)) return std::nullopt;
    return cmd::Fence{std::move(name)};
  }

  MaybeWhat SyncAfter() {
    cmd::Sync sync;
    if (!in_.Expect(TokenKind::kOpenParen)) return std::nullopt;
    do {
      cmd::Sync::Target& target = sync.targets.emplace_back();
      const uint32_t begin = in_.token().span.begin;
      target.fence = std::string(in_.text());
      if (!in_.Expect(TokenKind::kName)) return std::nullopt;
      if (in_.Accept(TokenKind::kAt) && !Distance(target)) return std::nullopt;
      target.where = Span{begin, in_.last_end()};
    } while (in_.Accept(TokenKind::kComma));
    if (!in_.Expect(TokenKind::kCloseParen)) return std::nullopt;
    return sync;
  }

  bool Distance(cmd::Sync::Target& target) {
    if (!in_.Expect(TokenKind::kMinus)) return false;
    const Span span = in_.token().span;
    const std::optional<uint64_t> distance = ParseWholeNumber(in_);
    if (!distance) return false;
    if (*distance == 0 || *distance > std::numeric_limits<uint32_t>::max()) {
      in_.Error("S3", span, "a sync looks back at least one iteration, and not so far");
      return false;
    }
    target.distance = static_cast<uint32_t>(*distance);
    return true;
  }

  MaybeWhat PrintAfter() {
    cmd::Print print;
    if (!in_.Expect(TokenKind::kOpenParen)) return std::nullopt;
    do {
      std::optional<Ref> ref = ParseRef(in_);
      if (!ref) return std::nullopt;
      print.refs.push_back(std::move(*ref));
    } while (in_.Accept(TokenKind::kComma));
    if (!in_.Expect(TokenKind::kCloseParen)) return std::nullopt;
    return print;
  }

  MaybeWhat MoveAfter() {
    std::optional<Ref> ref = ParseRef(in_);
    if (!ref || !in_.Expect(TokenKind::kArrow)) return std::nullopt;
    std::optional<Place> to = ParsePlace(in_);
    if (!to) return std::nullopt;
    return cmd::Move{std::move(*ref), std::move(*to)};
  }

  MaybeWhat IfAfter(Span begin) {
    if (!in_.Expect(TokenKind::kOpenParen)) return std::nullopt;
    std::optional<Expr> condition = ParseExpr(in_);
    if (!condition || !in_.Expect(TokenKind::kCloseParen)) return std::nullopt;
    cmd::If out{std::move(*condition), {}, std::nullopt};
    if (!ParseBraces(in_, begin, out.then)) return std::nullopt;
    if (!in_.AtWord("else")) return out;
    const Span otherwise = in_.Take().span;
    out.otherwise.emplace();
    if (!in_.AtWord("if")) {
      if (!ParseBraces(in_, otherwise, *out.otherwise)) return std::nullopt;
      return out;
    }
    if (!in_.Enter()) return std::nullopt;
    const Span inner = in_.Take().span;
    MaybeWhat next = IfAfter(inner);
    in_.Leave();
    if (!next) return std::nullopt;
    out.otherwise->push_back({std::move(*next), {}, Span{inner.begin, in_.last_end()}});
    return out;
  }

  MaybeWhat LoopAfter(Span begin) {
    cmd::Loop loop;
    loop.name = std::string(in_.text());
    if (!in_.Expect(TokenKind::kName)) return std::nullopt;
    if (in_.AtWord("window")) {
      in_.Take();
      loop.window = ParseWholeNumber(in_);
      if (!loop.window) return std::nullopt;
    }
    if (!ParseBraces(in_, begin, loop.body)) return std::nullopt;
    return loop;
  }

  // What ends the command: attributes and a semicolon, which some kinds may leave out.
  bool End(Command& command) {
    const bool braces = std::holds_alternative<Block>(command.what) ||
                        std::holds_alternative<cmd::If>(command.what) ||
                        std::holds_alternative<cmd::Loop>(command.what);
    if (!braces && in_.At(TokenKind::kColon) && !ParseAttributes(in_, command.attributes.edit())) {
      return false;
    }
    const bool optional = braces || std::holds_alternative<cmd::Hole>(command.what) ||
                          std::holds_alternative<cmd::Fence>(command.what);
    if (in_.Accept(TokenKind::kSemicolon)) return true;
    if (optional && command.attributes->empty()) return true;
    in_.Unexpected();
    return false;
  }

  TokenStream& in_;
};

}  // namespace

std::vector<Command> ParseCommands(TokenStream& in) {
  std::vector<Command> out;
  while (!in.At(TokenKind::kCloseBrace) && !in.ended()) {
    const uint32_t begin = in.token().span.begin;
    in.arena().Clear();  // a command has its own copies
    if (CommandParser(in).Parse(out.emplace_back())) continue;
    out.pop_back();
    in.SkipStatement(begin);
    while (in.AtWord("else")) in.SkipStatement(in.token().span.begin);
  }
  return out;
}

bool ParseBraces(TokenStream& in, Span begin, std::vector<Command>& out) {
  if (!in.Enter()) return false;
  if (!in.Accept(TokenKind::kOpenBrace)) {
    in.Unexpected();
    // Where it was only forgotten, what follows is read as if it stood there.
    const TokenKind next = in.token().kind;
    if (next != TokenKind::kName && next != TokenKind::kFence && next != TokenKind::kHole) {
      in.Leave();
      return false;
    }
  }
  out = ParseCommands(in);
  in.Leave();
  return CloseBrace(in, begin);
}

}  // namespace tinyai
