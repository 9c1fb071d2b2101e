#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lang/diagnostics.h"
#include "lang/schedule.h"

namespace tinyai {

// The fences of a schedule for a model, which CPU and DISK blocks record and wait for.
class ScheduleFences {
 public:
  // Learns all names first, so that a sync may be told where its fence is. Error A2.
  void Collect(const Schedule& schedule, Diagnostics& out);

  // The text has come to this fence; `done` commands of its queue stand in front of it.
  void Record(const std::string& name, Span where, bool on_cpu, size_t done);

  // What a sync waits for: so many commands of CPU or of DISK. The queue that waits is the other
  // one: in the block of the queue that recorded the fence, too, it is the others that wait.
  struct Wait {
    bool on_cpu;
    size_t done;
  };
  // Of a fence of this pass; errors A3, I3, I6, I7, nothing then.
  std::optional<Wait> Sync(const cmd::Sync::Target& target, bool is_value, Diagnostics& out);
  // Of a fence as recorded a pass before, when the whole text has been read. `reached` is what
  // Reached() said where the sync stands.
  std::optional<Wait> SyncEarlier(const cmd::Sync::Target& target, bool is_value,
                                  const std::array<size_t, 2>& reached, Diagnostics& out);
  // The newest fences of DISK and of CPU that have been waited for in this pass; 0: none.
  std::array<size_t, 2> Reached() const { return {synced_[0].number, synced_[1].number}; }

 private:
  struct Fence {
    Span where;
    bool on_cpu = false;
    size_t done = 0;
    size_t number = 0;  // from 1, in the order of the text; 0: not recorded yet
  };
  struct Synced {
    size_t number = 0;
    std::string name;
    Span where;
  };
  void Collect(const std::vector<Command>& commands, Diagnostics& out);
  void ReportUnknown(const cmd::Sync::Target& target, bool is_value, Diagnostics& out) const;

  std::map<std::string, Fence, std::less<>> fences_;
  size_t recorded_ = 0;
  Synced synced_[2];   // fences of DISK, of CPU
  Synced earlier_[2];  // the same for those of the pass before
};

}  // namespace tinyai
