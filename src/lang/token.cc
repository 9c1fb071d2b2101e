#include "lang/token.h"

namespace tinyai {

std::string_view Spelling(TokenKind kind) {
  switch (kind) {
    case TokenKind::kEnd:
      return "the end of the text";
    case TokenKind::kName:
      return "a name";
    case TokenKind::kNumber:
      return "a number";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kFence:
      return "'---'";
    case TokenKind::kHole:
      return "'\?\?\?'";
    case TokenKind::kArrow:
      return "'->'";
    case TokenKind::kDots:
      return "'..'";
    case TokenKind::kDot:
      return "'.'";
    case TokenKind::kComma:
      return "','";
    case TokenKind::kSemicolon:
      return "';'";
    case TokenKind::kColon:
      return "':'";
    case TokenKind::kAt:
      return "'@'";
    case TokenKind::kQuestion:
      return "'?'";
    case TokenKind::kOpenBrace:
      return "'{'";
    case TokenKind::kCloseBrace:
      return "'}'";
    case TokenKind::kOpenParen:
      return "'('";
    case TokenKind::kCloseParen:
      return "')'";
    case TokenKind::kOpenBracket:
      return "'['";
    case TokenKind::kCloseBracket:
      return "']'";
    case TokenKind::kOr:
      return "'||'";
    case TokenKind::kAnd:
      return "'&&'";
    case TokenKind::kEqual:
      return "'=='";
    case TokenKind::kNotEqual:
      return "'!='";
    case TokenKind::kLess:
      return "'<'";
    case TokenKind::kLessEqual:
      return "'<='";
    case TokenKind::kGreater:
      return "'>'";
    case TokenKind::kGreaterEqual:
      return "'>='";
    case TokenKind::kPlus:
      return "'+'";
    case TokenKind::kMinus:
      return "'-'";
    case TokenKind::kTimes:
      return "'*'";
    case TokenKind::kDivide:
      return "'/'";
    case TokenKind::kModulo:
      return "'%'";
    case TokenKind::kNot:
      return "'!'";
    case TokenKind::kAssign:
      return "'='";
  }
  return "";
}

}  // namespace tinyai
