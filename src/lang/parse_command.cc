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
    if (!What(out.what) || !End(out)) return false;
    out.where = Span{begin, in_.last_end()};
    return true;
  }

 private:
  // Each of these writes what it reads into `out`, which is new; false, and reported, where it is
  // none.
  bool What(Command::What& out) {
    const Token head = in_.token();
    if (in_.Accept(TokenKind::kFence)) return FenceAfter(out.emplace<cmd::Fence>());
    if (in_.Accept(TokenKind::kHole)) {
      out.emplace<cmd::Hole>();
      return true;
    }
    if (in_.token().kind == TokenKind::kString) return EvaluateOrBlock(head, out);
    if (in_.token().kind != TokenKind::kName || in_.AtWord("else")) {
      in_.Unexpected("a command");
      return false;
    }
    const std::string_view word = in_.text();
    if (!IsCommandWord(word)) return EvaluateOrBlock(head, out);
    in_.Take();
    if (word == "if") return IfAfter(head.span, out.emplace<cmd::If>());
    if (word == "loop") return LoopAfter(head.span, out.emplace<cmd::Loop>());
    if (word == "sync") return SyncAfter(out.emplace<cmd::Sync>());
    if (word == "print") return PrintAfter(out.emplace<cmd::Print>());
    if (word == "move") return MoveAfter(out.emplace<cmd::Move>());
    if (word == "closed") return ClosedAfter(head.span, out.emplace<Block>());
    for (const auto& [spelling, verb] : kVerbs) {
      if (word != spelling) continue;
      cmd::Work& work = out.emplace<cmd::Work>();
      work.verb = verb;
      return ParseRef(in_, work.ref);
    }
    return false;
  }

  bool EvaluateOrBlock(Token head, Command::What& out) {
    in_.Take();
    Ref& ref = std::get<cmd::Work>(out).ref;  // what a new one is
    if (!ParseRefAfter(in_, head, ref)) return false;
    const bool after_index = in_.token().kind == TokenKind::kDot;
    if (!after_index && !in_.At(TokenKind::kOpenBrace)) return true;
    std::optional<Place> place = PlaceFromRef(in_, std::move(ref));
    return place && BlockAt(std::move(*place), head.span, false, out.emplace<Block>());
  }

  bool ClosedAfter(Span begin, Block& out) {
    std::optional<Place> place = ParsePlace(in_);
    return place && BlockAt(std::move(*place), begin, true, out);
  }

  bool BlockAt(Place place, Span begin, bool closed, Block& out) {
    out.closed = closed;
    out.place = std::move(place);
    if (!ParseBraces(in_, begin, out.commands)) return false;
    out.where = Span{begin.begin, in_.last_end()};
    return true;
  }

  bool FenceAfter(cmd::Fence& out) {
    out.name = std::string(in_.text());
    return in_.Expect(TokenKind::kName);
  }

  bool SyncAfter(cmd::Sync& out) {
    if (!in_.Expect(TokenKind::kOpenParen)) return false;
    do {
      cmd::Sync::Target& target = out.targets.emplace_back();
      const uint32_t begin = in_.token().span.begin;
      target.fence = std::string(in_.text());
      if (!in_.Expect(TokenKind::kName)) return false;
      if (in_.Accept(TokenKind::kAt) && !Distance(target)) return false;
      target.where = Span{begin, in_.last_end()};
    } while (in_.Accept(TokenKind::kComma));
    return in_.Expect(TokenKind::kCloseParen);
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

  bool PrintAfter(cmd::Print& out) {
    if (!in_.Expect(TokenKind::kOpenParen)) return false;
    do {
      if (!ParseRef(in_, out.refs.emplace_back())) return false;
    } while (in_.Accept(TokenKind::kComma));
    return in_.Expect(TokenKind::kCloseParen);
  }

  bool MoveAfter(cmd::Move& out) {
    if (!ParseRef(in_, out.ref) || !in_.Expect(TokenKind::kArrow)) return false;
    std::optional<Place> to = ParsePlace(in_);
    if (to) out.to = std::move(*to);
    return to.has_value();
  }

  bool IfAfter(Span begin, cmd::If& out) {
    if (!in_.Expect(TokenKind::kOpenParen)) return false;
    std::optional<Expr> condition = ParseExpr(in_);
    if (!condition || !in_.Expect(TokenKind::kCloseParen)) return false;
    out.condition = std::move(*condition);
    if (!ParseBraces(in_, begin, out.then)) return false;
    if (!in_.AtWord("else")) return true;
    const Span otherwise = in_.Take().span;
    out.otherwise.emplace();
    if (!in_.AtWord("if")) return ParseBraces(in_, otherwise, *out.otherwise);
    if (!in_.Enter()) return false;
    const Span inner = in_.Take().span;
    Command& next = out.otherwise->emplace_back();
    const bool good = IfAfter(inner, next.what.emplace<cmd::If>());
    in_.Leave();
    next.where = Span{inner.begin, in_.last_end()};
    return good;
  }

  bool LoopAfter(Span begin, cmd::Loop& out) {
    out.name = std::string(in_.text());
    if (!in_.Expect(TokenKind::kName)) return false;
    if (in_.AtWord("window")) {
      in_.Take();
      out.window = ParseWholeNumber(in_);
      if (!out.window) return false;
    }
    return ParseBraces(in_, begin, out.body);
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

// About so many commands stand in front of the next closing brace.
size_t CommandsAhead(const TokenStream& in) {
  constexpr size_t kMost = 4096;  // what follows may be a comment
  const std::string_view rest = in.source().text().substr(in.token().span.begin);
  const std::string_view block = rest.substr(0, rest.find('}'));
  const auto ends = std::count(block.begin(), block.end(), ';');
  return std::min(static_cast<size_t>(ends), kMost);
}

}  // namespace

std::vector<Command> ParseCommands(TokenStream& in) {
  std::vector<Command> out;
  out.reserve(CommandsAhead(in));
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
