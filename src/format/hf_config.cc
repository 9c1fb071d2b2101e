#include "format/hf_config.h"

#include <array>
#include <cmath>
#include <numbers>

#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/limits.h"

namespace tinyai {
namespace {

struct Family {
  std::string_view class_name, model_type;
  std::string_view architecture;
};
constexpr std::array kFamilies = {
    Family{"LlamaForCausalLM", "llama", "llama"},
    Family{"MistralForCausalLM", "mistral", "llama"},
    Family{"Qwen2ForCausalLM", "qwen2", "qwen2"},
    Family{"Qwen3ForCausalLM", "qwen3", "qwen3"},
};

constexpr uint64_t kMostNumber = uint64_t{1} << 32;

std::string Found(const JsonValue* value) {
  if (value == nullptr) return "missing";
  if (value->is_object()) return "an object";
  if (value->is_array()) return "a list";
  if (const std::string* text = value->text()) return fmt::format("the text \"{}\"", Shown(*text));
  if (const bool* truth = value->truth()) return *truth ? "true" : "false";
  return fmt::format("{}", value->number().value_or(0));
}

// Typed access to the config; a key that is null is as one that is missing.
class Reader {
 public:
  Reader(const JsonValue& config, const std::string& file) : config_(config), file_(file) {}

  tl::unexpected<Error> Bad(std::string_view key, const JsonValue* value,
                            std::string_view expected) const {
    return FailAt(ErrorCode::kBadFile, "CONFIG",
                  fmt::format("{} is {}; expected {}", key, Found(value), expected), file_);
  }
  Result<std::optional<uint64_t>> OptionalWhole(std::string_view key, uint64_t least) const {
    const JsonValue* value = config_.Find(key);
    if (value == nullptr) return std::nullopt;
    const std::optional<uint64_t> number = value->whole();
    if (!number || *number < least || *number > kMostNumber) {
      return Bad(key, value, fmt::format("a whole number from {} to {}", least, kMostNumber));
    }
    return number;
  }
  Result<uint64_t> Whole(std::string_view key, uint64_t least = 1) const {
    TRY_ASSIGN(const std::optional<uint64_t> number, OptionalWhole(key, least));
    if (!number) return Bad(key, nullptr, "a whole number");
    return *number;
  }
  Result<std::optional<double>> OptionalPositive(std::string_view key) const {
    const JsonValue* value = config_.Find(key);
    if (value == nullptr) return std::nullopt;
    const std::optional<double> number = value->number();
    if (!number || !std::isfinite(*number) || *number <= 0) {
      return Bad(key, value, "a number above 0");
    }
    return number;
  }
  Result<double> Positive(std::string_view key, std::optional<double> otherwise = {}) const {
    TRY_ASSIGN(const std::optional<double> number, OptionalPositive(key));
    if (!number && !otherwise) return Bad(key, nullptr, "a number above 0");
    return number ? *number : *otherwise;
  }
  Result<bool> Switch(std::string_view key, bool otherwise) const {
    const JsonValue* value = config_.Find(key);
    if (value == nullptr) return otherwise;
    if (value->truth() == nullptr) return Bad(key, value, "true or false");
    return *value->truth();
  }
  const JsonValue* Find(std::string_view key) const { return config_.Find(key); }
  Reader Inner(const JsonValue& value) const { return Reader(value, file_); }
  tl::unexpected<Error> Unsupported(std::string_view error, std::string message) const {
    return FailAt(ErrorCode::kUnsupported, error, std::move(message), file_);
  }

