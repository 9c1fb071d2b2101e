#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "fmt/format.h"

namespace tinyai {

// A JSON string with its quotes: valid UTF-8 whatever `text` is, and no "</" that could end a
// script it is put into.
std::string JsonString(std::string_view text);

// A number of seconds; null if it is not finite.
std::string JsonSeconds(double seconds);
// Microseconds to the nanosecond, as traces have them.
std::string JsonMicroseconds(double seconds);

// The member `name` of an object, behind others: a list of what item(0), item(1).. are as text.
template <typename Sink, typename Item>
Status WriteJsonList(const Sink& sink, std::string_view name, size_t count, Item item) {
  TRY(sink(fmt::format(",\n\"{}\":[", name)));
  for (size_t i = 0; i < count; ++i) {
    TRY(sink(i == 0 ? "\n" : ",\n"));
    TRY(sink(item(i)));
  }
  return sink("]");
}

}  // namespace tinyai
