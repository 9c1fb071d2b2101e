#include <algorithm>
#include <map>

#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/json_value.h"
#include "format/limits.h"
#include "format/safetensors.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostIndexBytes = uint64_t{64} << 20;
constexpr uint64_t kMostShards = kMaxSplitParts;
constexpr size_t kMostNameBytes = 255;

// A name that can only mean a file in the same folder.
bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= kMostNameBytes && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos &&
         IsPrintable(name) && name.ends_with(".safetensors");
}

// The object "weight_map": names of tensors to names of files.
class WeightMap : public JsonEvents {
 public:
  WeightMap(const ByteSource& source, SafetensorsIndex& out) : source_(source), out_(out) {}

  Status Begin(Container kind) override {
    if (depth_++ > 0 || kind != Container::kObject) return Bad("ST_HEADER_JSON", "is no object");
    return {};
  }
  Status End() override { return {}; }
  Status Key(std::string key) override {
    key_ = std::move(key);
    return {};
  }
  Status Value(JsonScalar value) override {
    const auto* const shard = std::get_if<std::string>(&value);
    if (shard == nullptr || !IsPlainName(*shard)) {
      return Bad(
          "ST_SHARD_PATH",
          fmt::format("puts '{}' into '{}', which is no name of a safetensors file beside it",
                      Shown(key_), shard == nullptr ? "" : Shown(*shard)));
    }
    if (out_.weight_map.size() == kMaxTensors) return Bad("ST_HEADER_JSON", "is too long");
    const auto [found, is_new] = shards_.emplace(*shard, static_cast<uint32_t>(shards_.size()));
    if (is_new && shards_.size() > kMostShards) {
      return Bad("ST_SHARD_PATH", fmt::format("names more than {} files", kMostShards));
    }
    out_.weight_map.emplace_back(std::move(key_), found->second);
    return {};
  }

  // Shards in the order of their names.
  void Finish() {
    std::vector<uint32_t> rank(shards_.size());
    for (const auto& [name, number] : shards_) {
      rank[number] = static_cast<uint32_t>(out_.shards.size());
      out_.shards.push_back(name);
    }
    for (auto& [name, shard] : out_.weight_map) shard = rank[shard];
    std::sort(out_.weight_map.begin(), out_.weight_map.end());
  }

 private:
  tl::unexpected<Error> Bad(std::string_view key, std::string_view what) const {
    return FailAt(ErrorCode::kBadFile, key, fmt::format("weight_map {}", what), source_.path());
  }

  const ByteSource& source_;
  SafetensorsIndex& out_;
  int depth_ = 0;
  std::string key_;
  std::map<std::string, uint32_t> shards_;  // in the order of their first mention
};

}  // namespace

Result<SafetensorsIndex> ReadSafetensorsIndex(const ByteSource& source) {
  SafetensorsIndex index;
  WeightMap map(source, index);
  bool found = false;
  const JsonDiversion divert = [&](std::span<const std::string> keys) -> JsonEvents* {
    if (keys.size() != 1 || keys[0] != "weight_map") return nullptr;
    found = true;
    return &map;
  };
  TRY_ASSIGN(const JsonValue rest,
             ReadJsonValue(source, kMostIndexBytes, {"ST_HEADER_JSON", "ST_DUP_KEY"}, divert));
  map.Finish();
  if (found && !index.shards.empty()) return index;
  return FailAt(ErrorCode::kBadFile, "ST_HEADER_JSON",
                "the index has no weight_map, or one that is empty", source.path());
}

}  // namespace tinyai
