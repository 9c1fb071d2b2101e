#include "format/json_value.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr size_t kMostValues = 200'000;

class TreeBuilder : public JsonEvents {
 public:
  TreeBuilder(const JsonDiversion& divert, std::string_view too_many)
      : divert_(divert), too_many_(too_many) {}

  Status Begin(Container kind) override {
    if (diverted_ == nullptr && divert_ && !open_.empty()) diverted_ = divert_(path_);
    if (diverted_ != nullptr) {
      ++diverted_depth_;
      return diverted_->Begin(kind);
    }
    TRY_ASSIGN(JsonValue * value, Add());
    value->container = kind;
    open_.push_back(value);
    path_.emplace_back();
    return {};
  }
  Status End() override {
    if (diverted_ != nullptr) {
      JsonEvents& other = *diverted_;
      if (--diverted_depth_ == 0) {
        diverted_ = nullptr;
        // Its key has no item here.
        if (open_.back()->is_object()) open_.back()->keys.pop_back();
      }
      return other.End();
    }
    open_.pop_back();
    path_.pop_back();
    return {};
  }
  Status Key(std::string key) override {
    if (diverted_ != nullptr) return diverted_->Key(std::move(key));
    path_.back() = key;
    open_.back()->keys.push_back(std::move(key));
    return {};
  }
  Status Value(JsonScalar scalar) override {
    if (diverted_ != nullptr) return diverted_->Value(std::move(scalar));
    TRY_ASSIGN(JsonValue * value, Add());
    value->scalar = std::move(scalar);
    return {};
  }

  JsonValue root;

 private:
  // Pointers to open containers stay valid: items are only added to the innermost one.
  Result<JsonValue*> Add() {
    if (++values_ > kMostValues) {
      return Fail(ErrorCode::kBadFile, too_many_,
                  fmt::format("more than {} values in one JSON file", kMostValues));
    }
    if (open_.empty()) return &root;
    return &open_.back()->items.emplace_back();
  }

  const JsonDiversion& divert_;
  const std::string_view too_many_;
  std::vector<JsonValue*> open_;
  std::vector<std::string> path_;  // the key in each open container; empty in arrays
  JsonEvents* diverted_ = nullptr;
  size_t diverted_depth_ = 0;
  size_t values_ = 0;
};

}  // namespace

const JsonValue* JsonValue::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  const auto found = std::find(keys.begin(), keys.end(), key);
  if (found == keys.end()) return nullptr;
  const JsonValue& item = items[static_cast<size_t>(found - keys.begin())];
  return item.is_null() ? nullptr : &item;
}

std::optional<uint64_t> JsonValue::whole() const {
  if (container) return std::nullopt;
  if (const auto* number = std::get_if<uint64_t>(&scalar)) return *number;
  if (const auto* number = std::get_if<double>(&scalar)) {
    constexpr double kExact = 9007199254740992;  // 2^53: 1e6 is as good as 1000000
    if (*number >= 0 && *number <= kExact && std::floor(*number) == *number) {
      return static_cast<uint64_t>(*number);
    }
  }
  return std::nullopt;
}

std::optional<double> JsonValue::number() const {
  if (container) return std::nullopt;
  if (const auto* number = std::get_if<uint64_t>(&scalar)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<int64_t>(&scalar)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<double>(&scalar)) return *number;
  return std::nullopt;
}

std::string_view JsonValue::TextOf(std::string_view key) const {
  const JsonValue* const item = Find(key);
  if (item == nullptr || item->text() == nullptr) return {};
  return *item->text();
}

Result<JsonValue> ReadJsonValue(const ByteSource& source, uint64_t most_bytes,
                                const JsonErrors& errors, const JsonDiversion& divert) {
  if (source.size() > most_bytes) {
    return FailAt(ErrorCode::kBadFile, errors.syntax,
                  fmt::format("the file has {} bytes, the most is {}", source.size(), most_bytes),
                  source.path());
  }
  TreeBuilder builder(divert, errors.syntax);
  if (Status read = ReadJson(source, 0, source.size(), errors, builder); !read) {
    if (read.error().file.empty()) read.error().file = source.path();
    return tl::unexpected<Error>(std::move(read).error());
  }
  return std::move(builder.root);
}

}  // namespace tinyai
