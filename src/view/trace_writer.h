#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tinyai {

// Takes text piece by piece: to a file, or into a string.
using TextSink = std::function<Status(std::string_view)>;

// Writes a timeline as Chrome trace events in JSON, which https://ui.perfetto.dev opens: lanes with
// spans one after the other, arrows between spans, counters. Planned and measured timelines are
// both written by this. Holds one block of text at most.
class TraceWriter {
 public:
  // `process` is the name above the lanes. The sink outlives this object.
  TraceWriter(const TextSink& sink, std::string_view process);

  // Lanes are numbered from 0 in the order of the calls.
  void AddLane(std::string_view name);
  // `args`: names with values that are JSON already.
  using Args = std::vector<std::pair<std::string_view, std::string>>;
  void AddSpan(size_t lane, std::string_view name, double begin_seconds, double seconds,
               const Args& args);
  // From within a span of one lane to the beginning of one of another.
  void AddArrow(std::string_view name, size_t from_lane, double from_seconds, size_t to_lane,
                double to_seconds);
  // The values of a counter from this time on, by name.
  void AddCounter(std::string_view name, double seconds, const Args& values);
  void AddMark(std::string_view name, double seconds);

  // Closes the list. Until then errors of the sink are kept; after one nothing more is written.
  Status Finish();

 private:
  void Add(std::string event);
  void Flush();

  const TextSink& sink_;
  std::string block_;
  size_t lanes_ = 0;
  uint64_t arrows_ = 0;
  Status status_;
};

}  // namespace tinyai
