#include "lang/lexer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/escape.h"
#include "fmt/format.h"
#include "lang/number.h"

namespace tinyai {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Of names and units; one look instead of six comparisons.
constexpr std::array<bool, 256> kIsWordPart = [] {
  std::array<bool, 256> out{};
  for (const char c :
       std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$")) {
    out[static_cast<uint8_t>(c)] = true;
  }
  return out;
}();
bool IsWordPart(char c) { return kIsWordPart[static_cast<uint8_t>(c)]; }
bool IsLetter(char c) { return IsWordPart(c) && !IsDigit(c); }
bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// No control characters but tab and the ends of lines, and nothing but ASCII. (Without branches, so
// that many bytes are looked at together.)
bool IsPlain(std::string_view text) {
  unsigned odd = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool blank = byte == '\t' || byte == '\n' || byte == '\r';
    odd |= static_cast<unsigned>(byte >= 0x7F) | (static_cast<unsigned>(byte < 0x20) & !blank);
  }
  return odd == 0;
}

// Where the first byte lies that no text has: a control character other than tab and the ends of
// lines, or one that is not UTF-8.
size_t EndOfText(std::string_view text) {
  constexpr size_t kBlock = 4096;
  for (size_t at = 0, plain = 0; at < text.size();) {
    if (at >= plain) {
      const std::string_view block = text.substr(at, kBlock);
      plain = at + block.size();
      if (IsPlain(block)) {
        at = plain;
        continue;
      }
    }
    const auto byte = static_cast<uint8_t>(text[at]);
    if ((byte >= 0x20 && byte < 0x7F) || byte == '\t' || byte == '\n' || byte == '\r') {
      ++at;
      continue;
    }
    const size_t length = byte < 0x80 ? 0 : Utf8SequenceLength(text.substr(at));
    const bool c1_control =
        byte == 0xC2 && length == 2 && static_cast<uint8_t>(text[at + 1]) < 0xA0;
    if (length == 0 || c1_control) return at;
    at += length;
  }
  return text.size();
}

struct Symbol {
  std::string_view spelling;
  TokenKind kind;
};
// By first character; the longest first where one begins another.
constexpr std::array<Symbol, 31> kSymbols = {{
    {"---", TokenKind::kFence},      {"->", TokenKind::kArrow},
    {"-", TokenKind::kMinus},        {"\?\?\?", TokenKind::kHole},
    {"?", TokenKind::kQuestion},     {"..", TokenKind::kDots},
    {".", TokenKind::kDot},          {"||", TokenKind::kOr},
    {"&&", TokenKind::kAnd},         {"==", TokenKind::kEqual},
    {"=", TokenKind::kAssign},       {"!=", TokenKind::kNotEqual},
    {"!", TokenKind::kNot},          {"<=", TokenKind::kLessEqual},
    {"<", TokenKind::kLess},         {">=", TokenKind::kGreaterEqual},
    {">", TokenKind::kGreater},      {",", TokenKind::kComma},
    {";", TokenKind::kSemicolon},    {":", TokenKind::kColon},
    {"@", TokenKind::kAt},           {"{", TokenKind::kOpenBrace},
    {"}", TokenKind::kCloseBrace},   {"(", TokenKind::kOpenParen},
    {")", TokenKind::kCloseParen},   {"[", TokenKind::kOpenBracket},
    {"]", TokenKind::kCloseBracket}, {"+", TokenKind::kPlus},
    {"*", TokenKind::kTimes},        {"/", TokenKind::kDivide},
    {"%", TokenKind::kModulo},
}};

// By character: the first symbol that begins with it; kSymbols.size(): none does.
constexpr std::array<uint8_t, 256> kFirstSymbols = [] {
  std::array<uint8_t, 256> out{};
  out.fill(kSymbols.size());
  for (size_t i = kSymbols.size(); i-- > 0;) {
    out[static_cast<uint8_t>(kSymbols[i].spelling[0])] = static_cast<uint8_t>(i);
  }
  return out;
}();

// By character: the symbol that it is by itself, where no other begins with it; kEnd: none.
constexpr std::array<TokenKind, 256> kSingleSymbols = [] {
  std::array<TokenKind, 256> out{};
  std::array<int, 256> begun{};
  for (const Symbol& symbol : kSymbols) ++begun[static_cast<uint8_t>(symbol.spelling[0])];
  for (const Symbol& symbol : kSymbols) {
    const auto first = static_cast<uint8_t>(symbol.spelling[0]);
    if (begun[first] == 1 && symbol.spelling.size() == 1) out[first] = symbol.kind;
  }
  return out;
}();

