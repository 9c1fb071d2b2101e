#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console.h"
#include "engine/generate.h"
#include "engine/session.h"
#include "json.h"
#include "os/process_stats.h"

namespace tinyai {

// What a run did, so far or in all.
struct RunReport {
  std::vector<TokenId> prompt;
  std::string text;  // the continuation, valid UTF-8
  Generated generated;
  SessionStats stats;
  ProcessStats process;
  double load_seconds = 0;
  double predicted_tokens_per_second = 0;
  bool rates_measured = false;  // those of the prediction
  bool interrupted = false;     // by a signal

  double prompt_tokens_per_second() const;
  double tokens_per_second() const;             // after the first
  uint64_t weights_read_bytes() const;          // asked of the disk
  double weights_read_bytes_per_token() const;  // after the first token
};

Json ToJson(const RunReport& report, bool with_top_logits);

// What to tell where a run was several times as fast or slow as its plan said; empty where it was
// not, or was too short to tell.
std::string DescribeDrift(const RunReport& report);

// The timing block.
std::string Describe(const RunReport& report);

// Its lines on memory and disk, of a run that is counted in `unit`s, each of which read so much.
std::string DescribeMemory(const SessionStats& stats);
std::string DescribeDisk(const SessionStats& stats, std::string_view unit, uint64_t bytes_per_unit);
// The same as fields.
void AddStats(const SessionStats& stats, const ProcessStats& process, std::string_view unit,
              double bytes_per_unit, Json& out);

}  // namespace tinyai
