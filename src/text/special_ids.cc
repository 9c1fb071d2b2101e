#include "text/special_ids.h"

#include <algorithm>
#include <span>

#include "fmt/format.h"

namespace tinyai {
namespace {

// Names that end generation, in the families that use them.
constexpr std::string_view kEndNames[] = {
    "<|eot_id|>",    "<|im_end|>",
    "<|end|>",       "<|return|>",
    "<|call|>",      "<|flush|>",
    "<|calls|>",     "<end_of_turn>",
    "<|endoftext|>", "</s>",
    "<|eom_id|>",    "<EOT>",
    "_<EOT>",        "[EOT]",
    "[EOS]",         "<|end_of_text|>",
    "<eos>",         "<end_of_utterance>",
    "<turn|>",       "<|tool_response>",
    "[e~[",          "<｜end▁of▁sentence｜>",
};

// Fill-in-the-middle tokens: the keys that may name one, the spellings it has otherwise, and
// whether it ends generation.
struct FillRole {
  std::span<const std::string_view> keys;
  std::span<const std::string_view> names;
  bool ends;
};
constexpr std::string_view kPrefixKeys[] = {"fim_pre_token_id", "prefix_token_id"};
constexpr std::string_view kPrefixNames[] = {"<|fim_prefix|>",  "<fim-prefix>", "<fim_prefix>",
                                             "<｜fim▁begin｜>", "<PRE>",        "▁<PRE>",
                                             "<|code_prefix|>", "<|prefix|>"};
constexpr std::string_view kSuffixKeys[] = {"fim_suf_token_id", "suffix_token_id"};
constexpr std::string_view kSuffixNames[] = {"<|fim_suffix|>",  "<fim-suffix>", "<fim_suffix>",
                                             "<｜fim▁hole｜>",  "<SUF>",        "▁<SUF>",
                                             "<|code_suffix|>", "<|suffix|>"};
constexpr std::string_view kMiddleKeys[] = {"fim_mid_token_id", "middle_token_id"};
constexpr std::string_view kMiddleNames[] = {"<|fim_middle|>",  "<fim-middle>", "<fim_middle>",
                                             "<｜fim▁end｜>",   "<MID>",        "▁<MID>",
                                             "<|code_middle|>", "<|middle|>"};
constexpr std::string_view kPadKeys[] = {"fim_pad_token_id"};
constexpr std::string_view kPadNames[] = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>",
                                          "[PAD]"};
constexpr std::string_view kRepoKeys[] = {"fim_rep_token_id"};
constexpr std::string_view kRepoNames[] = {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
                                           "<reponame>"};
constexpr std::string_view kFileKeys[] = {"fim_sep_token_id"};
constexpr std::string_view kFileNames[] = {"<|file_sep|>"};
constexpr FillRole kFillRoles[] = {
    {kPrefixKeys, kPrefixNames, false}, {kSuffixKeys, kSuffixNames, false},
    {kMiddleKeys, kMiddleNames, false}, {kPadKeys, kPadNames, true},
    {kRepoKeys, kRepoNames, true},      {kFileKeys, kFileNames, true},
};

// Ids that we do not use, but a file that names one which is no token is damaged.
constexpr std::string_view kOtherKeys[] = {"seperator_token_id", "padding_token_id",
                                           "mask_token_id", "cls_token_id"};

// Names of markers that are shown, whatever the file says of them.
constexpr std::string_view kShownNames[] = {"<|channel|>", "<|message|>", "<|start|>",
                                            "<|constrain|>"};

Result<std::optional<TokenId>> ReadId(const Metadata& metadata, std::string_view name,
                                      const Vocabulary& vocabulary) {
  const std::string key = fmt::format("tokenizer.ggml.{}", name);
  Result<std::optional<uint64_t>> id = metadata.OptionalUint(key);
  if (!id) {
    Error error = std::move(id).error();
    error.key = "MODEL_SPECIAL_TOKEN";
    return tl::unexpected<Error>(std::move(error));
  }
  if (!*id) return std::nullopt;
  if (**id >= vocabulary.size()) {
    return Fail(ErrorCode::kBadFile, "MODEL_SPECIAL_TOKEN",
                fmt::format("{} is {}, but there are {} tokens", key, **id, vocabulary.size()));
  }
  return static_cast<TokenId>(**id);
}

void AddTraits(Vocabulary& vocabulary, TokenId id, uint8_t traits) {
  vocabulary.SetTraits(id, vocabulary.traits(id) | traits);
}

// The id that one of the role's keys gives, else the token with one of its names, which is then a
// control token.
Status ReadFillRole(const Metadata& metadata, const FillRole& role, TokenizerData& data) {
  std::optional<TokenId> id;
  for (const std::string_view key : role.keys) {
    TRY_ASSIGN(const std::optional<TokenId> named, ReadId(metadata, key, data.vocabulary));
    if (named) id = named;
  }
  for (const std::string_view name : role.names) {
    if (id) break;
    id = data.vocabulary.Find(name);
    if (id) AddTraits(data.vocabulary, *id, kTokenControl);
  }
  if (id && role.ends) data.ends.push_back(*id);
  return {};
}

void EraseEnd(TokenizerData& data, TokenId id) {
  data.ends.erase(std::remove(data.ends.begin(), data.ends.end(), id), data.ends.end());
}

// Adds the tokens that end generation by their names, with the exceptions that families make.
void FindEnds(TokenizerData& data) {
  Vocabulary& vocabulary = data.vocabulary;
  for (const std::string_view name : kEndNames) {
    if (const std::optional<TokenId> id = vocabulary.Find(name)) {
      data.ends.push_back(*id);
      AddTraits(vocabulary, *id, kTokenControl);
    }
  }
  for (const std::string_view name : kShownNames) {
    if (const auto id = vocabulary.Find(name)) vocabulary.SetTraits(*id, kTokenUserDefined);
  }
  const auto has = [&](std::string_view name) { return vocabulary.Find(name).has_value(); };
  // Where messages end with <|return|>, <|end|> only ends a part of the answer.
  const auto end = vocabulary.Find("<|end|>");
  const bool has_call = has("<|call|>") || has("<|calls|>");
  if (end && has_call && (has("<|return|>") || has("<|flush|>"))) {
    EraseEnd(data, *end);
    vocabulary.SetTraits(*end, kTokenUserDefined);
  }
  const auto sentence_end = vocabulary.Find("</s>");
  if (sentence_end && has("<|tool_response>")) {
    EraseEnd(data, *sentence_end);
    vocabulary.SetTraits(*sentence_end, kTokenNormal);
  }
}

// Which special tokens swallow the white space around them; files do not say, so the model's name
// has to.
Status FindStripping(const Metadata& metadata, TokenizerData& data) {
  TRY_ASSIGN(const auto name, metadata.OptionalString("general.name"));
  TRY_ASSIGN(const auto pre, metadata.OptionalString("tokenizer.ggml.pre"));
  std::string lower(name.value_or("").substr(0, 1024));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const auto named = [&](std::string_view part) { return lower.find(part) != std::string::npos; };
  Vocabulary& vocabulary = data.vocabulary;
  if (pre.value_or("").starts_with("jina-v2-")) {
    if (const auto mask = vocabulary.Find("<mask>")) AddTraits(vocabulary, *mask, kTokenStripLeft);
  } else if (named("phi-3") || named("phi3")) {
    constexpr uint8_t kSpecial = kTokenControl | kTokenUserDefined | kTokenUnknown;
    for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.size()); ++id) {
      const std::string_view spelling = vocabulary.Spelling(id);
      const bool keeps = spelling == "<unk>" || spelling == "<s>" || spelling == "<|endoftext|>";
      if (vocabulary.Is(id, kSpecial) && !keeps) AddTraits(vocabulary, id, kTokenStripRight);
    }
  } else if (named("modern-bert")) {
    if (const auto mask = vocabulary.Find("[MASK]")) AddTraits(vocabulary, *mask, kTokenStripLeft);
  }
  return {};
}

