#pragma once

#include <string>
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

}  // namespace tinyai
