#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lang/diagnostics.h"
#include "lang/token.h"

namespace tinyai {

// Cuts a text into tokens, from begin to end, in linear time and without copying. White space is
// space, tab, CR and LF; comments are // to the end of the line and /* .. */. What is no token is
// reported and left out. After bytes that no text has (NUL, bad UTF-8) the text counts as ended.
class Lexer {
 public:
  // How a number is read.
  enum class Mode : uint8_t {
    kUsual,
    kPart,  // after the dot of a name: 3 in blk.3.0 is a part of the name, never the number 3.0
  };

  // What is one token: in programs --- is three signs, and no ??? is known.
  enum class Dialect : uint8_t { kSchedule, kProgram };

  // `diagnostics` outlives this object.
  explicit Lexer(Diagnostics& diagnostics);

  void set_dialect(Dialect dialect) { dialect_ = dialect; }

  Token Next(Mode mode);
  // The comments that Next() has passed, with their marks.
  const std::vector<Span>& comments() const { return comments_; }
  // The text ended before its end, which has been reported.
  bool broken() const { return broken_; }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void SkipBlanks();
  bool SkipComment();
  Token Word();
  Token Number();
  Token String();
  Token Make(TokenKind kind, size_t length);
  void Break(Span span, std::string message);
  void StrangeCharacter();
  Token ForeignWord();

  Diagnostics& diagnostics_;
  std::string_view text_;
  size_t at_ = 0;
  std::vector<Span> comments_;
  bool broken_ = false;
  Dialect dialect_ = Dialect::kSchedule;
};

inline constexpr size_t kMostNameBytes = 1024;    // as tensor names in model files
inline constexpr size_t kMostStringBytes = 4096;  // a quoted name, a hash, a short remark

// Whether `text` can be written as a name: [A-Za-z_$][A-Za-z0-9_$]*'*
bool IsName(std::string_view text);
// The same for what follows a dot, which may begin with a digit.
bool IsNamePart(std::string_view text);

// The text between the quotes of a string that the lexer accepted, escapes undone; and back.
std::string Unquote(std::string_view quoted);
std::string Quote(std::string_view text);

}  // namespace tinyai
