#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/machine.h"
#include "graph/bands.h"
#include "lang/schedule.h"
#include "plan/plan.h"

// What writer and reader of plan files agree on.
namespace tinyai {

inline constexpr uint64_t kPlanVersion = 2;

// What would do wherever a saved plan does not.
inline constexpr std::string_view kMakePlanAgain =
    "make the plan again: tinyai plan --emit schedule -o FILE";

// The fields of a plan's first record. A new field of Plan that is a number or a type needs a line
// here and nothing else.
struct PlanField {
  std::string_view name;
  std::variant<uint32_t Plan::*, uint64_t Plan::*, DType Plan::*> member;
};
inline constexpr std::array kPlanFields = {
    PlanField{"workers", &Plan::workers},
    PlanField{"chunk", &Plan::chunk},
    PlanField{"context", &Plan::context},
    PlanField{"keys", &Plan::key_type},
    PlanField{"values", &Plan::value_type},
    PlanField{"blocks", &Plan::io_alignment},
    PlanField{"depth", &Plan::io_depth},
    PlanField{"held", &Plan::held_bytes},
    PlanField{"resident", &Plan::resident_bytes},
    PlanField{"streamed", &Plan::streamed_bytes},
    PlanField{"read_always", &Plan::streamed_read_bytes},
    PlanField{"read_once", &Plan::once_read_bytes},
};

// The record of the machine, with the rates that decide ring and chunk, in whole numbers of a unit.
// The others say how fast a plan is, not what it is.
inline constexpr std::string_view kMachineRecord = "machine";
struct RateField {
  std::string_view name;
  double Rates::*member;
  double unit = 1;

  uint64_t Whole(const Rates& rates) const {
    return static_cast<uint64_t>(std::llround(rates.*member / unit));
  }
};
inline constexpr std::array kRateFields = {
    RateField{"disk", &Rates::disk_bytes_per_second},
    RateField{"macs", &Rates::compute_macs_per_second},
    RateField{"request_ns", &Rates::request_seconds, 1e-9},
};
inline constexpr std::string_view kRatesMeasured = "measured";

// The name of the scratch file's budget, which only plans that spill have.
inline constexpr std::string_view kScratchName = "SCRATCH";

// A record for each change that made the plan's graph of the model's.
inline constexpr std::string_view kChangeRecord = "change";
inline constexpr std::array kChangeKinds = {
    std::pair{GraphChange::Kind::kBands, "bands"},
    std::pair{GraphChange::Kind::kRecompute, "recompute"},
    std::pair{GraphChange::Kind::kSpill, "spill"},
    std::pair{GraphChange::Kind::kFetchEarlier, "fetch_earlier"},
};

inline constexpr std::array kBufferKinds = {
    std::pair{BufferKind::kResident, "weights"},  std::pair{BufferKind::kRing, "ring"},
    std::pair{BufferKind::kCache, "cache"},       std::pair{BufferKind::kActivation, "activation"},
    std::pair{BufferKind::kStaging, "embedding"}, std::pair{BufferKind::kWorkspace, "workspace"},
};

// Marks of steps.
inline constexpr std::array kStepFlags = {
    std::pair{"join", &Step::joins},
    std::pair{"logits", &Step::logits_only},
};

// Names of a list of things, each different: one that comes again gets its number added.
class UniqueNames {
 public:
  template <typename Things>
  explicit UniqueNames(const Things& things) {
    for (const auto& thing : things) Add(thing.name);
  }
  const std::string& operator[](size_t index) const { return names_[index]; }
  std::optional<size_t> Find(std::string_view name) const;

 private:
  void Add(std::string name);
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t> indexes_;
};

Place PlaceOfQueue(std::string_view name);
std::string QueueOfPlace(const Place& place);

// The number that seals a plan: of everything in it but comments and the seal itself.
inline constexpr std::string_view kSealRecord = "seal";
uint64_t SealOf(Schedule schedule);

}  // namespace tinyai
