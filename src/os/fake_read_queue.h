#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "os/read_queue.h"

namespace tinyai {

struct FakeReadQueueOptions {
  uint32_t depth = 2;
  uint64_t alignment = 4096;
  uint64_t seed = 1;
  // By the number of the request, counted from 0 in the order of Submit.
  std::map<uint64_t, Error> failures = {};
  // These requests never finish: Wait gives IO_TIMEOUT when only such are in flight.
  std::set<uint64_t> stuck = {};
  std::chrono::nanoseconds delay{0};  // each Wait takes as long
};

// A read queue over bytes in memory, for tests of what uses one: finishes reads in a seeded random
// order and fails those it is told to. Bytes are copied when a read finishes, not when it is
// submitted; until then its memory is filled with 0xA5. Padding past the end of a file is too.
class FakeReadQueue : public ReadQueue {
 public:
  FakeReadQueue(std::vector<std::string> files, FakeReadQueueOptions options)
      : files_(std::move(files)), options_(std::move(options)), random_(options_.seed) {}

  IoPath path() const override { return IoPath::kDirect; }
  uint32_t depth() const override { return options_.depth; }
  uint64_t alignment() const override { return options_.alignment; }
  uint32_t in_flight() const override { return static_cast<uint32_t>(pending_.size()); }
  Status Submit(const ReadRequest& request) override;
  Result<uint64_t> Wait(std::chrono::nanoseconds timeout) override;
  void Cancel() override;
  bool Stop(std::chrono::nanoseconds grace) override;

  uint64_t submitted() const { return submitted_; }
  uint64_t submitted_bytes() const { return submitted_bytes_; }

 private:
  struct Pending {
    uint64_t number;
    ReadRequest request;
  };
  // True if cancelled before `time` has passed.
  bool SleepUnlessCancelled(std::chrono::nanoseconds time);

  std::vector<std::string> files_;
  FakeReadQueueOptions options_;
  std::mt19937_64 random_;
  std::vector<Pending> pending_;
  std::atomic<uint64_t> submitted_{0}, submitted_bytes_{0};  // looked at from other threads
  std::mutex mutex_;                                         // guards cancelled_
  std::condition_variable cancel_;
  bool cancelled_ = false;
};

}  // namespace tinyai
