#include "make_model/vocabulary.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/escape.h"
#include "fmt/format.h"
#include "make_model/random.h"

namespace tinyai::testing_models {
namespace {

constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6;

// What the pieces are learned from: words, numbers, white space, code and several scripts.
constexpr std::string_view kSample =
    "The quick brown fox jumps over the lazy dog. She said: \"I don't know, we'll see what they've "
    "done; he's there and you're here!\" In 2023, 1,234,567 people paid $3.14 for 100% of it.\n\n"
    "    for (int i = 0; i < 10; ++i) {\n\t\treturn x[i] != y[i] && z == nullptr;\n    }\n"
    "def main(args):\n    print('hello world', 42, 0x1F)\n\n"
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Größe, Straße, Übung.\n"
    "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter. À l'été, où êtes-vous ?\n"
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia; ¿qué pasó? ¡Año nuevo!\n"
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Привет, мир!\n"
    "我们今天去学校学习中文。你好,世界! 日本語の文章です。こんにちは世界 カタカナ 한국어 "
    "문장입니다.\n"
    // Which place a line of these characters ends at differs between runs of clang-format.
    // clang-format off
    "مرحبا بالعالم ١٢٣ עברית हिन्दी में नमस्ते ไทย 👍🏽 😀😀 👨‍👩‍👧 🇩🇪 ½ ² ™ … — “quoted” "
    "‘it’s’\n"
    // clang-format on
    "the then there these other another together mother weather whether  and  land   hand\n";

std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t length = std::max<size_t>(1, Utf8SequenceLength(text));
    out.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::string Utf8(uint32_t code) {  // up to U+07FF
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

// GPT-2's spelling of bytes: printable Latin-1 stands for itself, the others for U+0100 and up in
// order of the bytes.
std::string ByteSpelling(uint8_t byte) {
  const auto printable = [](uint32_t b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
  };
  if (printable(byte)) return Utf8(byte);
  uint32_t rank = 0;
  for (uint32_t b = 0; b < byte; ++b) rank += !printable(b);
  return Utf8(0x100 + rank);
}

// Words as lists of pieces: each starts with the white space before it.
std::vector<std::vector<std::string>> Words(std::string_view text, bool as_bytes) {
  std::vector<std::vector<std::string>> words(1);
  bool after_space = true;
  for (const std::string& character : Characters(text)) {
    const bool space = character == " " || character == "\n" || character == "\t";
    if (space && !after_space) words.emplace_back();
    after_space = space;
    if (!as_bytes) {
      words.back().push_back(character == " " ? "\u2581" : character);
      continue;
    }
    for (const char c : character) words.back().push_back(ByteSpelling(static_cast<uint8_t>(c)));
  }
  return words;
}

using Pair = std::pair<std::string, std::string>;

// The most frequent neighbours, first in order of spelling among equals; empty if none is left.
Pair MostFrequent(const std::vector<std::vector<std::string>>& words) {
  std::map<Pair, int> counts;
  for (const std::vector<std::string>& word : words) {
    for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
  }
  Pair best;
  int most = 0;
  for (const auto& [pair, count] : counts) {
    if (count > most && pair.first.size() + pair.second.size() <= 24) {
      most = count;
      best = pair;
    }
  }
  return best;
}

void Merge(const Pair& pair, std::vector<std::vector<std::string>>& words) {
  for (std::vector<std::string>& word : words) {
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      if (word[i] != pair.first || word[i + 1] != pair.second) continue;
      word[i] += word[i + 1];
      word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }
}

// `count` merges of two earlier pieces each, best first: learned from the sample, then at random.
// `pieces` holds the pieces there are and grows by the new ones.
std::vector<Pair> LearnMerges(size_t count, bool as_bytes, Random& random,
                              std::vector<std::string>& pieces) {
  std::vector<std::vector<std::string>> words = Words(kSample, as_bytes);
  std::set<std::string> known(pieces.begin(), pieces.end());
  std::vector<Pair> merges;
  bool learning = true;
  while (merges.size() < count) {
    Pair pair;
    if (learning) pair = MostFrequent(words);
    learning = learning && !pair.first.empty();
    if (learning) {
      Merge(pair, words);
    } else {
      pair = {pieces[random.Below(pieces.size())], pieces[random.Below(pieces.size())]};
    }
    const std::string joined = pair.first + pair.second;
    const bool inner_space = joined.find("\u2581", 1) != std::string::npos && !learning;
    if (joined.size() > 24 || inner_space || !known.insert(joined).second) continue;
    pieces.push_back(joined);
    merges.push_back(pair);
  }
  return merges;
}

}  // namespace

Vocabulary MakeSpmVocabulary(uint32_t size, uint64_t seed) {
  Vocabulary out;
  out.model = "llama";
  out.bos = 1;
  out.eos = 2;
  out.add_bos = true;
  const auto add = [&out](std::string token, float score, int32_t type) {
    out.tokens.push_back(std::move(token));
    out.scores.push_back(score);
    out.types.push_back(type);
  };
  add("<unk>", 0, kUnknown);
  add("<s>", 0, kControl);
  add("</s>", 0, kControl);
  for (uint32_t byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), 0, kByte);
  add("<|user|>", 0, kUserDefined);
  add("<|end|>", 0, kControl);

