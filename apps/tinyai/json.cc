#include "json.h"

#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {

namespace {

constexpr int kMostDepth = 64;

template <typename AnyJson>
Result<AnyJson> Parse(const std::string& text, const std::string& file) {
  const auto bad = [&](std::string what, std::optional<uint64_t> offset) {
    return FailAt(ErrorCode::kBadFile, "BAD_JSON", std::move(what), file, offset);
  };
  std::string refused;
  std::vector<std::set<std::string>> keys(1);
  const auto check = [&](int depth, typename AnyJson::parse_event_t event, AnyJson& parsed) {
    using Event = typename AnyJson::parse_event_t;
    if (!refused.empty()) return false;
    if (depth > kMostDepth) refused = fmt::format("nested more than {} deep", kMostDepth);
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      const auto& key = parsed.template get_ref<const std::string&>();
      if (!keys.back().insert(key).second) refused = fmt::format("key '{}' is there twice", key);
    }
    return refused.empty();
  };
  try {
    AnyJson json = AnyJson::parse(text, check);
    if (refused.empty()) return json;
  } catch (const typename AnyJson::parse_error& error) {
    if (refused.empty()) return bad("no valid JSON", error.byte == 0 ? 0 : error.byte - 1);
  } catch (const typename AnyJson::exception& error) {
    return bad(error.what(), {});  // such as a number out of range
  }
  return bad(refused, {});
}

}  // namespace

Result<Json> ParseJson(const std::string& text, const std::string& file) {
  return Parse<Json>(text, file);
}

Result<SortedJson> ParseSortedJson(const std::string& text, const std::string& file) {
  return Parse<SortedJson>(text, file);
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json ToJson(const Error& error) {
  Json out;
  out["code"] = static_cast<int>(error.code);
  out["key"] = error.key;
  out["message"] = EscapeControl(error.message);
  out["file"] = error.file.empty() ? Json(nullptr) : Json(error.file);
  out["offset"] = error.offset ? Json(*error.offset) : Json(nullptr);
  return out;
}

Json ToJson(float value) {
  if (!std::isfinite(value)) return nullptr;
  const std::string text = fmt::format("{}", value);
  double same = value;
  std::from_chars(text.data(), text.data() + text.size(), same);
  return same;
}

}  // namespace tinyai
