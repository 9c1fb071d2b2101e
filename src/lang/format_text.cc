#include "lang/format_text.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "lang/parse_costs.h"
#include "lang/parse_devices.h"
#include "lang/parse_ref.h"
#include "lang/parse_schedule.h"
#include "lang/parse_values.h"
#include "lang/token_stream.h"

namespace tinyai {
namespace {

// A token, or a comment.
struct Piece {
  TokenKind kind = TokenKind::kEnd;  // kEnd: a comment
  std::string_view text;
  size_t lines_before = 0;  // ends of lines between the piece before and this one
  bool unary = false;       // a sign
  bool choice = false;      // a colon that belongs to a question mark
  bool begins = false;      // a statement

  bool is_comment() const { return kind == TokenKind::kEnd; }
};

// --- cutting ---

class Cutter {
 public:
  Cutter(const SourceText& source, FileKind kind) : source_(source), said_(source), lexer_(said_) {
    programs_ = kind == FileKind::kProgram;
  }

  std::vector<Piece> Cut() {
    while (true) {
      lexer_.set_dialect(programs_ ? Lexer::Dialect::kProgram : Lexer::Dialect::kSchedule);
      const Token token = lexer_.Next(mode_);
      for (; comments_ < lexer_.comments().size(); ++comments_) {
        Add({TokenKind::kEnd, lexer_.comments()[comments_]});
      }
      if (token.kind == TokenKind::kEnd) return std::move(pieces_);
      Add(token);
      Follow(pieces_.back());
    }
  }

 private:
  void Add(const Token& token) {
    Piece piece;
    piece.kind = token.kind;
    piece.text = source_.Slice(token.span);
    while (piece.is_comment() && (piece.text.ends_with('\r') || piece.text.ends_with(' '))) {
      piece.text.remove_suffix(1);
    }
    const std::string_view between = source_.text().substr(end_, token.span.begin - end_);
    piece.lines_before = static_cast<size_t>(std::count(between.begin(), between.end(), '\n'));
    end_ = token.span.end;
    pieces_.push_back(piece);
  }

  // Parts of names are read otherwise, and so is a schedule behind its program.
  void Follow(const Piece& piece) {
    const bool range = piece.kind == TokenKind::kDots && mode_ == Lexer::Mode::kPart && digits_;
    const bool part = mode_ == Lexer::Mode::kPart;
    digits_ = part && piece.text.find_first_not_of("0123456789") == std::string_view::npos;
    if (piece.kind == TokenKind::kDot || range) {
      mode_ = Lexer::Mode::kPart;
    } else if (!(part && digits_)) {
      mode_ = Lexer::Mode::kUsual;
    }
    if (piece.kind == TokenKind::kOpenBrace) ++depth_;
    if (piece.kind == TokenKind::kCloseBrace) --depth_;
    if (programs_ && depth_ == 0 && wrapped_ && piece.text == "schedule") programs_ = false;
    wrapped_ = wrapped_ || (pieces_.size() == 1 && piece.text == "value");
  }

