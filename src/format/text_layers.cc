#include "format/text_layers.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <string_view>

#include "fmt/format.h"
#include "format/limits.h"

namespace tinyai {
namespace {

// Where a layer stands in a pass: the embedding is block 0, the output comes after all blocks.
struct Place {
  uint64_t block;
  LayerRole role;
  auto operator<=>(const Place&) const = default;
};

constexpr uint64_t kAfterBlocks = UINT64_MAX;
constexpr uint64_t kNoLayer = kMaxLayers;

std::optional<Place> PlaceOf(std::string_view name) {
  if (name.starts_with("token_embd")) return Place{0, LayerRole::kEmbedding};
  if (name.starts_with("output")) return Place{kAfterBlocks, LayerRole::kOutput};
  if (!name.starts_with("blk.")) return std::nullopt;
  name.remove_prefix(4);
  uint64_t block = 0;
  const auto number = std::from_chars(name.data(), name.data() + name.size(), block);
  if (number.ec != std::errc() || block >= kNoLayer) return std::nullopt;
  name.remove_prefix(static_cast<size_t>(number.ptr - name.data()));
  const bool attention = name.starts_with(".attn");
  return Place{block + 1, attention ? LayerRole::kAttention : LayerRole::kFeedForward};
}

// As a pass calls them: "token_embd", "blk.3.attn", "blk.3.ffn", "output".
std::string LayerName(const Place& place) {
  switch (place.role) {
    case LayerRole::kEmbedding:
      return "token_embd";
    case LayerRole::kAttention:
      return fmt::format("blk.{}.attn", place.block - 1);
    case LayerRole::kFeedForward:
      return fmt::format("blk.{}.ffn", place.block - 1);
    default:
      return "output";
  }
}

}  // namespace

TextLayers FindTextLayers(const ModelFile& file) {
  TextLayers out;
  std::vector<std::optional<Place>> places;
  for (const TensorInfo& tensor : file.tensors) places.push_back(PlaceOf(tensor.name));
  out.order.resize(places.size());
  std::iota(out.order.begin(), out.order.end(), 0);
  std::stable_sort(out.order.begin(), out.order.end(), [&](size_t a, size_t b) {
    if (!places[a] || !places[b]) return places[a].has_value() && !places[b].has_value();
    return *places[a] < *places[b];
  });
  GraphRecords& graph = out.graph;
  graph.values.push_back({"tokens", {}});
  graph.inputs = {0};
  const auto end_layer = [&graph](const Place& place, uint32_t first, uint32_t end) {
    const auto value = static_cast<uint32_t>(graph.values.size());
    graph.values.push_back({LayerName(place), {}});
    graph.layers.push_back({.name = LayerName(place),
                            .role = place.role,
                            .first_tensor = first,
                            .tensor_count = end - first,
                            .operands = {value - 1},
                            .output = value});
  };
  uint32_t first = 0, at = 0;
  for (; at < out.order.size() && places[out.order[at]]; ++at) {
    if (at > first && places[out.order[at]] != places[out.order[first]]) {
      end_layer(*places[out.order[first]], first, at);
      first = at;
    }
  }
  if (at > first) end_layer(*places[out.order[first]], first, at);
  graph.outputs = {static_cast<uint32_t>(graph.values.size() - 1)};
  return out;
}

}  // namespace tinyai
