#include "format/hf_names.h"

#include <array>
#include <charconv>

#include "fmt/format.h"

namespace tinyai {
namespace {

struct Renamed {
  std::string_view from, to;
};
constexpr std::array kOutside = {
    Renamed{"model.embed_tokens.weight", "token_embd.weight"},
    Renamed{"model.norm.weight", "output_norm.weight"},
    Renamed{"lm_head.weight", "output.weight"},
};
// After "model.layers.N." and before ".weight" or ".bias".
constexpr std::array kInLayer = {
    Renamed{"input_layernorm", "attn_norm"},    Renamed{"self_attn.q_proj", "attn_q"},
    Renamed{"self_attn.k_proj", "attn_k"},      Renamed{"self_attn.v_proj", "attn_v"},
    Renamed{"self_attn.o_proj", "attn_output"}, Renamed{"self_attn.q_norm", "attn_q_norm"},
    Renamed{"self_attn.k_norm", "attn_k_norm"}, Renamed{"post_attention_layernorm", "ffn_norm"},
    Renamed{"mlp.gate_proj", "ffn_gate"},       Renamed{"mlp.up_proj", "ffn_up"},
    Renamed{"mlp.down_proj", "ffn_down"},
};

}  // namespace

std::optional<std::string> NameFromHf(std::string_view name, uint64_t layers) {
  for (const Renamed& known : kOutside) {
    if (name == known.from) return std::string(known.to);
  }
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return std::nullopt;
  name.remove_prefix(kLayers.size());
  uint64_t layer = 0;
  const auto number = std::from_chars(name.data(), name.data() + name.size(), layer);
  if (number.ec != std::errc() || layer >= layers) return std::nullopt;
  name.remove_prefix(static_cast<size_t>(number.ptr - name.data()));
  const size_t dot = name.rfind('.');
  if (dot == 0 || dot == std::string_view::npos || name[0] != '.') return std::nullopt;
  const std::string_view kind = name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return std::nullopt;
  for (const Renamed& known : kInLayer) {
    if (name.substr(1, dot - 1) == known.from) {
      return fmt::format("blk.{}.{}{}", layer, known.to, kind);
    }
  }
  return std::nullopt;
}

bool IsUselessInHf(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".masked_bias");
}

}  // namespace tinyai
