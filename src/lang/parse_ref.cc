#include "lang/parse_ref.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"
#include "lang/number.h"
#include "lang/parse_expr.h"

namespace tinyai {
namespace {

constexpr size_t kMostParts = 64;  // of a name in a model file: fewer than ten

bool IsDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string TextOf(const TokenStream& in, const Token& token) {
  const std::string_view text = in.Text(token).substr(0, kMostStringBytes);
  return token.kind == TokenKind::kString ? Unquote(text) : std::string(text);
}

// ['..' NUM] after a part, which must be a number then.
bool ParseRange(TokenStream& in, Ref::Part& part, uint32_t begin) {
  if (!IsDigits(part.text) || !in.Accept(TokenKind::kDots, Lexer::Mode::kPart)) return true;
  part.last = std::string(in.text());
  if (in.token().kind != TokenKind::kName || !IsDigits(*part.last)) {
    in.Unexpected("a number");
    return false;
  }
  in.Take();
  const std::optional<uint64_t> first = WholeNumber(part.text), last = WholeNumber(*part.last);
  if (first && last && *first <= *last) return true;
  in.Error("S3", {begin, in.last_end()},
           fmt::format("the range {}..{} is empty or too large", part.text, *part.last));
  return false;
}

bool ParseParts(TokenStream& in, Ref& ref) {
  while (in.Accept(TokenKind::kDot, Lexer::Mode::kPart)) {
    const Token token = in.token();
    if (!in.Accept(TokenKind::kName) && !in.Accept(TokenKind::kString)) {
      in.Unexpected("a name or a number");
      return false;
    }
    Ref::Part& part = ref.parts.emplace_back();
    part.text = TextOf(in, token);
    if (token.kind == TokenKind::kName && !ParseRange(in, part, token.span.begin)) return false;
    if (ref.parts.size() <= kMostParts) continue;
    in.Error("S3", token.span, fmt::format("a name has at most {} parts", kMostParts));
    return false;
  }
  return true;
}

bool ParseSlice(TokenStream& in, Ref& ref) {
  if (!in.Accept(TokenKind::kOpenBracket)) return true;
  std::vector<Expr>& slice = ref.slice.edit();
  do {
    std::optional<Expr> bound = ParseExpr(in);
    if (!bound) return false;
    slice.push_back(std::move(*bound));
  } while (slice.size() < 2 && in.Accept(TokenKind::kDots));
  return in.Expect(TokenKind::kCloseBracket);
}

std::optional<Expr> ParseValue(TokenStream& in) {
  const Token token = in.token();
  const uint32_t begin = token.span.begin;
  if (in.Accept(TokenKind::kNumber)) {
    return MakeExpr(Expr::Kind::kNumber, TextOf(in, token), {}, token.span);
  }
  if (in.Accept(TokenKind::kString)) {
    return MakeExpr(Expr::Kind::kString, TextOf(in, token), {}, token.span);
  }
  if (in.Accept(TokenKind::kMinus)) {
    const Token number = in.token();
    if (!in.Expect(TokenKind::kNumber)) return std::nullopt;
    std::vector<Expr> operand = {
        MakeExpr(Expr::Kind::kNumber, TextOf(in, number), {}, number.span)};
    return MakeExpr(Expr::Kind::kUnary, "-", std::move(operand), Span{begin, in.last_end()});
  }
  std::string name = TextOf(in, token);
  if (!in.Expect(TokenKind::kName)) return std::nullopt;
  while (in.Accept(TokenKind::kDot, Lexer::Mode::kPart)) {
    name += '.' + TextOf(in, in.token());
    if (!in.Expect(TokenKind::kName)) return std::nullopt;
  }
  return MakeExpr(Expr::Kind::kName, std::move(name), {}, Span{begin, in.last_end()});
}

}  // namespace

bool ParseRef(TokenStream& in, Ref& out) {
  const Token head = in.token();
  if (!in.Accept(TokenKind::kName) && !in.Accept(TokenKind::kString)) {
    in.Unexpected("a name");
    return false;
  }
  return ParseRefAfter(in, head, out);
}

bool ParseRefAfter(TokenStream& in, Token head, Ref& out) {
  out.parts.emplace_back().text = TextOf(in, head);
  if (!ParseParts(in, out) || !ParseSlice(in, out)) return false;
  if (in.Accept(TokenKind::kAt)) {
    out.qualifier = std::string(in.text().substr(0, kMostNameBytes));
    if (!in.Expect(TokenKind::kName)) return false;
  }
  out.where = Span{head.span.begin, in.last_end()};
  return true;
}

std::optional<Place> ParsePlace(TokenStream& in) {
  const Token head = in.token();
  Ref ref;
  if (!in.Expect(TokenKind::kName) || !ParseRefAfter(in, head, ref)) return std::nullopt;
  return PlaceFromRef(in, std::move(ref));
}

std::optional<Place> PlaceFromRef(TokenStream& in, Ref ref) {
  const uint32_t begin = ref.where.begin;
  const bool index_first = ref.parts.size() == 1;
  if (!ref.slice->empty() && index_first && !ParseParts(in, ref)) return std::nullopt;
  ref.where = Span{begin, in.last_end()};
  const bool names = std::all_of(ref.parts.begin(), ref.parts.end(), [](const Ref::Part& part) {
    return part.last->empty() && IsNamePart(part.text);
  });
  const bool indexed = ref.slice->empty() || (ref.slice->size() == 1 && index_first);
  if (!names || !indexed || !IsName(ref.parts[0].text) || !ref.qualifier->empty()) {
    if (Diagnostic* error = in.Error("S1", ref.where, "this is no place")) {
      error->Help("a place is written as CPU, GPU[1] or GPU[1].copy");
    }
    return std::nullopt;
  }
  Place place;
  place.name = std::move(ref.parts[0].text);
  place.index = *ref.slice;
  for (size_t i = 1; i < ref.parts.size(); ++i)
    place.queues.push_back(std::move(ref.parts[i].text));
  place.where = ref.where;
  return place;
}

bool ParseAttributes(TokenStream& in, std::vector<Attribute>& out) {
  if (!in.Accept(TokenKind::kColon)) return true;
  do {
    Attribute attribute;
    const uint32_t begin = in.token().span.begin;
    attribute.name = std::string(in.text().substr(0, kMostNameBytes));
    if (!in.Expect(TokenKind::kName)) return false;
    const bool alone = in.At(TokenKind::kComma) || in.At(TokenKind::kSemicolon);
    if (!alone) {
      attribute.value = ParseValue(in);
      if (!attribute.value) return false;
    }
    attribute.where = Span{begin, in.last_end()};
    out.push_back(std::move(attribute));
  } while (in.Accept(TokenKind::kComma));
  return true;
}

std::optional<uint64_t> ParseWholeNumber(TokenStream& in) {
  const Token token = in.token();
  if (!in.Expect(TokenKind::kNumber)) return std::nullopt;
  const std::optional<uint64_t> value = WholeNumber(in.Text(token));
  if (!value) in.Error("S3", token.span, "this must be a whole number without unit");
  return value;
}

bool CloseBrace(TokenStream& in, Span begin) {
  if (in.Accept(TokenKind::kCloseBrace)) return true;
  if (in.ended() && !in.lexer().broken()) {
    if (Diagnostic* error =
            in.Misplaced(in.token().span, "expected '}', found the end of the text")) {
      error->NoteAt(begin, "this has no '}'");
    }
  }
  return false;
}

bool IsCommandWord(std::string_view word) {
  constexpr std::array<std::string_view, 13> kWords = {
      "closed", "else", "evict",    "free",  "if",        "load", "loop",
      "move",   "pin",  "prefetch", "print", "recompute", "sync"};
  static_assert(std::is_sorted(kWords.begin(), kWords.end()));
  // Nearly all names begin otherwise.
  constexpr auto kBegins = [&] {
    std::array<bool, 256> out{};
    for (const std::string_view one : kWords) out[static_cast<uint8_t>(one[0])] = true;
    return out;
  }();
  if (word.empty() || !kBegins[static_cast<uint8_t>(word[0])]) return false;
  return std::binary_search(kWords.begin(), kWords.end(), word);
}

}  // namespace tinyai
