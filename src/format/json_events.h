#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/byte_source.h"
#include "base/result.h"

namespace tinyai {

struct JsonNull {
  bool operator==(const JsonNull&) const = default;
};
// A number is an int64_t or uint64_t where it was written without point and exponent and fits.
using JsonScalar = std::variant<JsonNull, bool, int64_t, uint64_t, double, std::string>;

// What a JSON text consists of, in its order. An error that is returned ends the reading.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  enum class Container : uint8_t { kObject, kArray };
  virtual Status Begin(Container kind) = 0;
  virtual Status End() = 0;
  virtual Status Key(std::string key) = 0;  // of the value that comes next
  virtual Status Value(JsonScalar value) = 0;
};

struct JsonErrors {
  std::string_view syntax;     // key of the error for a text that is no JSON
  std::string_view duplicate;  // for a key that is in one object twice
};

// Reads the JSON text in bytes [begin, end) of a file piece by piece: memory for a window, and 8
// bytes for each key of an object that has not ended. Strict: UTF-8, no comments, nothing after the
// value but white space, no key twice, at most 64 values inside each other.
Status ReadJson(const ByteSource& source, uint64_t begin, uint64_t end, const JsonErrors& errors,
                JsonEvents& events);

}  // namespace tinyai
