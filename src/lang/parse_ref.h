#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lang/schedule.h"
#include "lang/token_stream.h"

namespace tinyai {

// The parts of a schedule that stand inside declarations and commands. Each gives nothing or is
// false, and has reported why, where there is none.

// References, by the million, are read into the command that has them, which is new.
bool ParseRef(TokenStream& in, Ref& out);
// What follows the first part of a reference, which has been taken.
bool ParseRefAfter(TokenStream& in, Token head, Ref& out);

std::optional<Place> ParsePlace(TokenStream& in);
// The place that turned out to be one after it was read as a reference: GPU[1] in GPU[1].copy {
std::optional<Place> PlaceFromRef(TokenStream& in, Ref ref);

// [':' name [value] {',' name [value]}]
bool ParseAttributes(TokenStream& in, std::vector<Attribute>& out);

// A whole number without unit.
std::optional<uint64_t> ParseWholeNumber(TokenStream& in);

// The closing brace of what began at `begin`; false, and reported, if the text ends before it.
bool CloseBrace(TokenStream& in, Span begin);

// Words with which a command or an item of a schedule begins, and which so cannot be a value's name
// there unless it is quoted.
bool IsCommandWord(std::string_view word);

}  // namespace tinyai
