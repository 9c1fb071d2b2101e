#include "text/bpe_tokenizer.h"

#include <algorithm>
#include <functional>

#include "fmt/format.h"
#include "text/byte_alphabet.h"
#include "text/newer_characters.h"
#include "text/utf8.h"

namespace tinyai {
namespace {

// Merges the tokens of one word after the other; its memory is used again.
class Merger {
 public:
  explicit Merger(const MergeTable& merges) : merges_(merges) {}

  void Add(TokenId token) {
    const uint32_t i = static_cast<uint32_t>(symbols_.size());
    symbols_.push_back({token, i - 1, i + 1});
  }

  // Merges what was added and appends the result to `out`.
  void Run(std::vector<TokenId>& out) {
    if (symbols_.empty()) return;
    symbols_.back().next = kNone;
    for (uint32_t i = 0; i + 1 < symbols_.size(); ++i) Propose(i);
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
      const uint64_t first = queue_.back();
      queue_.pop_back();
      Merge(static_cast<uint32_t>(first >> 32), static_cast<uint32_t>(first));
    }
    for (uint32_t i = 0; i != kNone; i = symbols_[i].next) out.push_back(symbols_[i].token);
    symbols_.clear();
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr TokenId kGone = -1;

  struct Symbol {
    TokenId token;  // kGone: merged into the one before
    uint32_t previous;
    uint32_t next;
  };

  void Propose(uint32_t left) {
    const Symbol& symbol = symbols_[left];
    if (symbol.next == kNone) return;
    const std::optional<uint32_t> rank = merges_.Rank(symbol.token, symbols_[symbol.next].token);
    if (!rank) return;
    queue_.push_back(static_cast<uint64_t>(*rank) << 32 | left);
    std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
  }

  void Merge(uint32_t rank, uint32_t i) {
    const MergeTable::Merge& merge = merges_.at(rank);
    Symbol& left = symbols_[i];
    if (left.token != merge.left || left.next == kNone) return;  // changed since it was queued
    Symbol& right = symbols_[left.next];
    if (right.token != merge.right) return;
    left.token = merge.merged;
    right.token = kGone;
    left.next = right.next;
    if (left.next != kNone) symbols_[left.next].previous = i;
    if (left.previous != kNone) Propose(left.previous);
    Propose(i);
  }

  const MergeTable& merges_;
  std::vector<Symbol> symbols_;
  std::vector<uint64_t> queue_;  // rank in the upper half, index of the left symbol in the lower
};

}  // namespace

Result<std::unique_ptr<BpeTokenizer>> BpeTokenizer::Make(TokenizerData data, MergeTable merges,
                                                         const PreTokenizer& pre) {
  TRY_ASSIGN(PatternSplitter splitter, PatternSplitter::Compile(pre.patterns));
  return std::unique_ptr<BpeTokenizer>(
      new BpeTokenizer(std::move(data), std::move(merges), std::move(splitter), pre.ignore_merges));
}

BpeTokenizer::BpeTokenizer(TokenizerData data, MergeTable merges, PatternSplitter splitter,
                           bool ignore_merges)
    : VocabularyTokenizer(std::move(data)),
      merges_(std::move(merges)),
      splitter_(std::move(splitter)),
      ignore_merges_(ignore_merges) {
  size_t missing = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string spelling;
    AppendUtf8(SpellingOfByte(static_cast<uint8_t>(byte)), spelling);
    const std::optional<TokenId> token = vocabulary().Find(spelling);
    if (!token) ++missing;
    byte_tokens_[byte] = token.value_or(-1);
  }
  if (missing > 0) {
    Warn(fmt::format("{} byte values have no token: they are lost in encoding", missing));
  }
  ShrinkWarnings();
}

Status BpeTokenizer::EncodeText(std::string_view text, bool, std::vector<TokenId>& out) const {
  const std::string valid = ToBpeText(text);
  const std::optional<std::string> older = WithOlderCharacters(valid);
  TRY_ASSIGN(const std::vector<uint32_t> ends, splitter_.Split(older ? *older : valid));
  Merger merger(merges_);
  std::string spelled;
  uint32_t begin = 0;
  for (const uint32_t end : ends) {
    const std::string_view word = std::string_view(valid).substr(begin, end - begin);
    begin = end;
    if (ignore_merges_ && word.size() <= vocabulary().longest()) {
      spelled.clear();
      AppendSpelled(word, spelled);
      if (const std::optional<TokenId> token = vocabulary().Find(spelled)) {
        out.push_back(*token);
        continue;
      }
    }
    for (const char byte : word) {
      const TokenId token = byte_tokens_[static_cast<uint8_t>(byte)];
      if (token >= 0) {
        merger.Add(token);
      } else {
        merger.Run(out);  // nothing is merged across a byte that is lost
      }
    }
    merger.Run(out);
  }
  return {};
}

std::string BpeTokenizer::NormalBytes(std::string_view spelling) const {
  std::string bytes;
  AppendUnspelled(spelling, bytes);
  return bytes;
}

}  // namespace tinyai