  const SourceText& source_;
  Diagnostics said_;
  Lexer lexer_;
  Lexer::Mode mode_ = Lexer::Mode::kUsual;
  std::vector<Piece> pieces_;
  size_t comments_ = 0;
  size_t end_ = 0;
  int depth_ = 0;
  bool programs_ = false, wrapped_ = false, digits_ = false;
};

// --- what stands next to what ---

bool IsOperator(TokenKind kind) {
  switch (kind) {
    case TokenKind::kOr:
    case TokenKind::kAnd:
    case TokenKind::kEqual:
    case TokenKind::kNotEqual:
    case TokenKind::kLess:
    case TokenKind::kLessEqual:
    case TokenKind::kGreater:
    case TokenKind::kGreaterEqual:
    case TokenKind::kPlus:
    case TokenKind::kMinus:
    case TokenKind::kTimes:
    case TokenKind::kDivide:
    case TokenKind::kModulo:
    case TokenKind::kAssign:
    case TokenKind::kQuestion:
    case TokenKind::kArrow:
      return true;
    default:
      return false;
  }
}

bool IsOneOf(TokenKind kind, std::initializer_list<TokenKind> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}
bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool EndsOperand(const Piece& piece) {
  return IsOneOf(piece.kind, {TokenKind::kName, TokenKind::kNumber, TokenKind::kString,
                              TokenKind::kCloseParen, TokenKind::kCloseBracket});
}
// Words in front of an expression, where they begin a statement.
bool LeadsExpression(const Piece& piece) {
  return piece.begins && IsOneOf(piece.text, {"output", "return"});
}

// Marks what a token alone does not tell.
void Mark(std::vector<Piece>& pieces) {
  std::vector<int> questions = {0};  // open ones, by parenthesis
  const Piece* last = nullptr;
  const Piece* first = nullptr;  // of the statement
  size_t number = 0;             // in the statement
  for (Piece& piece : pieces) {
    if (piece.is_comment()) continue;
    const bool ended =
        last == nullptr ||
        IsOneOf(last->kind, {TokenKind::kSemicolon, TokenKind::kOpenBrace, TokenKind::kCloseBrace});
    piece.begins = ended && questions.size() == 1;
    if (piece.begins) {
      first = &piece;
      number = 0;
    }
    const bool of_range = first->text == "for" && number == 3;
    if (IsOneOf(piece.kind, {TokenKind::kMinus, TokenKind::kNot})) {
      piece.unary = last == nullptr || !EndsOperand(*last) || LeadsExpression(*last) || of_range;
    }
    if (IsOneOf(piece.kind, {TokenKind::kOpenParen, TokenKind::kOpenBracket})) {
      questions.push_back(0);
    }
    if (IsOneOf(piece.kind, {TokenKind::kCloseParen, TokenKind::kCloseBracket}) &&
        questions.size() > 1) {
      questions.pop_back();
    }
    if (piece.begins) questions.back() = 0;
    if (piece.kind == TokenKind::kQuestion) ++questions.back();
    if (piece.kind == TokenKind::kColon && questions.back() > 0) {
      piece.choice = true;
      --questions.back();
    }
    last = &piece;
    ++number;
  }
}

bool Apart(const Piece& left, const Piece& right) {
  using Kind = TokenKind;
  if (left.is_comment() || right.is_comment()) return true;
  if (IsOneOf(right.kind, {Kind::kSemicolon, Kind::kComma, Kind::kCloseParen, Kind::kCloseBracket,
                           Kind::kDot, Kind::kDots, Kind::kAt})) {
    return false;
  }
  if (IsOneOf(left.kind,
              {Kind::kOpenParen, Kind::kOpenBracket, Kind::kDot, Kind::kDots, Kind::kAt})) {
    return false;
  }
  if (left.unary) {  // three signs in a row would be a fence
    return left.kind == Kind::kMinus && right.unary && right.kind == Kind::kMinus;
  }
  if (right.kind == Kind::kColon) return right.choice;
  if (right.kind == Kind::kOpenParen && EndsOperand(left)) {
    return IsOneOf(left.text, {"if", "while", "carry"}) || LeadsExpression(left);
  }
  if (right.kind == Kind::kOpenBracket && EndsOperand(left)) return LeadsExpression(left);
  return true;
}

// --- writing ---

class TextWriter {
 public:
  explicit TextWriter(const std::vector<Piece>& pieces) : pieces_(pieces) {}

  std::string Write() {
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const Piece& piece = pieces_[i];
      if (piece.kind == TokenKind::kCloseBrace) depth_ -= depth_ > 0 ? 1 : 0;
      if (i > 0) Separate(pieces_[i - 1], piece);
      out_ += piece.text;
      Follow(piece);
    }
    if (!out_.empty()) out_ += '\n';
    return std::move(out_);
  }