  std::vector<std::string> pieces = {"\u2581"};
  std::string ascii;
  for (char c = '!'; c <= '~'; ++c) ascii += c;
  for (const std::string& c : Characters(ascii)) pieces.push_back(c);
  std::set<std::string> known(pieces.begin(), pieces.end());
  // Half of the letters of other scripts; the others must fall back to bytes.
  for (const std::string& c : Characters(kSample)) {
    const bool odd = (c.back() & 1) != 0;
    const bool room = out.tokens.size() + pieces.size() + 16 < size;
    if (c.size() > 1 && odd && room && known.insert(c).second) pieces.push_back(c);
  }
  const size_t characters = pieces.size();
  Random random(seed, "vocabulary");
  const size_t merges = size - std::min<size_t>(size, out.tokens.size() + characters);
  LearnMerges(merges, false, random, pieces);
  // Merges come first and score best in the order they were learned, single characters worst.
  float score = 0;
  for (size_t i = characters; i < pieces.size(); ++i) add(pieces[i], score--, kNormal);
  for (size_t i = 0; i < characters; ++i) add(pieces[i], score--, kNormal);
  return out;
}

Vocabulary MakeBpeVocabulary(uint32_t size, std::string_view pre, uint64_t seed) {
  static constexpr std::array kSpecial = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  Vocabulary out;
  out.model = "gpt2";
  out.pre = pre;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    out.tokens.push_back(ByteSpelling(static_cast<uint8_t>(byte)));
  }
  Random random(seed, "vocabulary");
  const size_t merges = size - std::min<size_t>(size, 256 + kSpecial.size());
  for (const auto& [left, right] : LearnMerges(merges, true, random, out.tokens)) {
    out.merges.push_back(left + " " + right);
  }
  out.types.assign(out.tokens.size(), kNormal);
  out.bos = out.eos = static_cast<uint32_t>(out.tokens.size());
  for (const char* special : kSpecial) {
    out.tokens.emplace_back(special);
    out.types.push_back(kControl);
  }
  return out;
}

void AddVocabulary(const Vocabulary& vocabulary, GgufWriter& writer) {
  writer.AddString("tokenizer.ggml.model", vocabulary.model);
  if (!vocabulary.pre.empty()) writer.AddString("tokenizer.ggml.pre", vocabulary.pre);
  writer.AddStrings("tokenizer.ggml.tokens", vocabulary.tokens);
  if (!vocabulary.scores.empty()) {
    writer.AddNumbers<float>("tokenizer.ggml.scores", MetaType::kF32, vocabulary.scores);
  }
  writer.AddNumbers<int32_t>("tokenizer.ggml.token_type", MetaType::kI32, vocabulary.types);
  if (!vocabulary.merges.empty()) writer.AddStrings("tokenizer.ggml.merges", vocabulary.merges);
  writer.AddU32("tokenizer.ggml.bos_token_id", vocabulary.bos);
  writer.AddU32("tokenizer.ggml.eos_token_id", vocabulary.eos);
  if (vocabulary.model == "llama") writer.AddU32("tokenizer.ggml.unknown_token_id", 0);
  writer.AddBool("tokenizer.ggml.add_bos_token", vocabulary.add_bos);
  writer.AddBool("tokenizer.ggml.add_eos_token", false);
}

}  // namespace tinyai::testing_models
