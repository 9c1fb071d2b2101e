#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lang/schedule.h"
#include "lang/source.h"

namespace tinyai {

// An Expr while its program is read: the same, but text and operands lie elsewhere, in the source
// and in a SyntaxArena, so that it takes no memory of its own and goes without being destroyed.
struct ExprTree {
  using Kind = Expr::Kind;
  Kind kind = Kind::kName;
  int depth = 1;  // of the tree, at most kMostDepth
  std::string_view text = {};
  std::span<const ExprTree> operands = {};
  Where where = {};
};
static_assert(std::is_trivially_destructible_v<ExprTree>);

// Memory for the trees of a file, statement by statement. What is in it does not move.
class SyntaxArena {
 public:
  std::span<const ExprTree> Keep(std::span<const ExprTree> trees);
  std::string_view Keep(std::string text);

  // What is there now stays as long as this object.
  void Hold() { held_ = next_; }
  // The rest ends here; its memory is used again.
  void Clear() { next_ = held_; }

 private:
  struct Position {
    size_t block = 0, used = 0;
  };
  std::deque<std::vector<ExprTree>> blocks_;
  Position next_, held_;
  std::deque<std::string> texts_;  // of strings with escapes: few
};

// With memory of its own.
Expr Owned(const ExprTree& tree);

}  // namespace tinyai
