// What a tokenizer holds and what it costs, counted by an allocator that only this program has.

#include <atomic>

#include <cstdlib>
#include <ctime>
#include <new>
#include <random>
#include <unordered_map>

#include "gtest/gtest.h"
#include "text/text_test_support.h"

namespace {

std::atomic<int64_t> held_bytes{0};
std::atomic<int64_t> peak_bytes{0};
constexpr size_t kHeader = 16;  // keeps the alignment of malloc

}  // namespace

// Not inlined: the compiler would see through the header before the block.
[[gnu::noinline]] void* operator new(size_t size) {
  auto* block = static_cast<size_t*>(std::malloc(size + kHeader));
  if (block == nullptr) std::abort();
  *block = size;
  const int64_t now = held_bytes += static_cast<int64_t>(size);
  int64_t peak = peak_bytes;
  while (peak < now && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
  return reinterpret_cast<char*>(block) + kHeader;
}
[[gnu::noinline]] void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  auto* block = reinterpret_cast<size_t*>(static_cast<char*>(pointer) - kHeader);
  held_bytes -= static_cast<int64_t>(*block);
  std::free(block);
}
[[gnu::noinline]] void operator delete(void* pointer, size_t) noexcept { operator delete(pointer); }

namespace tinyai {
namespace {

// Of the processor's time, so that other programs do not count.
double Seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// A byte-level vocabulary of the size of today's large ones: each token but the bytes joins two
// earlier ones, and some are reached in a second way.
TestVocabulary LargeBpe(size_t tokens, size_t merges) {
  TestVocabulary words = TestVocabulary::Bpe();
  std::mt19937_64 random(1);
  std::unordered_map<std::string, bool> known;
  while (words.tokens.size() < tokens) {
    const auto pick = [&] {  // mostly short ones
      return words.tokens[random() % (random() % 4 == 0 ? words.tokens.size() : 2000) %
                          words.tokens.size()];
    };
    const std::string left = pick(), right = pick();
    if (left.size() + right.size() > 16 || !known.emplace(left + right, true).second) continue;
    words.AddMerge(left, right);
  }
  while (words.merges.size() < merges) {
    const std::string& token = words.tokens[256 + random() % (tokens - 256)];
    size_t cut = 1 + random() % (token.size() - 1);
    while (cut < token.size() && (token[cut] & 0xC0) == 0x80) ++cut;
    if (cut < token.size()) words.merges.push_back(token.substr(0, cut) + " " + token.substr(cut));
  }
  return words;
}

struct Opened {
  std::unique_ptr<Tokenizer> tokenizer;
  int64_t held;  // bytes, as the allocator counts them
};

Opened Open(const Metadata& metadata, uint64_t rows) {
  const int64_t before = held_bytes;
  std::unique_ptr<Tokenizer> tokenizer = Tokenizer::FromMetadata(metadata, rows).value();
  const int64_t held = held_bytes - before;
  return {std::move(tokenizer), held};
}

TEST(TokenizerMemory, IsWhatTheAllocatorCounts) {
  TestVocabulary spm = TestVocabulary::Spm();
  for (const char* token : {"▁", "a", "b", "▁a", "ab", "a", ""}) spm.Add(token);
  const Opened first = Open(MetadataOf(spm.Writer("llama")), spm.tokens.size());
  EXPECT_EQ(first.held, static_cast<int64_t>(first.tokenizer->memory_bytes()));
  TestVocabulary bpe = TestVocabulary::Bpe();
  bpe.AddMerge("a", "b");
  bpe.Add("<s>", kControlType);
  bpe.merges.push_back("no such");
  // The compiled patterns come from malloc, so the counter does not see them.
  const Opened second = Open(MetadataOf(bpe.Writer("gpt2", "gpt-2")), bpe.tokens.size());
  EXPECT_LE(second.held, static_cast<int64_t>(second.tokenizer->memory_bytes()));
  EXPECT_GE(second.held + 4096, static_cast<int64_t>(second.tokenizer->memory_bytes()));
}

TEST(TokenizerMemory, ALargeVocabularyOpensInASecondAndHoldsLittle) {
  const TestVocabulary words = LargeBpe(151'000, 280'000);
  const Metadata metadata = MetadataOf(words.Writer("gpt2", "qwen2"));
  peak_bytes = held_bytes.load();
  const int64_t before = held_bytes;
  const double start = Seconds();
  const auto [tokenizer, held] = Open(metadata, words.tokens.size());
  const double seconds = Seconds() - start;
  const int64_t peak = peak_bytes - before;
  RecordProperty("open_ms", static_cast<int>(seconds * 1000));
  RecordProperty("held_bytes", static_cast<int>(held));
  RecordProperty("peak_bytes", static_cast<int>(peak));
  std::printf("open %.0f ms, holds %.2f MB, peak %.2f MB\n", seconds * 1e3, 1e-6 * double(held),
              1e-6 * double(peak));
  EXPECT_LT(seconds, 1.0);
  EXPECT_LT(held, 24 << 20);
  EXPECT_LT(peak, 32 << 20);
  EXPECT_NEAR(static_cast<double>(held), static_cast<double>(tokenizer->memory_bytes()), 8192);
}

// Sixteen times the text takes sixteen times as long, and 256 times where a step is quadratic; 100
// leaves room for a busy machine, and so does a second try.
void ExpectLinear(const Tokenizer& tokenizer, std::string_view what, std::string_view unit) {
  const auto seconds_for = [&](size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += unit;
    const double start = Seconds();
    EXPECT_FALSE(Tokens(tokenizer, text, true).empty());
    return Seconds() - start;
  };
  const double small = std::max(seconds_for(16'000), 0.001);
  double large = seconds_for(256'000);
  if (large > 100 * small) large = seconds_for(256'000);
  EXPECT_LT(large, 100 * small) << what;
}

// The rate that one prompt needs: a second for 1 MB. Without spaces, 10 MB are one word.
TEST(TokenizerMemory, EncodesAMegabyteInASecond) {
  const TestVocabulary words = LargeBpe(151'000, 280'000);
  const auto tokenizer = words.Make("gpt2", "qwen2");
  std::mt19937_64 random(2);
  std::string prose;
  while (prose.size() < 1'000'000) {
    prose += ' ';
    for (uint64_t i = 1 + random() % 8; i > 0; --i) prose += static_cast<char>('a' + random() % 26);
  }
  const double start = Seconds();
  const size_t tokens = Tokens(*tokenizer, prose).size();
  const double seconds = Seconds() - start;
  std::printf("1 MB of words: %.0f ms, %zu tokens\n", seconds * 1e3, tokens);
  EXPECT_LT(seconds, 1.0);
  const double long_start = Seconds();
  EXPECT_FALSE(Tokens(*tokenizer, std::string(10'000'000, 'a')).empty());
  std::printf("10 MB without a space: %.0f ms\n", (Seconds() - long_start) * 1e3);
  EXPECT_LT(Seconds() - long_start, 20.0);
}

TEST(TokenizerMemory, EncodesEveryTextInLinearTime) {
  const TestVocabulary words = LargeBpe(5'000, 6'000);
  TestVocabulary spm = TestVocabulary::Spm();
  for (const char* token : {"▁", "a", "aa", "aaaa", "aaaaaaaa", "▁▁", "▁▁▁▁", "▁a", "😀😀"}) {
    spm.Add(token, kNormalType, -static_cast<float>(spm.tokens.size()));
  }
  std::vector<std::pair<std::string, std::unique_ptr<Tokenizer>>> tokenizers;
  tokenizers.emplace_back("spm", spm.Make("llama"));
  for (const char* pre : {"default", "gpt-2", "llama3", "qwen2", "tekken", "gpt-4o", "deepseek-llm",
                          "deepseek-coder", "deepseek-v3", "falcon", "bloom", "exaone-moe"}) {
    GgufWriter writer = words.Writer("gpt2", pre);
    writer.AddU32("tokenizer.ggml.bos_token_id", 0);
    tokenizers.emplace_back(pre, TokenizerOf(writer, words.tokens.size()).value());
  }
  for (const auto& [name, tokenizer] : tokenizers) {
    for (const char* unit : {"a", "😀", " ", "\n", " \n", "1", "!", "<", "A", "Aé", "中", "e\u0301",
                             "the king ", "'s", "\xFF", "\t\r\n x"}) {
      ExpectLinear(*tokenizer, name + " of " + unit, unit);
    }
  }
}

}  // namespace
}  // namespace tinyai
