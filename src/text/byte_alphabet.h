#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tinyai {

// Byte-level BPE vocabularies spell every byte as one printable character: the printable bytes of
// Latin-1 stand for themselves, the other 68 for U+0100 and up, in order. "Ġ" is a space.

// The character that spells `byte`; below U+0144.
uint32_t SpellingOfByte(uint8_t byte);
// The byte that a character spells, if it spells one.
std::optional<uint8_t> ByteOfSpelling(uint32_t code_point);

// Appends `bytes` as they are spelled, as UTF-8.
void AppendSpelled(std::string_view bytes, std::string& out);
// Appends the bytes that `spelled` stands for. Characters that spell no byte (in vocabularies that
// break the rule) stand for themselves.
void AppendUnspelled(std::string_view spelled, std::string& out);

}  // namespace tinyai
