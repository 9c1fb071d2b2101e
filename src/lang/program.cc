#include "lang/program.h"

#include <algorithm>
#include <array>
#include <iterator>

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

std::span<const ExprNode> CodeStore::Keep(std::span<ExprNode> nodes) {
  constexpr size_t kBlockNodes = 4096;
  if (blocks_.empty() || blocks_.back().capacity() - blocks_.back().size() < nodes.size()) {
    blocks_.emplace_back().reserve(std::max(kBlockNodes, nodes.size()));
  }
  std::vector<ExprNode>& block = blocks_.back();
  block.insert(block.end(), std::make_move_iterator(nodes.begin()),
               std::make_move_iterator(nodes.end()));
  return std::span(block).last(nodes.size());
}

std::vector<EvalId> Program::EvalsOf(ScopeId scope) const {
  std::vector<EvalId> out;
  for (size_t i = 0; i < evals.size(); ++i) {
    if (evals[i].scope == scope) out.push_back(EvalId(i));
  }
  return out;
}

}  // namespace tinyai
