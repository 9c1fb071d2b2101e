// Runs the queues of a schedule, command by command, and follows what each knows of the others.

#include <unordered_map>

#include "fmt/format.h"
#include "solve/sync_net.h"

namespace tinyai {
namespace {

using Kind = SyncCommand::Kind;
// How many commands of each queue are known to be complete.
using Clock = std::vector<uint32_t>;

struct FenceState {
  uint32_t place = 0, position = 0;  // commands of its queue up to and with it
  bool passed = false;
  Clock known = {};
};

class SyncChecker {
 public:
  SyncChecker(const SyncNet& net, const SyncSchedule& schedule)
      : net_(net), queues_(schedule.queues) {}

  std::optional<std::string> Check() {
    if (!Enter()) return fault_;
    clocks_.assign(queues_.size(), Clock(queues_.size()));
    at_.assign(queues_.size(), 0);
    for (bool moved = true; moved;) {
      moved = false;
      for (uint32_t place = 0; place < queues_.size(); ++place) {
        while (at_[place] < queues_[place].size() && Step(place)) moved = true;
        if (fault_) return fault_;
      }
    }
    for (uint32_t place = 0; place < queues_.size(); ++place) {
      if (at_[place] == queues_[place].size()) continue;
      return fmt::format("deadlock: place {} waits for fence {}, which never passes", place,
                         queues_[place][at_[place]].id);
    }
    return std::nullopt;
  }

 private:
  bool Fault(std::string text) {
    fault_ = std::move(text);
    return false;
  }

  // Where every op and fence is.
  bool Enter() {
    if (queues_.size() != net_.places) {
      return Fault(fmt::format("{} queues for {} places", queues_.size(), net_.places));
    }
    position_.assign(net_.size(), 0);
    for (uint32_t place = 0; place < queues_.size(); ++place) {
      for (uint32_t i = 0; i < queues_[place].size(); ++i) {
        if (!EnterCommand(queues_[place][i], place, i + 1)) return false;
      }
    }
    for (uint32_t op = 0; op < net_.size(); ++op) {
      if (position_[op] == 0) return Fault(fmt::format("op {} is missing", op));
    }
    predecessors_ = OpLists::Predecessors(net_);
    return true;
  }

  bool EnterCommand(const SyncCommand& command, uint32_t place, uint32_t position) {
    if (command.kind == Kind::kSync) return true;
    if (command.kind == Kind::kFence) {
      if (fences_.try_emplace(command.id, FenceState{place, position}).second) return true;
      return Fault(fmt::format("fence {} is recorded twice", command.id));
    }
    if (command.id >= net_.size()) return Fault(fmt::format("there is no op {}", command.id));
    if (net_.place[command.id] != place) {
      return Fault(
          fmt::format("op {} is on place {}, not {}", command.id, place, net_.place[command.id]));
    }
    if (position_[command.id] != 0) return Fault(fmt::format("op {} runs twice", command.id));
    position_[command.id] = position;
    return true;
  }

  // Whether the queue's next command could be done now.
  bool Step(uint32_t place) {
    const SyncCommand& command = queues_[place][at_[place]];
    if (command.kind == Kind::kRun && !Run(command.id, place)) return false;
    if (command.kind == Kind::kSync && !Wait(command.id, place)) return false;
    clocks_[place][place] = ++at_[place];
    if (command.kind == Kind::kFence) {
      FenceState& fence = fences_.at(command.id);
      fence.passed = true;
      fence.known = clocks_[place];
    }
    return true;
  }

  bool Run(uint32_t op, uint32_t place) {
    for (const uint32_t before : predecessors_.of(op)) {
      if (clocks_[place][net_.place[before]] >= position_[before]) continue;
      return Fault(
          fmt::format("op {} on place {} does not know that op {} is complete", op, place, before));
    }
    return true;
  }

  bool Wait(uint32_t id, uint32_t place) {
    const auto found = fences_.find(id);
    if (found == fences_.end()) {
      return Fault(fmt::format("place {} waits for fence {}, which is never recorded", place, id));
    }
    const FenceState& fence = found->second;
    if (fence.place == place) {
      return Fault(fmt::format("place {} waits for its own fence {}", place, id));
    }
    if (clocks_[place][fence.place] >= fence.position) {
      return Fault(
          fmt::format("stale sync: place {} already knows that fence {} has passed", place, id));
    }
    if (!fence.passed) return false;
    for (size_t i = 0; i < fence.known.size(); ++i) {
      clocks_[place][i] = std::max(clocks_[place][i], fence.known[i]);
    }
    return true;
  }

  const SyncNet& net_;
  const std::vector<std::vector<SyncCommand>>& queues_;
  OpLists predecessors_;
  std::vector<uint32_t> position_;  // of each op in its queue, from 1; 0: nowhere
  std::unordered_map<uint32_t, FenceState> fences_;
  std::vector<Clock> clocks_;
  std::vector<uint32_t> at_;
  std::optional<std::string> fault_;
};

}  // namespace

std::optional<std::string> FindSyncFault(const SyncNet& net, const SyncSchedule& schedule) {
  return SyncChecker(net, schedule).Check();
}

}  // namespace tinyai