 private:
  const JsonValue& config_;
  const std::string& file_;
};

std::string KnownFamilies() {
  std::string names;
  for (const Family& family : kFamilies) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", family.class_name);
  }
  return names;
}

Result<std::string_view> FindArchitecture(const Reader& config) {
  const JsonValue* const list = config.Find("architectures");
  const JsonValue* const type = config.Find("model_type");
  if (list != nullptr &&
      (!list->is_array() || list->items.empty() || list->items[0].text() == nullptr)) {
    return config.Bad("architectures", list, "a list with the name of a class");
  }
  if (type != nullptr && type->text() == nullptr) return config.Bad("model_type", type, "a text");
  if (list == nullptr && type == nullptr) return config.Bad("architectures", nullptr, "a list");
  const std::string& name = list != nullptr ? *list->items[0].text() : *type->text();
  for (const Family& family : kFamilies) {
    if (name == family.class_name || name == family.model_type) return family.architecture;
  }
  return config.Unsupported("MODEL_ARCH",
                            fmt::format("models of class '{}' are not supported; supported are {}",
                                        Shown(name), KnownFamilies()));
}

// Llama 3.1: short waves keep their frequency, long ones are divided by the factor, those between
// change smoothly.
Status Llama3Divisors(const Reader& scaling, double base, uint64_t dims, HfConfig& out) {
  TRY_ASSIGN(const double factor, scaling.Positive("factor"));
  TRY_ASSIGN(const double low, scaling.Positive("low_freq_factor"));
  TRY_ASSIGN(const double high, scaling.Positive("high_freq_factor"));
  TRY_ASSIGN(const double context, scaling.Positive("original_max_position_embeddings"));
  if (high <= low) {
    return scaling.Bad("high_freq_factor", scaling.Find("high_freq_factor"),
                       "more than low_freq_factor");
  }
  for (uint64_t i = 0; i < dims / 2; ++i) {
    const double frequency =
        std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
    const double waves = context * frequency / (2 * std::numbers::pi);
    const double smooth = (std::min(std::max(waves, low), high) - low) / (high - low);
    out.rope_divisors.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
  }
  return {};
}

Status AddYarn(const Reader& scaling, const auto& key, MetadataWriter& out) {
  TRY_ASSIGN(const double factor, scaling.Positive("factor"));
  TRY_ASSIGN(const auto context, scaling.OptionalWhole("original_max_position_embeddings", 1));
  TRY_ASSIGN(const auto attention, scaling.OptionalPositive("attention_factor"));
  TRY_ASSIGN(const auto fast, scaling.OptionalPositive("beta_fast"));
  TRY_ASSIGN(const auto slow, scaling.OptionalPositive("beta_slow"));
  out.AddString(key("rope.scaling.type"), "yarn");
  out.AddF32(key("rope.scaling.factor"), static_cast<float>(factor));
  if (context) {
    out.AddU32(key("rope.scaling.original_context_length"), static_cast<uint32_t>(*context));
  }
  if (attention) {  // there it is the whole factor, here what comes on top of the usual one
    out.AddF32(key("rope.scaling.attn_factor"),
               static_cast<float>(*attention / (1 + 0.1 * std::log(std::max(1.0, factor)))));
  }
  if (fast) out.AddF32(key("rope.scaling.yarn_beta_fast"), static_cast<float>(*fast));
  if (slow) out.AddF32(key("rope.scaling.yarn_beta_slow"), static_cast<float>(*slow));
  return {};
}

Status AddRope(const Reader& config, uint64_t head_dim, const auto& key, HfConfig& out,
               MetadataWriter& metadata) {
  // Newer files have all of it in one object.
  const JsonValue* const parameters = config.Find("rope_parameters");
  const JsonValue* const old = config.Find("rope_scaling");
  for (const JsonValue* value : {parameters, old}) {
    if (value != nullptr && !value->is_object())
      return config.Bad("rope_scaling", value, "an object");
  }
  const JsonValue empty;
  const Reader inner = config.Inner(parameters != nullptr ? *parameters : empty);
  TRY_ASSIGN(double base, config.Positive("rope_theta", 10'000));
  TRY_ASSIGN(base, inner.Positive("rope_theta", base));
  TRY_ASSIGN(double share, config.Positive("partial_rotary_factor", 1));
  TRY_ASSIGN(share, inner.Positive("partial_rotary_factor", share));
  const double dims = share * static_cast<double>(head_dim);
  if (share > 1 || std::floor(dims) != dims) {
    return config.Bad("partial_rotary_factor", config.Find("partial_rotary_factor"),
                      "a share of a head");
  }
  metadata.AddF32(key("rope.freq_base"), static_cast<float>(base));
  metadata.AddU32(key("rope.dimension_count"), static_cast<uint32_t>(dims));
  const JsonValue& scaling = parameters != nullptr ? *parameters : old != nullptr ? *old : empty;
  std::string_view kind = scaling.TextOf("rope_type");
  if (kind.empty()) kind = scaling.TextOf("type");
  if (kind.empty() || kind == "default") return {};
  const Reader reader = config.Inner(scaling);
  if (kind == "yarn") return AddYarn(reader, key, metadata);
  if (kind == "llama3") return Llama3Divisors(reader, base, static_cast<uint64_t>(dims), out);
  if (kind == "linear") {
    TRY_ASSIGN(const double factor, reader.Positive("factor"));
    metadata.AddString(key("rope.scaling.type"), "linear");
    metadata.AddF32(key("rope.scaling.factor"), static_cast<float>(factor));
    return {};
  }
  return config.Unsupported("MODEL_ROPE",
                            fmt::format("RoPE scaling '{}' is not supported; supported are linear, "
                                        "yarn, llama3",
                                        Shown(kind)));
}

Status RefuseOthers(const Reader& config) {
  if (config.Find("quantization_config") != nullptr) {
    return config.Unsupported("CONFIG",
                              "the weights are quantised in a way of this directory's own; use the "
                              "original one");
  }
  const JsonValue* const act = config.Find("hidden_act");
  if (act != nullptr && (act->text() == nullptr || *act->text() != "silu")) {
    return config.Bad("hidden_act", act, "silu");
  }
  return {};
}

Status ReadTokenIds(const Reader& config, HfConfig& out) {
  const JsonValue* const eos = config.Find("eos_token_id");
  if (eos != nullptr && eos->is_array()) {
    for (const JsonValue& item : eos->items) {
      if (!item.whole()) return config.Bad("eos_token_id", &item, "ids of tokens");
      out.eos.push_back(*item.whole());
    }
  } else {
    TRY_ASSIGN(const auto id, config.OptionalWhole("eos_token_id", 0));
    if (id) out.eos.push_back(*id);
  }
  const JsonValue* const bos = config.Find("bos_token_id");
  if (bos == nullptr || bos->is_array()) return {};
  TRY_ASSIGN(out.bos, config.OptionalWhole("bos_token_id", 0));
  return {};
}

Status AddWindow(const Reader& config, const auto& key, MetadataWriter& out) {
  TRY_ASSIGN(const auto window, config.OptionalWhole("sliding_window", 1));
  TRY_ASSIGN(const bool used, config.Switch("use_sliding_window", true));
  if (window && used) out.AddU32(key("attention.sliding_window"), static_cast<uint32_t>(*window));
  return {};
}

}  // namespace

Result<HfConfig> ReadHfConfig(const JsonValue& json, const std::string& file,
                              MetadataWriter& metadata) {
  const Reader config(json, file);
  if (!json.is_object())
    return config.Bad("the file", json.is_null() ? nullptr : &json, "an object");
  TRY_ASSIGN(const std::string_view architecture, FindArchitecture(config));
  TRY(RefuseOthers(config));
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", architecture, name); };
  HfConfig out;
  TRY_ASSIGN(const uint64_t width, config.Whole("hidden_size"));
  TRY_ASSIGN(out.layers, config.Whole("num_hidden_layers"));
  if (out.layers > kMaxLayers) {
    return config.Bad("num_hidden_layers", config.Find("num_hidden_layers"),
                      fmt::format("at most {}", kMaxLayers));
  }
  TRY_ASSIGN(const uint64_t feed_forward, config.Whole("intermediate_size"));
  TRY_ASSIGN(const uint64_t heads, config.Whole("num_attention_heads"));
  TRY_ASSIGN(const auto kv_heads, config.OptionalWhole("num_key_value_heads", 1));
  TRY_ASSIGN(const auto stated_dim, config.OptionalWhole("head_dim", 1));
  if (!stated_dim && width % heads != 0) {
    return config.Bad("num_attention_heads", config.Find("num_attention_heads"),
                      fmt::format("a divisor of hidden_size ({})", width));
  }
  const uint64_t head_dim = stated_dim.value_or(width / heads);
  TRY_ASSIGN(const uint64_t context, config.Whole("max_position_embeddings"));
  TRY_ASSIGN(out.vocabulary, config.Whole("vocab_size"));
  TRY_ASSIGN(const double epsilon, config.Positive("rms_norm_eps", 1e-6));
  TRY_ASSIGN(out.tied, config.Switch("tie_word_embeddings", false));
  metadata.AddString("general.architecture", architecture);
  metadata.AddU32(key("context_length"), static_cast<uint32_t>(std::min(context, kMostNumber - 1)));
  metadata.AddU64(key("embedding_length"), width);
  metadata.AddU64(key("block_count"), out.layers);
  metadata.AddU64(key("feed_forward_length"), feed_forward);
  metadata.AddU64(key("attention.head_count"), heads);
  metadata.AddU64(key("attention.head_count_kv"), kv_heads.value_or(heads));
  metadata.AddU64(key("attention.key_length"), head_dim);
  metadata.AddU64(key("attention.value_length"), head_dim);
  metadata.AddF32(key("attention.layer_norm_rms_epsilon"), static_cast<float>(epsilon));
  metadata.AddU64(key("vocab_size"), out.vocabulary);
  // The rows of q and k lie as the model was trained, halves of a head turning together.
  metadata.AddBool(key("rope.adjacent"), false);
  TRY(AddRope(config, head_dim, key, out, metadata));
  TRY(AddWindow(config, key, metadata));
  TRY(ReadTokenIds(config, out));
  return out;
}

}  // namespace tinyai