 private:
  // What comes between two pieces.
  void Separate(const Piece& before, const Piece& piece) {
    if (!Breaks(before, piece)) {
      if (piece.is_comment()) {
        out_ += piece.text.starts_with("//") ? "  " : " ";
      } else if (Apart(before, piece)) {
        out_ += ' ';
      }
      return;
    }
    const bool opened = before.kind == TokenKind::kOpenBrace;
    const bool closes = piece.kind == TokenKind::kCloseBrace;
    out_ += piece.lines_before > 1 && !opened && !closes && ended_ ? "\n\n" : "\n";
    out_.append(2 * depth_ + (ended_ || closes ? 0 : 4), ' ');
  }
  bool Breaks(const Piece& before, const Piece& piece) const {
    if (before.is_comment() && before.text.starts_with("//")) return true;
    if (piece.is_comment()) return piece.lines_before > 0;
    if (piece.kind == TokenKind::kCloseBrace || before.kind == TokenKind::kOpenBrace) return true;
    if (IsOneOf(piece.kind, {TokenKind::kSemicolon, TokenKind::kComma, TokenKind::kColon})) {
      return false;
    }
    if (closed_ && piece.text == "else") return false;
    if (ended_) return !before.is_comment() || piece.lines_before > 0;
    // Where the text goes on on the next line, it may do so here.
    const bool opens = IsOneOf(
        piece.kind, {TokenKind::kOpenBrace, TokenKind::kCloseParen, TokenKind::kCloseBracket});
    return piece.lines_before > 0 && !opens && !before.unary &&
           (before.is_comment() || before.kind == TokenKind::kComma || IsOperator(before.kind) ||
            IsOneOf(before.kind, {TokenKind::kOpenParen, TokenKind::kOpenBracket}) ||
            (before.kind == TokenKind::kColon && before.choice) || IsOperator(piece.kind));
  }

  void Follow(const Piece& piece) {
    using Kind = TokenKind;
    if (piece.is_comment()) return;
    if (IsOneOf(piece.kind, {Kind::kOpenParen, Kind::kOpenBracket})) ++parens_;
    if (IsOneOf(piece.kind, {Kind::kCloseParen, Kind::kCloseBracket})) parens_ -= parens_ > 0;
    if (piece.kind == Kind::kOpenBrace) ++depth_;
    closed_ = piece.kind == Kind::kCloseBrace;
    // The semicolon of a fence and of a hole may be missing.
    const bool fence = fence_ && piece.kind == Kind::kName;
    fence_ = piece.kind == Kind::kFence;
    ended_ = (piece.kind == Kind::kSemicolon && parens_ == 0) || fence ||
             IsOneOf(piece.kind, {Kind::kOpenBrace, Kind::kCloseBrace, Kind::kHole});
  }

  const std::vector<Piece>& pieces_;
  std::string out_;
  size_t depth_ = 0, parens_ = 0;
  bool ended_ = true;  // no statement is open
  bool closed_ = false, fence_ = false;
};

// Reads a program, whatever it means; and the schedule behind it.
void ReadProgram(Diagnostics& said) {
  TokenStream in(said);
  in.set_dialect(Lexer::Dialect::kProgram);
  const Token first = in.token();
  const bool wrapped = in.AtWord("value");
  if (wrapped) {
    in.Take();
    if (!in.Expect(TokenKind::kName) || !in.Expect(TokenKind::kOpenBrace)) return;
  }
  ValueStatement statement;
  while (!in.At(TokenKind::kCloseBrace) && !in.ended()) {
    (void)ParseValueStatement(in, true, statement);
    in.arena().Clear();
  }
  if (wrapped && CloseBrace(in, first.span) && !said.has_errors()) {
    (void)ParseSchedule(said);
  } else if (!in.ended()) {
    in.Unexpected("a statement");
  }
}

}  // namespace

std::optional<FileKind> FindFileKind(Diagnostics& diagnostics) {
  const auto reads = [&](const auto& read) {
    Diagnostics said(diagnostics.source());
    (void)read(said);
    return !said.has_errors();
  };
  if (reads(ReadProgram)) return FileKind::kProgram;
  if (reads(ParseSchedule)) return FileKind::kSchedule;
  if (reads(ParseDevices)) return FileKind::kDevices;
  if (reads(ParseCosts)) return FileKind::kCosts;
  ReadProgram(diagnostics);
  return std::nullopt;
}

std::string FormatText(const SourceText& text, FileKind kind) {
  std::vector<Piece> pieces = Cutter(text, kind).Cut();
  Mark(pieces);
  return TextWriter(pieces).Write();
}

}  // namespace tinyai
