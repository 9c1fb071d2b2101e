#include "text/special_cutter.h"

#include <algorithm>

namespace tinyai {
namespace {

constexpr uint8_t kSpecial = kTokenControl | kTokenUserDefined | kTokenUnknown;

// What isspace says in the C locale.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Which bytes of a text are taken by tokens already cut out.
class Taken {
 public:
  explicit Taken(size_t size) : bits_(size) {}
  // Tokens are taken longest first, so one that overlaps [begin, end) covers its first or last
  // byte.
  bool Overlaps(size_t begin, size_t end) const { return bits_[begin] || bits_[end - 1]; }
  bool at(size_t i) const { return bits_[i]; }
  void Take(size_t begin, size_t end) {
    std::fill(bits_.begin() + static_cast<ptrdiff_t>(begin),
              bits_.begin() + static_cast<ptrdiff_t>(end), true);
  }

 private:
  std::vector<bool> bits_;
};

}  // namespace

SpecialCutter::SpecialCutter(const Vocabulary& vocabulary) {
  const auto wanted = [&](TokenId id) {
    return vocabulary.Is(id, kSpecial) && !vocabulary.Spelling(id).empty();
  };
  const TokenId size = static_cast<TokenId>(vocabulary.size());
  size_t count = 0;
  for (TokenId id = 0; id < size; ++id) count += wanted(id);
  sorted_.reserve(count);
  for (TokenId id = 0; id < size; ++id) {
    if (!wanted(id)) continue;
    const std::string_view spelling = vocabulary.Spelling(id);
    if (spelling.size() > kMaxSpelling) {
      ++skipped_;
      continue;
    }
    sorted_.push_back(id);
    starts_[static_cast<uint8_t>(spelling[0])] = true;
  }
  std::sort(sorted_.begin(), sorted_.end(), [&](TokenId a, TokenId b) {
    const int order = vocabulary.Spelling(a).compare(vocabulary.Spelling(b));
    return order != 0 ? order < 0 : a < b;
  });
}

// Every place where a special token stands, overlapping or not.
std::vector<SpecialCutter::Match> SpecialCutter::FindAll(const Vocabulary& vocabulary,
                                                         std::string_view text,
                                                         bool parse_special) const {
  std::vector<Match> matches;
  const auto byte_at = [&](TokenId id, size_t i) {  // -1 behind the end, as in string comparison
    const std::string_view spelling = vocabulary.Spelling(id);
    return i < spelling.size() ? static_cast<uint8_t>(spelling[i]) : -1;
  };
  for (size_t begin = 0; begin < text.size(); ++begin) {
    if (!starts_[static_cast<uint8_t>(text[begin])]) continue;
    auto low = sorted_.begin();
    auto high = sorted_.end();
    for (size_t i = 0; begin + i < text.size() && low != high; ++i) {
      const int byte = static_cast<uint8_t>(text[begin + i]);
      low = std::partition_point(low, high, [&](TokenId id) { return byte_at(id, i) < byte; });
      high = std::partition_point(low, high, [&](TokenId id) { return byte_at(id, i) == byte; });
      // Of the spellings with this prefix the prefix itself comes first; of duplicates one is
      // enough.
      if (low == high || vocabulary.Spelling(*low).size() != i + 1) continue;
      if (!parse_special && vocabulary.Is(*low, kTokenControl | kTokenUnknown)) continue;
      matches.push_back({begin, begin + i + 1, *low});
    }
  }
  return matches;
}

std::vector<Fragment> SpecialCutter::Cut(const Vocabulary& vocabulary, std::string_view text,
                                         bool parse_special) const {
  if (text.empty()) return {};
  std::vector<Match> matches = FindAll(vocabulary, text, parse_special);
  if (matches.empty()) return {{-1, text}};
  std::stable_sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) {
    const size_t a_size = a.end - a.begin;
    const size_t b_size = b.end - b.begin;
    return a_size != b_size ? a_size > b_size : a.token < b.token;
  });
  Taken taken(text.size());
  std::vector<Match> cut;
  for (Match match : matches) {
    if (taken.Overlaps(match.begin, match.end)) continue;
    if (vocabulary.Is(match.token, kTokenStripLeft)) {
      while (match.begin > 0 && !taken.at(match.begin - 1) && IsSpace(text[match.begin - 1])) {
        --match.begin;
      }
    }
    if (vocabulary.Is(match.token, kTokenStripRight)) {
      while (match.end < text.size() && !taken.at(match.end) && IsSpace(text[match.end])) {
        ++match.end;
      }
    }
    taken.Take(match.begin, match.end);
    cut.push_back(match);
  }
  std::sort(cut.begin(), cut.end(),
            [](const Match& a, const Match& b) { return a.begin < b.begin; });
  std::vector<Fragment> fragments;
  size_t done = 0;
  for (const Match& match : cut) {
    if (match.begin > done) fragments.push_back({-1, text.substr(done, match.begin - done)});
    fragments.push_back({match.token, {}});
    done = match.end;
  }
  if (done < text.size()) fragments.push_back({-1, text.substr(done)});
  return fragments;
}

}  // namespace tinyai
