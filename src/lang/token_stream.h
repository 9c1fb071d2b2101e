#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lang/diagnostics.h"
#include "lang/expr_tree.h"
#include "lang/lexer.h"
#include "lang/token.h"

namespace tinyai {

// What a parser stands on: one token of look-ahead, what could have stood there
// instead, and the errors of what does. A parser asks At() or Accept() for everything that it
// could take at a place, so that the message of an error can list it.
class TokenStream {
 public:
  // `diagnostics` outlives this object.
  explicit TokenStream(Diagnostics& diagnostics);

  const Token& token() const { return token_; }
  std::string_view text() const { return Text(token_); }
  std::string_view Text(const Token& token) const { return source().Slice(token.span); }
  const SourceText& source() const { return diagnostics_.source(); }
  Diagnostics& diagnostics() { return diagnostics_; }
  const Lexer& lexer() const { return lexer_; }
  // Where trees of this text are put.
  SyntaxArena& arena() { return arena_; }
  bool ended() const { return token_.kind == TokenKind::kEnd; }
  // From the next token on.
  void set_dialect(Lexer::Dialect dialect) { lexer_.set_dialect(dialect); }
  // Where the token before this one ended.
  uint32_t last_end() const { return last_end_; }

  bool At(TokenKind kind) {
    expected_ |= uint64_t{1} << static_cast<int>(kind);
    return token_.kind == kind;
  }
  // The same for several, a bit for each.
  bool AtOneOf(uint64_t kinds) {
    expected_ |= kinds;
    return (kinds >> static_cast<int>(token_.kind) & 1) != 0;
  }
  bool AtWord(std::string_view word) const {
    return token_.kind == TokenKind::kName && text() == word;
  }
  bool Accept(TokenKind kind, Lexer::Mode mode = Lexer::Mode::kUsual) {
    if (!At(kind)) return false;
    Take(mode);
    return true;
  }
  // Accepts, or reports what was expected; then nothing is taken.
  bool Expect(TokenKind kind);
  // Takes the token, whatever it is.
  Token Take(Lexer::Mode mode = Lexer::Mode::kUsual);

  // Reports that this token cannot stand here: "expected ';' or '.', found 'x'". `instead` replaces
  // the list of what At() was asked for. Silent after the end of a broken text.
  Diagnostic* Unexpected(std::string_view instead = "");
  // Reports an error of code `code` at `span`, unless it may follow from one that was reported:
  // that one was at or after it or, of an S1, further on in the same line.
  Diagnostic* Error(std::string code, Span span, std::string message);
  // Reports an S1 of what stands in which braces. Any S1 before may be the reason.
  Diagnostic* Misplaced(Span span, std::string message);

  // An S1 was reported, so braces may not be what they seem.
  bool confused() const { return confused_; }
  // While quiet, Error() and Unexpected() say nothing: for what follows from an error said before.
  void set_quiet(bool quiet) { quiet_ = quiet; }

  // Counts the nesting; false, and reported, if it is too deep. Nothing is parsed from then on.
  bool Enter();
  void Leave() { --depth_; }
  // Parsing goes on no further: too many errors, or one that nothing sensible can follow.
  bool stopped() const { return stopped_ || diagnostics_.full(); }
  // Makes this the end of the text.
  void Stop();

  // Goes on to the end of what is wrong: past the next semicolon, or to a closing brace or a token
  // that begins a line, whatever comes first; what stands in braces is skipped with them. `begin`
  // is where the statement began: something is taken, or had been. Where it ends neither at
  // a new line nor with a semicolon, the rest of the line may be a part of what is wrong.
  void SkipStatement(uint32_t begin);

 private:
  bool BeginsLine() const;
  void IgnoreLine(uint32_t offset);  // no S1 is reported to the end of the line

  Diagnostics& diagnostics_;
  Lexer lexer_;
  SyntaxArena arena_;
  Token token_;
  uint64_t expected_ = 0;  // by TokenKind
  uint32_t last_end_ = 0;
  int64_t last_error_ = -1;  // offset
  size_t ignored_to_ = 0;    // offset: no S1 is reported in front of it
  bool confused_ = false;    // an S1 was reported
  int depth_ = 0;
  bool stopped_ = false;
  bool quiet_ = false;
};

}  // namespace tinyai