// Of a letter that no name has.
bool IsForeign(char c) { return static_cast<uint8_t>(c) >= 0x80; }

Span MakeSpan(size_t begin, size_t end) {
  return {static_cast<uint32_t>(begin), static_cast<uint32_t>(end)};
}

}  // namespace

Lexer::Lexer(Diagnostics& diagnostics) : diagnostics_(diagnostics) {
  text_ = diagnostics.source().text();
  if (text_.size() > kMostSourceBytes) {
    text_ = "";
    Break({}, fmt::format("the text has {} bytes; at most {} are read",
                          diagnostics.source().text().size(), kMostSourceBytes));
    return;
  }
  text_ = text_.substr(0, EndOfText(text_));
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte order mark
}

void Lexer::Break(Span span, std::string message) {
  if (!broken_) diagnostics_.Error("S2", span, std::move(message));
  broken_ = true;
}

Token Lexer::Next(Mode mode) {
  while (true) {
    SkipBlanks();
    if (at_ >= text_.size()) break;
    const char c = text_[at_];
    if (IsWordPart(c)) return !IsDigit(c) || mode == Mode::kPart ? Word() : Number();
    const TokenKind single = kSingleSymbols[static_cast<uint8_t>(c)];
    if (single != TokenKind::kEnd) return Make(single, 1);
    if (IsForeign(c)) return ForeignWord();
    if (c == '"') return String();
    for (size_t i = kFirstSymbols[static_cast<uint8_t>(c)]; i < kSymbols.size(); ++i) {
      const auto& [spelling, kind] = kSymbols[i];
      if (spelling[0] != c) break;
      const bool of_schedules = kind == TokenKind::kFence || kind == TokenKind::kHole;
      if (of_schedules && dialect_ == Dialect::kProgram) continue;
      size_t same = 1;
      while (same < spelling.size() && Peek(same) == spelling[same]) ++same;
      if (same == spelling.size()) return Make(kind, same);
    }
    StrangeCharacter();
  }
  const std::string_view whole = diagnostics_.source().text();
  if (at_ < whole.size() && !broken_) {
    const auto byte = static_cast<uint8_t>(whole[at_]);
    Break(MakeSpan(at_, at_ + 1),
          fmt::format("byte 0x{:02X} is {}; this is no text, and the rest is not read", byte,
                      byte < 0x80 ? "a control character" : "not UTF-8 or a control character"));
  }
  return {TokenKind::kEnd, MakeSpan(at_, at_)};
}

// What stands at the end of text_ is neither blank nor a part of a word: the end of the source, or
// a byte that no text has. So nobody has to look for the end.
inline void Lexer::SkipBlanks() {
  const char* const text = text_.data();
  while (true) {
    while (IsBlank(text[at_])) ++at_;
    if (text[at_] != '/' || !SkipComment()) return;
  }
}

bool Lexer::SkipComment() {
  const size_t begin = at_;
  if (Peek(1) == '/') {
    at_ = std::min(text_.find('\n', at_), text_.size());
  } else if (Peek(1) == '*') {
    const size_t end = text_.find("*/", at_ + 2);
    at_ = end == std::string_view::npos ? text_.size() : end + 2;
    if (end == std::string_view::npos && text_.size() == diagnostics_.source().text().size()) {
      Break(MakeSpan(begin, begin + 2), "this comment has no end; '*/' is missing");
    }
  } else {
    return false;
  }
  comments_.push_back(MakeSpan(begin, at_));
  return true;
}

inline Token Lexer::Make(TokenKind kind, size_t length) {
  const size_t begin = at_;
  at_ += length;
  return {kind, MakeSpan(begin, at_)};
}

inline Token Lexer::Word() {
  const char* const text = text_.data() + at_;
  size_t length = 0;
  while (IsWordPart(text[length])) ++length;
  if (IsForeign(text[length]) && at_ + length < text_.size()) return ForeignWord();
  while (text[length] == '\'') ++length;
  const Token token = Make(TokenKind::kName, length);
  if (length > kMostNameBytes) {
    diagnostics_.Error(
        "S3", MakeSpan(token.span.begin, token.span.begin + 1),
        fmt::format("this name has {} bytes; at most {} are allowed", length, kMostNameBytes));
  }
  return token;
}

