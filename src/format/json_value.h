#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/json_events.h"

namespace tinyai {

// A small JSON text as a tree. Lookups in what is no object or array find nothing.
class JsonValue {
 public:
  JsonScalar scalar = JsonNull{};
  std::optional<JsonEvents::Container> container;
  std::vector<std::string> keys;  // of an object, one for each item
  std::vector<JsonValue> items;

  bool is_null() const { return !container && std::holds_alternative<JsonNull>(scalar); }
  bool is_object() const { return container == JsonEvents::Container::kObject; }
  bool is_array() const { return container == JsonEvents::Container::kArray; }
  // The item `key` that is not null; nullptr if there is none.
  const JsonValue* Find(std::string_view key) const;
  const std::string* text() const {
    return container ? nullptr : std::get_if<std::string>(&scalar);
  }
  const bool* truth() const { return container ? nullptr : std::get_if<bool>(&scalar); }
  std::optional<uint64_t> whole() const;  // a number without fraction that is not negative
  std::optional<double> number() const;   // any number
  // The text of item `key`; empty if it is none.
  std::string_view TextOf(std::string_view key) const;
};

// Takes the events of a part of a text for itself: where `keys` lead from the top to an array or
// object that begins there, what it returns gets its events, Begin and End included.
using JsonDiversion = std::function<JsonEvents*(std::span<const std::string> keys)>;

// Reads a JSON file of at most `most_bytes` and 200,000 values. Errors `errors`; a file that is too
// large gives that of syntax.
Result<JsonValue> ReadJsonValue(const ByteSource& source, uint64_t most_bytes,
                                const JsonErrors& errors, const JsonDiversion& divert = {});

}  // namespace tinyai
