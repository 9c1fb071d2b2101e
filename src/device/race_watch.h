#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/net_plan.h"
#include "plan/task_net.h"

namespace tinyai {

// Follows, while a plan is carried out, what each place knows of the others (vector clocks that
// only syncs join), and holds every access to memory against it. What it finds does not depend on
// timing: an access that was in order by luck is found too. Costs a lock per command; for tests and
// --check. Thread-safe.
class RaceWatch {
 public:
  // Both outlive this object.
  RaceWatch(const TaskNet& net, const NetPlan& plan);

  // The place has passed a sync, in that turn of a loop's body.
  void Sync(PlaceId place, const NetSync& sync, uint64_t turn = 0);
  // Right before the command's work, with whether it is carried out (its arm is taken).
  // `unread`: an operand that is not looked at, of a merge.
  void Begin(PlaceId place, uint32_t command, bool taken, std::optional<size_t> unread = {},
             uint64_t turn = 0);
  // Right after; fences behind it are recorded.
  void End(PlaceId place, uint32_t command, uint64_t turn = 0);

  // The first accesses that nothing ordered: who, where, with whom.
  std::optional<std::string> found() const;

 private:
  struct Access {
    PlaceId place{};
    uint32_t command = 0;
    uint64_t count = 0;  // of its place's commands before it, over all turns
  };
  using Knowledge = std::vector<uint64_t>;  // by place: commands ended, over all turns
  // What was done last with a stretch of memory.
  struct Stretch {
    uint64_t end = 0;
    std::optional<Access> write;
    std::vector<Access> reads;  // since then, the last one of each place
  };
  using Map = std::map<uint64_t, Stretch>;  // by begin; stretches do not overlap

  void Touch(const NetBuffer& buffer, Access access, bool write);
  void Split(Map& map, uint64_t at);
  bool Knows(PlaceId place, const Access& access) const;
  void Report(const Access& access, const Access& other, bool write, const NetBuffer& buffer);

  const TaskNet& net_;
  const NetPlan& plan_;
  mutable std::mutex mutex_;                             // guards all below
  std::vector<Knowledge> knowledge_;                     // by place
  std::vector<Knowledge> before_syncs_;                  // the same, when its last command ended
  std::vector<std::map<uint64_t, Knowledge>> at_fence_;  // by fence, by turn: what it hands on
  std::vector<std::vector<std::vector<uint32_t>>> fences_after_;  // by place, by command
  std::vector<Map> maps_;                                         // by memory
  std::optional<std::string> found_;
};

}  // namespace tinyai
