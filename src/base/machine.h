#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tinyai {

// How weights are read from disk. kAuto: the fastest that a probe of the file finds.
enum class IoPath : uint8_t { kAuto, kUring, kDirect, kBuffered };
inline constexpr std::string_view kIoPathNames[] = {"auto", "uring", "direct", "buffered"};
inline std::string_view Name(IoPath path) { return kIoPathNames[static_cast<size_t>(path)]; }

// Rates of one machine, bytes per second and operations per second. `measured` is false for the
// defaults that hold until `tinyai doctor` has measured.
struct Rates {
  bool measured = false;
  double memory_bytes_per_second = 20e9;   // all threads reading, one pass over a large block
  double disk_bytes_per_second = 1e9;      // best I/O path
  double product_bytes_per_second = 20e9;  // weights multiplied by one token, from memory
  double meeting_seconds = 8e-6;           // what a product takes beyond its bytes: threads meet
  double compute_macs_per_second = 200e9;  // quantised multiply-adds, all threads, prompt chunks
  double request_seconds = 100e-6;         // fixed time of one disk request
  double spill_bytes_per_second = 0.5e9;   // activations written to a scratch file
  double fetch_bytes_per_second = 1e9;     // and read back

  bool operator==(const Rates&) const = default;
};

// What a plan is made for, as plain data; os/ fills it in.
struct Machine {
  std::string name;                 // its CPU and how many of them, one line
  uint32_t threads = 1;             // compute threads to use
  uint64_t memory_bytes = 0;        // physical memory
  uint64_t available_bytes = 0;     // that could be taken now without pushing others out
  uint64_t cgroup_limit_bytes = 0;  // least limit of the cgroups above this process; 0 if none
  uint64_t page_bytes = 4096;
  uint64_t huge_page_bytes = 0;  // 0 where transparent huge pages are off
  Rates rates;
};

}  // namespace tinyai
