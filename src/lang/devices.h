#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lang/diagnostics.h"

namespace tinyai {

// The machine that a program is compiled for, as a device file describes it (docs/language.md).
struct Devices {
  enum class Branching : uint8_t { kNone, kPredicated, kFull };
  enum class Api : uint8_t { kThread, kVulkan, kOpenCl, kCuda, kIo, kTcp };
  struct Memory {
    std::string name;
    uint64_t bytes = ~uint64_t{0};
    uint64_t alignment = 1;
    Where where = {};
  };
  // One in-order queue: a place of schedules.
  struct Place {
    std::string name;    // "CPU", "GPU", "GPU.copy"
    std::string device;  // "GPU"
    uint32_t memory = 0;
    bool effects = false;      // may read input and print
    bool coordinator = false;  // evaluates the conditions of host branches
    bool computes = true;      // false: only moves data, as queues of a device but its first do
    Branching branching = Branching::kFull;
    Api api = Api::kThread;
    Where where = {};
  };
  struct Link {
    uint32_t from = 0, to = 0;  // memories
    double latency_seconds = 0;
    double bytes_per_second = 0;
    std::optional<uint32_t> queue;  // the place that copies; none: the one that computes in `from`
    Where where = {};
  };
  std::vector<Memory> memories;
  std::vector<Place> places;
  std::vector<Link> links;

  std::optional<uint32_t> FindPlace(std::string_view name) const;
  std::string PlaceNames() const;  // "CPU, GPU"
};

// CPU and GPU, which share one memory. The CPU alone has effects.
Devices UsualDevices();

}  // namespace tinyai