Status ReadSwitch(const Metadata& metadata, std::string_view name, bool& value) {
  TRY_ASSIGN(const std::optional<bool> stated,
             metadata.OptionalBool(fmt::format("tokenizer.ggml.{}", name)));
  if (stated) value = *stated;
  return {};
}

Status CheckNeeded(bool needed, const std::optional<TokenId>& id, std::string_view name) {
  if (!needed || id) return {};
  return Fail(ErrorCode::kBadFile, "MODEL_SPECIAL_TOKEN",
              fmt::format("tokenizer.ggml.add_{0}_token is true, but there is no {0} token", name));
}

}  // namespace

Status ReadSpecialIds(const Metadata& metadata, const SpecialDefaults& defaults,
                      TokenizerData& data) {
  const auto read = [&](std::string_view name, std::optional<TokenId> otherwise,
                        std::optional<TokenId>& id) -> Status {
    TRY_ASSIGN(id, ReadId(metadata, name, data.vocabulary));
    if (!id && otherwise && data.vocabulary.Has(*otherwise)) id = otherwise;
    return {};
  };
  std::optional<TokenId> end_of_turn;
  std::optional<TokenId> end_of_message;
  std::optional<TokenId> unused;
  TRY(read("bos_token_id", defaults.bos, data.bos));
  TRY(read("eos_token_id", defaults.eos, data.eos));
  TRY(read("unknown_token_id", defaults.unknown, data.unknown));
  TRY(read("eot_token_id", std::nullopt, end_of_turn));
  TRY(read("eom_token_id", std::nullopt, end_of_message));
  for (const std::string_view key : kOtherKeys) TRY(read(key, std::nullopt, unused));
  for (const FillRole& role : kFillRoles) TRY(ReadFillRole(metadata, role, data));
  FindEnds(data);
  for (const auto& id : {data.eos, end_of_turn, end_of_message}) {
    if (id) data.ends.push_back(*id);
  }
  std::sort(data.ends.begin(), data.ends.end());
  data.ends.erase(std::unique(data.ends.begin(), data.ends.end()), data.ends.end());
  data.ends.shrink_to_fit();
  TRY(FindStripping(metadata, data));
  data.add_bos = defaults.add_bos;
  data.add_eos = defaults.add_eos;
  data.add_space_prefix = defaults.add_space_prefix;
  TRY(ReadSwitch(metadata, "add_bos_token", data.add_bos));
  TRY(ReadSwitch(metadata, "add_eos_token", data.add_eos));
  TRY(ReadSwitch(metadata, "add_space_prefix", data.add_space_prefix));
  TRY(CheckNeeded(data.add_bos, data.bos, "bos"));
  return CheckNeeded(data.add_eos, data.eos, "eos");
}

}  // namespace tinyai
