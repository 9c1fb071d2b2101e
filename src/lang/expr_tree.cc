#include "lang/expr_tree.h"

#include <algorithm>
#include <utility>

namespace tinyai {
namespace {

constexpr size_t kBlockTrees = 1024;  // of 64 bytes: what a first-level cache holds

}  // namespace

std::span<const ExprTree> SyntaxArena::Keep(std::span<const ExprTree> trees) {
  while (next_.block < blocks_.size() && blocks_[next_.block].size() - next_.used < trees.size()) {
    next_ = {next_.block + 1, 0};
  }
  if (next_.block == blocks_.size()) blocks_.emplace_back(std::max(kBlockTrees, trees.size()));
  ExprTree* const begin = blocks_[next_.block].data() + next_.used;
  std::copy(trees.begin(), trees.end(), begin);
  next_.used += trees.size();
  return {begin, trees.size()};
}

std::string_view SyntaxArena::Keep(std::string text) {
  return texts_.emplace_back(std::move(text));
}

Expr Owned(const ExprTree& tree) {
  std::vector<Expr> operands;
  operands.reserve(tree.operands.size());
  for (const ExprTree& operand : tree.operands) operands.push_back(Owned(operand));
  return MakeExpr(tree.kind, std::string(tree.text), std::move(operands), tree.where);
}

}  // namespace tinyai
