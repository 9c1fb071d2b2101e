#pragma once

#include <string>
#include <string_view>

namespace tinyai {

// A JSON string with its quotes: valid UTF-8 whatever `text` is, and no "</" that could end a
// script it is put into.
std::string JsonString(std::string_view text);

// A number of seconds; null if it is not finite.
std::string JsonSeconds(double seconds);
// Microseconds to the nanosecond, as traces have them.
std::string JsonMicroseconds(double seconds);

}  // namespace tinyai