// What someone meant as a name, so that nothing else is said of it.
Token Lexer::ForeignWord() {
  size_t length = 0;
  while (IsWordPart(Peek(length))) ++length;
  const size_t strange = at_ + length;
  const size_t bytes = std::max<size_t>(1, Utf8SequenceLength(text_.substr(strange)));
  diagnostics_
      .Error("S2", MakeSpan(strange, strange + bytes),
             fmt::format("'{}' means nothing here", text_.substr(strange, bytes)))
      .Help("names have A to Z, a to z, 0 to 9, _ and $");
  while (IsWordPart(Peek(length)) || IsForeign(Peek(length))) ++length;
  return Make(TokenKind::kName, length);
}

// Digits with what follows them directly, so that 12GBs is one wrong number and not two tokens.
Token Lexer::Number() {
  const std::string_view number = SplitNumber(text_.substr(at_)).digits;
  size_t length = number.size();
  while (IsWordPart(Peek(length))) ++length;
  if (length > number.size() && Peek(length) == '/' && IsLetter(Peek(length + 1))) {
    ++length;
    while (IsWordPart(Peek(length))) ++length;
  }
  const std::string_view unit = text_.substr(at_ + number.size(), length - number.size());
  const Token token = Make(TokenKind::kNumber, length);
  if (number.size() > kMostNameBytes) {
    diagnostics_.Error("S3", MakeSpan(token.span.begin, token.span.begin + 1),
                       "this number has more digits than any number needs");
  } else if (!IsUnit(unit)) {
    const uint32_t begin = token.span.end - static_cast<uint32_t>(unit.size());
    diagnostics_
        .Error("S3", MakeSpan(begin, token.span.end),
               fmt::format("'{}' is no unit", unit.substr(0, kMostNameBytes)))
        .Help("units are B, K, KB, KiB, M.., G.., T.., ns, us, ms, s, FLOP.. and GB/s");
  }
  return token;
}

Token Lexer::String() {
  size_t length = 1;
  while (at_ + length < text_.size() && Peek(length) != '"' && Peek(length) != '\n') {
    length += Peek(length) == '\\' && Peek(length + 1) != '\n' ? 2 : 1;
  }
  length = std::min(length, text_.size() - at_);
  const bool closed = Peek(length) == '"';
  const Token token = Make(TokenKind::kString, length + (closed ? 1 : 0));
  const Span begin = MakeSpan(token.span.begin, token.span.begin + 1);
  const bool cut = at_ == text_.size() && at_ < diagnostics_.source().text().size();
  if (!closed && !cut) {
    diagnostics_.Error("S3", begin, "this string has no end; '\"' is missing on its line");
  } else if (length > kMostStringBytes) {
    diagnostics_.Error(
        "S3", begin,
        fmt::format("this string has {} bytes; at most {} are allowed", length, kMostStringBytes));
  }
  return token;
}

void Lexer::StrangeCharacter() {
  diagnostics_.Error("S2", MakeSpan(at_, at_ + 1),
                     fmt::format("'{}' means nothing here", text_.substr(at_, 1)));
  ++at_;
}

bool IsNamePart(std::string_view text) {
  const size_t end = std::min(text.find_last_not_of('\'') + 1, text.size());
  if (end == 0 || text.size() > kMostNameBytes) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(end), IsWordPart);
}

bool IsName(std::string_view text) { return IsNamePart(text) && IsLetter(text[0]); }

namespace {

std::optional<uint8_t> HexDigit(char c) {
  if (IsDigit(c)) return static_cast<uint8_t>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<uint8_t>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

std::string Unquote(std::string_view quoted) {
  quoted.remove_prefix(1);
  if (quoted.ends_with('"')) quoted.remove_suffix(1);
  std::string out;
  for (size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] != '\\' || i + 1 == quoted.size()) {
      out += quoted[i];
      continue;
    }
    const char c = quoted[++i];
    const auto high = c == 'x' && i + 2 < quoted.size() ? HexDigit(quoted[i + 1]) : std::nullopt;
    const auto low = high ? HexDigit(quoted[i + 2]) : std::nullopt;
    if (low) {
      out += static_cast<char>(*high * 16 + *low);
      i += 2;
    } else {
      out += c;  // \" and \\, and what is no escape
    }
  }
  return out;
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = std::max<size_t>(1, Utf8SequenceLength(text));
    const std::string_view point = text.substr(0, length);
    text.remove_prefix(length);
    if (point == "\"" || point == "\\") out += '\\';
    out += EscapeControl(point);  // \xNN
  }
  return out + '"';
}

}  // namespace tinyai
