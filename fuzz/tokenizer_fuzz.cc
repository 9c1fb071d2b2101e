// Random text through a tokenizer of each kind, and random vocabularies through the readers. The
// first byte chooses: below 128 the rest is text for one of the tokenizers, else it is a
// vocabulary.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/escape.h"
#include "format/gguf_writer.h"
#include "format/memory_source.h"
#include "format/model_file.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

using namespace tinyai;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

struct Words {
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<int32_t> types;
  void Add(std::string token, int32_t type) {
    scores.push_back(-static_cast<float>(tokens.size()));
    tokens.push_back(std::move(token));
    types.push_back(type);
  }
};

Result<std::unique_ptr<Tokenizer>> Make(const Words& words, std::string_view kind,
                                        std::string_view pre) {
  GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  writer.AddString("tokenizer.ggml.model", kind);
  writer.AddString("tokenizer.ggml.pre", pre);
  writer.AddBool("tokenizer.ggml.add_bos_token", false);
  writer.AddStrings("tokenizer.ggml.tokens", words.tokens);
  writer.AddStrings("tokenizer.ggml.merges", words.merges);
  writer.AddNumbers<float>("tokenizer.ggml.scores", MetaType::kF32, words.scores);
  writer.AddNumbers<int32_t>("tokenizer.ggml.token_type", MetaType::kI32, words.types);
  const std::vector<std::byte> file = writer.Header();
  const OpenSource open = [](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    return FailAt(ErrorCode::kIo, "OPEN", "no such file", path);
  };
  std::vector<std::unique_ptr<ByteSource>> parts;
  TRY_ASSIGN(const ModelFile model,
             ReadGguf(std::make_unique<MemorySource>("fuzz.gguf", file), open, parts));
  return Tokenizer::FromMetadata(model.metadata, words.tokens.size());
}

std::unique_ptr<Tokenizer> MakeSpm(std::string_view kind) {
  Words words;
  words.Add("<unk>", 2);
  words.Add("<s>", 3);
  words.Add("</s>", 3);
  for (int byte = 0; byte < 256; ++byte) {
    char spelling[8];
    std::snprintf(spelling, sizeof(spelling), "<0x%02X>", static_cast<unsigned>(byte));
    words.Add(spelling, 6);
  }
  for (const char* token : {"▁", "a", "b", "ab", "▁a", "▁▁", "aa", "é", "😀", "[u]", "b▁a"}) {
    words.Add(token, token[0] == '[' ? 4 : 1);
  }
  return Make(words, kind, "").value();
}

std::unique_ptr<Tokenizer> MakeBpe(std::string_view pre) {
  Words words;
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelling;
    AppendUtf8(SpellingOfByte(static_cast<uint8_t>(byte)), spelling);
    words.Add(spelling, 1);
  }
  for (const std::string merge : {"a b", "Ġ a", "Ġa b", "a a", "aa aa", "1 2", "Ã ©", "' s"}) {
    const size_t space = merge.find(' ');
    words.merges.push_back(merge);
    words.Add(merge.substr(0, space) + merge.substr(space + 1), 1);
  }
  words.Add("<s>", 3);
  words.Add("[u]", 4);
  return Make(words, "gpt2", pre).value();
}

const std::vector<std::unique_ptr<Tokenizer>>& Tokenizers() {
  static const auto* const kTokenizers = [] {
    auto* made = new std::vector<std::unique_ptr<Tokenizer>>;
    made->push_back(MakeSpm("llama"));
    for (const char* pre :
         {"default",    "gpt-2",      "llama-bpe",    "qwen2",          "qwen35",
          "starcoder",  "falcon",     "deepseek-llm", "deepseek-coder", "deepseek-v3",
          "youtu",      "bloom",      "viking",       "tekken",         "gpt-4o",
          "bailingmoe", "seed-coder", "exaone-moe",   "minicpm5",       "chameleon"}) {
      made->push_back(MakeBpe(pre));
    }
    made->push_back(MakeSpm("t5"));
    return made;
  }();
  return *kTokenizers;
}

void FuzzText(uint8_t choice, std::string_view text) {
  const Tokenizer& tokenizer = *Tokenizers()[choice % Tokenizers().size()];
  EncodeOptions options;
  options.parse_special = choice >= 64;
  const auto tokens = tokenizer.Encode(text, options);
  Require(tokens.has_value(), "every text has tokens");
  TextStream stream;
  std::string streamed;
  for (const TokenId token : *tokens) {
    Require(token >= 0 && static_cast<uint64_t>(token) < tokenizer.size(), "tokens exist");
    const std::string shown = stream.Push(tokenizer.Bytes(token, true));
    Require(IsUtf8(shown), "a stream shows valid text");
    streamed += shown;
  }
  streamed += stream.Finish();
  if (tokenizer.kind() == "gpt2") {
    Require(tokenizer.Decode(*tokens, true) == ToBpeText(text), "decoding gives the text back");
    Require(streamed == ToBpeText(text), "so does streaming");
  }
}

// Lines: tokens, after an empty line merges. The first byte of a token chooses its type.
void FuzzVocabulary(uint8_t choice, std::string_view data) {
  Words words;
  bool in_merges = false;
  while (!data.empty()) {
    const std::string_view line = data.substr(0, data.find('\n'));
    data.remove_prefix(std::min(data.size(), line.size() + 1));
    if (line.empty()) {
      in_merges = true;
    } else if (in_merges) {
      words.merges.emplace_back(line);
    } else {
      words.Add(std::string(line.substr(1)), static_cast<uint8_t>(line[0]) % 8);
    }
  }
  constexpr std::string_view kKinds[] = {"llama", "gpt2", "t5"};
  const auto tokenizer = Make(words, kKinds[choice % 3], "gpt-2");
  if (!tokenizer) return;
  for (size_t i = 0; i < words.tokens.size(); ++i) {
    const TokenId id = static_cast<TokenId>(i);
    Require((*tokenizer)->Piece(id) == words.tokens[i], "spellings are kept");
    (*tokenizer)->Bytes(id, true);
    EncodeOptions options;
    options.parse_special = true;
    Require((*tokenizer)->Encode(words.tokens[i], options).has_value(), "tokens can be encoded");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] < 128) {
    FuzzText(data[0], rest);
  } else {
    FuzzVocabulary(data[0], rest);
  }
  return 0;
}
