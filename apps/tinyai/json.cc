#include "json.h"

#include <charconv>
#include <cmath>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {

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
