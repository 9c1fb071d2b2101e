#include "lang/token_stream.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "lang/schedule.h"

namespace tinyai {
namespace {

constexpr int kKinds = static_cast<int>(TokenKind::kAssign) + 1;
static_assert(kKinds <= 64, "expected_ has a bit for each");
constexpr size_t kMostShown = 40;  // bytes of a token in a message

uint64_t Bit(TokenKind kind) { return uint64_t{1} << static_cast<int>(kind); }

std::string ListOf(uint64_t kinds) {
  std::string out;
  if ((kinds & Bit(TokenKind::kOr)) != 0) {  // then any other operator could stand there, too
    out = "an operator";
    kinds &= Bit(TokenKind::kOr) - 1;
  }
  for (int kind = 0; kind < kKinds; ++kind) {
    if ((kinds >> kind & 1) == 0) continue;
    kinds &= kinds - 1;
    if (!out.empty()) out += kinds == 0 ? " or " : ", ";
    out += Spelling(static_cast<TokenKind>(kind));
  }
  return out;
}

}  // namespace

TokenStream::TokenStream(Diagnostics& diagnostics)
    : diagnostics_(diagnostics), lexer_(diagnostics) {
  token_ = lexer_.Next(Lexer::Mode::kUsual);
}

bool TokenStream::Expect(TokenKind kind) {
  if (Accept(kind)) return true;
  Unexpected();
  return false;
}

Token TokenStream::Take(Lexer::Mode mode) {
  const Token taken = token_;
  expected_ = 0;
  last_end_ = token_.span.end;
  token_ = lexer_.Next(mode);
  if (stopped()) Stop();
  return taken;
}

Diagnostic* TokenStream::Unexpected(std::string_view instead) {
  const std::string found = ended() ? std::string(Spelling(TokenKind::kEnd))
                                    : fmt::format("'{}{}'", text().substr(0, kMostShown),
                                                  text().size() > kMostShown ? ".." : "");
  if (ended() && lexer_.broken()) return nullptr;
  const std::string expected = instead.empty() ? ListOf(expected_) : std::string(instead);
  return Error("S1", token_.span, fmt::format("expected {}, found {}", expected, found));
}

Diagnostic* TokenStream::Error(std::string code, Span span, std::string message) {
  if (stopped() || quiet_ || int64_t{span.begin} <= last_error_) return nullptr;
  if (code == "S1") {
    if (span.begin < ignored_to_) return nullptr;
    confused_ = true;
    IgnoreLine(span.begin);
  }
  last_error_ = span.begin;
  return &diagnostics_.Error(std::move(code), span, std::move(message));
}

Diagnostic* TokenStream::Misplaced(Span span, std::string message) {
  return confused_ ? nullptr : Error("S1", span, std::move(message));
}

void TokenStream::IgnoreLine(uint32_t offset) {
  ignored_to_ = std::max(ignored_to_,
                         std::min(source().text().find('\n', offset), source().text().size() + 1));
}

bool TokenStream::Enter() {
  if (++depth_ <= kMostDepth) return true;
  Error("S4", token_.span, fmt::format("this is nested more than {} deep", kMostDepth));
  Stop();
  return false;
}

void TokenStream::Stop() {
  stopped_ = true;
  token_.kind = TokenKind::kEnd;
}

bool TokenStream::BeginsLine() const {
  const std::string_view between = source().text().substr(last_end_, token_.span.begin - last_end_);
  return between.find('\n') != std::string_view::npos;
}

void TokenStream::SkipStatement(uint32_t begin) {
  int braces = 0;
  bool sound = false;  // what comes next is no part of it
  for (bool taken = token_.span.begin != begin; !ended() && !sound; taken = true) {
    if (braces == 0 && token_.kind == TokenKind::kCloseBrace) break;
    sound = braces == 0 && taken && BeginsLine();
    if (sound) break;
    const Token end = Take();
    if (end.kind == TokenKind::kSemicolon && braces == 0) {
      sound = end.span.begin != last_error_;
      break;
    }
    if (end.kind == TokenKind::kOpenBrace) ++braces;
    if (end.kind == TokenKind::kCloseBrace && --braces == 0) break;
  }
  if (sound || BeginsLine()) {
    ignored_to_ = 0;
  } else {
    IgnoreLine(token_.span.begin);
  }
}

}  // namespace tinyai
