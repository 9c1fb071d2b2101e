#include "lang/program.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"

namespace tinyai {
namespace {

// Elements of q8 and q4 come in blocks of 32 with one 16-bit scale.
constexpr uint64_t kBlockElements = 32;

struct ScalarInfo {
  std::string_view name;
  uint64_t bytes;     // of one element, or of a block
  uint64_t elements;  // of a block
};
constexpr std::array<ScalarInfo, 9> kScalars = {{{"bool", 1, 1},
                                                 {"i32", 4, 1},
                                                 {"i64", 8, 1},
                                                 {"f16", 2, 1},
                                                 {"bf16", 2, 1},
                                                 {"f32", 4, 1},
                                                 {"f64", 8, 1},
                                                 {"q8", 34, kBlockElements},
                                                 {"q4", 18, kBlockElements}}};

}  // namespace

uint64_t ElementCount(const ProgramType& type) {
  uint64_t count = 1;
  for (const uint64_t size : type.shape) count *= size;
  return count;
}

uint64_t ByteSize(const ProgramType& type) {
  const ScalarInfo& info = kScalars[static_cast<size_t>(type.scalar)];
  return (ElementCount(type) + info.elements - 1) / info.elements * info.bytes;
}

std::string_view ScalarName(Scalar scalar) { return kScalars[static_cast<size_t>(scalar)].name; }

std::optional<Scalar> ScalarOf(std::string_view name) {
  for (size_t i = 0; i < kScalars.size(); ++i) {
    if (kScalars[i].name == name) return static_cast<Scalar>(i);
  }
  return std::nullopt;
}

std::string TypeText(const ProgramType& type) {
  if (type.shape.empty()) return std::string(ScalarName(type.scalar));
  return fmt::format("{}[{}]", ScalarName(type.scalar), fmt::join(type.shape, ", "));
}

void CodeStore::MakeRoom(size_t nodes) {
  constexpr size_t kBlockNodes = 4096;
  if (!blocks_.empty() && blocks_.back().capacity() - blocks_.back().size() >= nodes) return;
  std::vector<ExprNode> block;
  block.reserve(std::max(kBlockNodes, 2 * (size_ + nodes)));
  if (size_ != 0) {
    std::vector<ExprNode>& last = blocks_.back();
    block.assign(std::make_move_iterator(last.end() - static_cast<ptrdiff_t>(size_)),
                 std::make_move_iterator(last.end()));
    last.resize(last.size() - size_);
  }
  blocks_.push_back(std::move(block));
  open_ = blocks_.back().data();
}

void CodeStore::Begin() {
  MakeRoom(0);
  if (size_ != 0) blocks_.back().resize(blocks_.back().size() - size_);
  size_ = 0;
  open_ = blocks_.back().data() + blocks_.back().size();
}

ExprNode& CodeStore::Add() {
  std::vector<ExprNode>& block = blocks_.back();
  ++size_;
  if (block.size() < block.capacity()) return block.emplace_back();
  --size_;
  MakeRoom(1);
  ++size_;
  return blocks_.back().emplace_back();
}

std::span<const ExprNode> CodeStore::Keep() { return {open_, std::exchange(size_, 0)}; }

std::span<const ExprNode> CodeStore::Keep(std::span<ExprNode> nodes) {
  Begin();
  for (ExprNode& node : nodes) Add() = std::move(node);
  return Keep();
}

std::vector<EvalId> Program::EvalsOf(ScopeId scope) const {
  std::vector<EvalId> out;
  for (size_t i = 0; i < evals.size(); ++i) {
    if (evals[i].scope == scope) out.push_back(EvalId(i));
  }
  return out;
}

}  // namespace tinyai
