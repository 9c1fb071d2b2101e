#pragma once

#include <cstdint>
#include <string_view>

#include "lang/source.h"

namespace tinyai {

enum class TokenKind : uint8_t {
  kEnd,
  kName,    // z, z', blk; in a dotted name also 7 and 7b
  kNumber,  // 12, 4KiB, 12GB/s
  kString,  // "ring slot 0"
  kFence,   // ---
  kHole,    // ???
  kArrow,   // ->
  kDots,    // ..
  kDot,
  kComma,
  kSemicolon,
  kColon,
  kAt,
  kQuestion,
  kOpenBrace,
  kCloseBrace,
  kOpenParen,
  kCloseParen,
  kOpenBracket,
  kCloseBracket,
  kOr,
  kAnd,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kPlus,
  kMinus,
  kTimes,
  kDivide,
  kModulo,
  kNot,
  kAssign,
};

// How a token is written; what it stands for where it has many spellings ("a name").
std::string_view Spelling(TokenKind kind);

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Span span;
};

}  // namespace tinyai
