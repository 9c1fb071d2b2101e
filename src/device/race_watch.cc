#include "device/race_watch.h"

#include <algorithm>

#include "fmt/format.h"

namespace tinyai {

RaceWatch::RaceWatch(const TaskNet& net, const NetPlan& plan)
    : net_(net),
      plan_(plan),
      knowledge_(net.places.size(), Knowledge(net.places.size())),
      before_syncs_(knowledge_),
      at_fence_(plan.fences.size()),
      fences_after_(net.places.size()),
      maps_(net.memories.size()) {
  for (size_t place = 0; place < net.places.size(); ++place) {
    fences_after_[place].resize(plan.queues[place].size());
  }
  for (uint32_t fence = 0; fence < plan.fences.size(); ++fence) {
    const NetFence& at = plan.fences[fence];
    fences_after_[Index(at.place)][at.command].push_back(fence);
  }
}

void RaceWatch::Sync(PlaceId place, const NetSync& sync, uint64_t turn) {
  const std::lock_guard lock(mutex_);
  Knowledge& mine = knowledge_[Index(place)];
  const std::map<uint64_t, Knowledge>& turns = at_fence_[sync.fence];
  const auto found = turns.find(turn - sync.distance);
  if (found == turns.end()) return;
  const Knowledge& theirs = found->second;
  for (size_t i = 0; i < theirs.size(); ++i) mine[i] = std::max(mine[i], theirs[i]);
}

void RaceWatch::Begin(PlaceId place, uint32_t command, bool taken, std::optional<size_t> unread,
                      uint64_t turn) {
  const std::lock_guard lock(mutex_);
  const NetOpId id = plan_.queues[Index(place)][command].op;
  const NetOp& op = net_.op(id);
  const Access access{place, command, turn * plan_.queues[Index(place)].size() + command};
  if (!taken) {
    // Syncs in an arm that is not taken tell nothing, as the checker sees it.
    knowledge_[Index(place)] = before_syncs_[Index(place)];
    return;
  }
  // Who looks whether the arm is taken reads its condition.
  for (RegionId region = op.region; region != RegionId{};
       region = net_.regions[Index(region)].parent) {
    if (const auto& condition = net_.regions[Index(region)].condition) {
      Touch(plan_.value_buffers[Index(*condition)], access, false);
    }
  }
  for (size_t i = 0; i < op.ins.size(); ++i) {
    if (i != unread) Touch(plan_.value_buffers[Index(op.ins[i])], access, false);
  }
  for (const NetValueId out : op.outs) {
    Touch(plan_.value_buffers[Index(out)], access, true);
  }
  Touch(plan_.workspaces[Index(id)], access, true);
}

void RaceWatch::End(PlaceId place, uint32_t command, uint64_t turn) {
  constexpr size_t kMostTurns = 1024;  // that a place may be ahead of who waits for it
  const std::lock_guard lock(mutex_);
  Knowledge& mine = knowledge_[Index(place)];
  mine[Index(place)] = turn * plan_.queues[Index(place)].size() + command + 1;
  before_syncs_[Index(place)] = mine;
  for (const uint32_t fence : fences_after_[Index(place)][command]) {
    std::map<uint64_t, Knowledge>& turns = at_fence_[fence];
    turns[turn] = mine;
    if (turns.size() > kMostTurns) turns.erase(turns.begin());
  }
}

std::optional<std::string> RaceWatch::found() const {
  const std::lock_guard lock(mutex_);
  return found_;
}

void RaceWatch::Split(Map& map, uint64_t at) {
  auto next = map.upper_bound(at);
  if (next == map.begin()) return;
  auto& [begin, stretch] = *std::prev(next);
  if (begin == at || stretch.end <= at) return;
  Stretch rest = stretch;
  stretch.end = at;
  map.emplace(at, std::move(rest));
}

bool RaceWatch::Knows(PlaceId place, const Access& access) const {
  return access.place == place || knowledge_[Index(place)][Index(access.place)] > access.count;
}

void RaceWatch::Touch(const NetBuffer& buffer, Access access, bool write) {
  if (buffer.bytes == 0) return;
  Map& map = maps_[Index(buffer.memory)];
  const uint64_t begin = buffer.offset, end = buffer.offset + buffer.bytes;
  Split(map, begin);
  Split(map, end);
  uint64_t at = begin;
  auto next = map.lower_bound(begin);
  while (at < end) {
    if (next == map.end() || next->first > at) {
      const uint64_t until = next == map.end() ? end : std::min(end, next->first);
      next = map.emplace(at, Stretch{until, std::nullopt, {}}).first;
    }
    Stretch& stretch = next->second;
    if (stretch.write && !Knows(access.place, *stretch.write)) {
      Report(access, *stretch.write, write, buffer);
    }
    if (write) {
      for (const Access& read : stretch.reads) {
        if (!Knows(access.place, read)) Report(access, read, write, buffer);
      }
      stretch.write = access;
      stretch.reads.clear();
    } else {
      std::erase_if(stretch.reads, [&](const Access& read) { return read.place == access.place; });
      stretch.reads.push_back(access);
    }
    at = stretch.end;
    ++next;
  }
}

void RaceWatch::Report(const Access& access, const Access& other, bool write,
                       const NetBuffer& buffer) {
  if (found_) return;
  const auto name = [&](const Access& one) {
    return fmt::format("'{}' (command {} of {})",
                       net_.op(plan_.queues[Index(one.place)][one.command].op).name, one.command,
                       net_.place(one.place).name);
  };
  found_ = fmt::format("{} {} {} bytes at {} of {}, and nothing says that {} came before",
                       name(access), write ? "writes" : "reads", buffer.bytes, buffer.offset,
                       net_.memories[Index(buffer.memory)].name, name(other));
}

}  // namespace tinyai
