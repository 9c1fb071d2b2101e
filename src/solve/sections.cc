#include "solve/sections.h"

#include <algorithm>
#include <numeric>

namespace tinyai {
namespace {

// Births and deaths in order of time; deaths first, since lifetimes are half open.
struct Event {
  uint64_t time;
  bool birth;
  uint32_t item;
};

std::vector<Event> EventsOf(const std::vector<Buffer>& buffers,
                            const std::vector<Sections::Item>& items) {
  std::vector<Event> events;
  events.reserve(2 * items.size());
  for (uint32_t i = 0; i < items.size(); ++i) {
    events.push_back({buffers[items[i].buffer].begin, true, i});
    events.push_back({buffers[items[i].buffer].end, false, i});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return a.time != b.time ? a.time < b.time : a.birth < b.birth;
  });
  return events;
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
  for (uint32_t i = 0; i < buffers.size(); ++i) {
    const Buffer& buffer = buffers[i];
    if (buffer.bytes == 0) continue;
    out.items.push_back({0, 0, static_cast<int64_t>(buffer.bytes / out.unit),
                         static_cast<int64_t>(std::max<uint64_t>(1, buffer.alignment / out.unit)),
                         i, buffer.end - buffer.begin});
  }
  // A set of buffers is maximal where a death follows a birth.
  bool grown = false;
  for (const Event& event : EventsOf(buffers, out.items)) {
    Sections::Item& item = out.items[event.item];
    if (event.birth) {
      item.first = out.count;
    } else {
      out.count += grown;
      item.last = out.count;
    }
    grown = event.birth;
  }
  return out;
}

int64_t MostAlive(const Sections& sections) {
  std::vector<int64_t> change(sections.count + 1, 0);
  for (const Sections::Item& item : sections.items) {
    change[item.first] += item.size;
    change[item.last] -= item.size;
  }
  int64_t alive = 0, most = 0;
  for (const int64_t bytes : change) most = std::max(most, alive += bytes);
  return most;
}

}  // namespace tinyai
