#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "lang/boxed.h"
#include "lang/source.h"

namespace tinyai {

// What a schedule says, as plain data: the result of ParseSchedule, and what PrintSchedule writes.
// Nothing here is resolved; names are as written. Two that say the same compare equal, wherever
// their parts stand. docs/schedule.md describes the language.

// Trees and blocks may not be nested deeper, so that whoever walks them may use recursion.
inline constexpr int kMostDepth = 256;

struct Expr {
  enum class Kind : uint8_t {
    kName,     // text
    kNumber,   // text as written, "4KiB"
    kString,   // text without quotes
    kUnary,    // text: "-" or "!"; 1 operand
    kBinary,   // text: the operator; 2 operands
    kChoice,   // operands: condition ? yes : no
    kCall,     // operands: what is called, then its arguments
    kElement,  // operands: array, indexes
    kMember,   // text: the member's name; 1 operand
    kArray,    // operands: the elements
  };
  Kind kind = Kind::kName;
  std::string text;
  std::vector<Expr> operands = {};
  int depth = 1;  // of the tree, at most kMostDepth
  Where where = {};

  bool operator==(const Expr& other) const;
};
// Sets the depth from the operands.
Expr MakeExpr(Expr::Kind kind, std::string text, std::vector<Expr> operands, Where where);
Expr NumberExpr(uint64_t value);

// `name value` after the colon of a command or record; the value is a name, a number (negative:
// a unary minus), a string, or none. Names are dotted: kName with text "weights.resident".
struct Attribute {
  std::string name;
  std::optional<Expr> value = {};
  Where where = {};

  bool operator==(const Attribute&) const = default;
};

// blk.3.ffn_down, blk.0..7, w[0..64], z@else. Programs of a million lines have a million of them,
// nearly all of one plain name, so these take no memory besides.
struct Ref {
  // "blk", "3"; a range 0..7 has text "0" and last "7". Anything may be in a part's text: what is
  // not of the form of a name is written in quotes.
  struct Part {
    std::string text;
    Boxed<std::string> last = {};  // digits, as is `text` then; empty if this is no range

    bool operator==(const Part&) const = default;
  };
  absl::InlinedVector<Part, 1> parts;
  Boxed<std::vector<Expr>> slice = {};  // empty, [index], or [begin..end]
  Boxed<std::string> qualifier = {};    // after @
  Where where = {};

  bool operator==(const Ref&) const = default;
};
// The parts with dots between, ranges as 0..7.
std::string DottedName(const Ref& ref);
// A reference whose parts are what stands between the dots.
Ref RefFromDotted(std::string_view name);

// CPU, GPU[1].copy
struct Place {
  std::string name;
  std::vector<Expr> index = {};  // none or one
  std::vector<std::string> queues = {};
  Where where = {};

  bool operator==(const Place&) const = default;
};

// --- commands ---

struct Command;

namespace cmd {

// Work on one value: what stands before its name; kEvaluate has no word.
enum class Verb : uint8_t { kEvaluate, kLoad, kPrefetch, kEvict, kPin, kFree, kRecompute };
struct Work {
  Verb verb = Verb::kEvaluate;
  Ref ref;

  bool operator==(const Work&) const = default;
};
struct Move {
  Ref ref;
  Boxed<Place> to;

  bool operator==(const Move&) const = default;
};
struct Fence {
  std::string name;

  bool operator==(const Fence&) const = default;
};
// sync(f, g@-1): g as recorded in the iteration before.
struct Sync {
  struct Target {
    std::string fence;
    uint32_t distance = 0;
    Where where = {};

    bool operator==(const Target&) const = default;
  };
  std::vector<Target> targets;

  bool operator==(const Sync&) const = default;
};
struct Print {
  std::vector<Ref> refs;

  bool operator==(const Print&) const = default;
};
// ???: where a closed block may be added to.
struct Hole {
  bool operator==(const Hole&) const = default;
};
// `otherwise` with just an If is an else-if.
struct If {
  Boxed<Expr> condition;
  std::vector<Command> then;
  std::optional<std::vector<Command>> otherwise;

  bool operator==(const If& other) const;
};
struct Loop {
  std::string name;
  std::optional<uint64_t> window;
  std::vector<Command> body;

  bool operator==(const Loop& other) const;
};

}  // namespace cmd

// The commands of a place, in issue order. Only at the holes of a closed one may more be put in.
struct Block {
  bool closed = false;
  Boxed<Place> place;
  std::vector<Command> commands;
  Where where = {};

  bool operator==(const Block& other) const;
};

struct Command {
  using What = std::variant<cmd::Work, cmd::Move, cmd::Fence, cmd::Sync, cmd::Print, cmd::Hole,
                            cmd::If, cmd::Loop, Block>;
  What what;
  Boxed<std::vector<Attribute>> attributes = {};  // of those that end with a semicolon
  Where where = {};

  bool operator==(const Command& other) const;
};

// --- declarations ---

namespace decl {

struct Placement {  // place z: GPU;
  Ref ref;
  Place place;

  bool operator==(const Placement&) const = default;
};
struct Before {  // before a, b; a is complete before b starts
  Ref first, second;

  bool operator==(const Before&) const = default;
};
struct Budget {  // budget GPU.mem <= 64MiB;
  std::string memory;
  std::string size;  // as written; ByteCount() has a value for it

  bool operator==(const Budget&) const = default;
};
struct Objective {  // objective lex(syncs, fences);
  Expr terms;

  bool operator==(const Objective&) const = default;
};
enum class Counting : uint8_t { kStatic, kWorst, kExpected };
struct Count {  // count worst;
  Counting how = Counting::kStatic;

  bool operator==(const Count&) const = default;
};
// kind "name": attributes; What is recorded beside the schedule, such as the buffers of a plan. The
// language knows nothing of kinds.
struct Record {
  std::string kind;
  std::string name;
  std::vector<Attribute> attributes = {};

  bool operator==(const Record&) const = default;
};

}  // namespace decl

struct Item {
  std::variant<Block, decl::Placement, decl::Before, decl::Budget, decl::Objective, decl::Count,
               decl::Record>
      what;
  Where where = {};

  bool operator==(const Item&) const = default;
};

// A schedule file. `name` and `program` are those of `schedule name for program { .. }`, empty
// without.
struct Schedule {
  std::string name;
  std::string program;
  std::vector<Item> items;
  // Lines of the comments before the first item and after the last, without marks: a title, and the
  // certificate that a compiler writes. Others are not kept, only where they are.
  std::vector<std::string> head_comments;
  std::vector<std::string> end_comments;
  std::vector<Where> inner_comments;

  bool operator==(const Schedule& other) const;
};

}  // namespace tinyai
