#include "solve/sections.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace tinyai {
namespace {

// The items in order of a time, by its digits from the lowest on; linear where times lie close.
std::vector<uint32_t> ByTime(const std::vector<uint64_t>& times) {
  constexpr int kBits = 11;
  constexpr size_t kDigits = size_t{1} << kBits;
  std::vector<uint32_t> order(times.size()), next(times.size());
  std::iota(order.begin(), order.end(), 0u);
  if (std::is_sorted(times.begin(), times.end())) return order;
  const auto [least, most] = std::minmax_element(times.begin(), times.end());
  const uint64_t from = *least, range = *most - from;
  for (int shift = 0; shift < 64 && range >> shift > 0; shift += kBits) {
    std::array<size_t, kDigits> starts{};
    const auto digit = [&](uint32_t i) { return (times[i] - from) >> shift & (kDigits - 1); };
    for (const uint32_t i : order) ++starts[digit(i)];
    std::exclusive_scan(starts.begin(), starts.end(), starts.begin(), size_t{0});
    for (const uint32_t i : order) next[starts[digit(i)]++] = i;
    order.swap(next);
  }
  return order;
}

// The largest unit of which all sizes are multiples, and every alignment a multiple or a divisor.
uint64_t UnitOf(const std::vector<Buffer>& buffers) {
  uint64_t unit = 0;
  for (const Buffer& buffer : buffers) unit = std::gcd(unit, buffer.bytes);
  if (unit == 0) return 1;
  for (bool fits = false; !fits;) {  // unit gets smaller, or this is the last time
    fits = true;
    for (const Buffer& buffer : buffers) {
      if (unit % buffer.alignment == 0 || buffer.alignment % unit == 0) continue;
      unit = std::gcd(unit, buffer.alignment);
      fits = false;
    }
  }
  return unit;
}

}  // namespace

Sections MakeSections(const std::vector<Buffer>& buffers) {
  Sections out;
  out.unit = UnitOf(buffers);
  out.items.reserve(buffers.size());
  for (uint32_t i = 0; i < buffers.size(); ++i) {
    const Buffer& buffer = buffers[i];
    if (buffer.bytes == 0) continue;
    out.items.push_back({0, 0, static_cast<int64_t>(buffer.bytes / out.unit),
                         static_cast<int64_t>(std::max<uint64_t>(1, buffer.alignment / out.unit)),
                         i, buffer.end - buffer.begin});
  }
  std::vector<uint64_t> begins, ends;
  begins.reserve(out.items.size());
  ends.reserve(out.items.size());
  for (const Sections::Item& item : out.items) {
    begins.push_back(buffers[item.buffer].begin);
    ends.push_back(buffers[item.buffer].end);
  }
  // A set of buffers is maximal where a death follows a birth. Lifetimes are half open, so deaths
  // come first.
  const std::vector<uint32_t> births = ByTime(begins), deaths = ByTime(ends);
  bool grown = false;
  for (size_t born = 0, dead = 0; dead < deaths.size();) {
    if (born < births.size() && begins[births[born]] < ends[deaths[dead]]) {
      out.items[births[born++]].first = out.count;
      grown = true;
    } else {
      out.count += grown;
      out.items[deaths[dead++]].last = out.count;
      grown = false;
    }
  }
  return out;
}

std::vector<int64_t> UnitsAlive(const Sections& sections) {
  std::vector<int64_t> alive(size_t{sections.count} + 1, 0);
  for (const Sections::Item& item : sections.items) {
    alive[item.first] += item.size;
    alive[item.last] -= item.size;
  }
  std::partial_sum(alive.begin(), alive.end(), alive.begin());
  alive.pop_back();
  return alive;
}

int64_t MostAlive(const Sections& sections) {
  const std::vector<int64_t> alive = UnitsAlive(sections);
  return alive.empty() ? 0 : *std::max_element(alive.begin(), alive.end());
}

}  // namespace tinyai
