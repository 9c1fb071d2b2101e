#include "format/hf_steps.h"

#include <algorithm>

namespace tinyai {
namespace {

// A step of a pipeline and those inside it, in order.
void Flatten(const JsonValue* step, std::vector<const JsonValue*>& out) {
  if (step == nullptr) return;
  out.push_back(step);
  for (const std::string_view inner : {"normalizers", "pretokenizers", "decoders", "processors"}) {
    const JsonValue* const list = step->Find(inner);
    if (list == nullptr || !list->is_array()) continue;
    for (const JsonValue& item : list->items) Flatten(&item, out);  // as deep as the text: 64
  }
}

}  // namespace

std::vector<const JsonValue*> Steps(const JsonValue& tokenizer, std::string_view pipeline) {
  std::vector<const JsonValue*> out;
  Flatten(tokenizer.Find(pipeline), out);
  return out;
}

const JsonValue* FindStep(std::span<const JsonValue* const> steps, std::string_view type) {
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const JsonValue* step) {
    return step->TextOf("type") == type;
  });
  return found == steps.end() ? nullptr : *found;
}

bool IsTrue(const JsonValue* object, std::string_view key) {
  const JsonValue* const value = object == nullptr ? nullptr : object->Find(key);
  return value != nullptr && value->truth() != nullptr && *value->truth();
}

bool IsByteToken(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with(">") &&
         std::all_of(token.begin() + 3, token.begin() + 5, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
         });
}

bool AddsSpacePrefix(const JsonValue& tokenizer) {
  const auto pre = Steps(tokenizer, "pre_tokenizer");
  const JsonValue* const space = FindStep(pre, "Metaspace");
  const std::string_view scheme = space == nullptr ? "" : space->TextOf("prepend_scheme");
  return FindStep(Steps(tokenizer, "normalizer"), "Prepend") != nullptr || scheme == "first" ||
         scheme == "always" || (scheme.empty() && IsTrue(space, "add_prefix_space"));
}

}  // namespace tinyai
