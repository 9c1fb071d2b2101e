#include "plan/check_memory.h"

#include <algorithm>

#include "fmt/format.h"

namespace tinyai {
namespace {

bool IsKnown(const CheckedMoment& now, size_t queue, uint64_t step) {
  return step == 0 || queue == now.queue || (*now.known)[queue] >= step;
}

// Whether two accesses of the CPU queue between the same joins may be on different workers.
bool NeedJoin(const Toucher& earlier, const Toucher& later) {
  if (earlier.epoch == 0 || earlier.epoch != later.epoch || earlier.op == later.op) return false;
  return earlier.share == Share::kFree || earlier.share != later.share ||
         earlier.range != later.range;
}

}  // namespace

Status CheckedMemory::Read(const CheckedMoment& now, uint64_t begin, uint64_t bytes,
                           const Content& expected, Toucher by, std::string_view what) {
  by.range = {begin, bytes};
  if (!IsInside(begin, bytes)) {
    return InvalidPlan(Where(now), fmt::format("{} lies outside the {}", what, name_));
  }
  return memory_.Each(begin, begin + bytes, [&](uint64_t, Interval& it) -> Status {
    if (it.writer_step == 0 || it.content != expected) {
      return InvalidPlan(Where(now), fmt::format("{} is not where it is read", what));
    }
    if (!IsKnown(now, it.writer, it.writer_step)) {
      return InvalidPlan(Where(now),
                         fmt::format("{} may not have arrived: a sync is missing", what));
    }
    if (now.queue == kCpuQueue && NeedJoin(it.written_by, by)) {
      return InvalidPlan(Where(now),
                         fmt::format("{} may come from another worker: a join is missing", what));
    }
    it.readers[now.queue] = now.absolute;
    if (now.queue != kCpuQueue) return {};
    if (!it.read_by.empty() && it.read_by[0].epoch != by.epoch) it.read_by.clear();
    if (it.read_by.empty() || it.read_by.back() != by) it.read_by.push_back(by);
    return {};
  });
}

Status CheckedMemory::CheckOverwritten(const CheckedMoment& now, const Content& content,
                                       const Toucher& by, uint64_t at, const Interval& it) const {
  for (size_t queue = 0; queue < plan_.queues.size(); ++queue) {
    if (!IsKnown(now, queue, it.readers[queue])) {
      return InvalidPlan(Where(now),
                         fmt::format("offset {} may still be read: a sync is missing", at));
    }
  }
  // Loads finish in any order, so one must be known to have finished before the next.
  const bool own_load = now.queue == kDiskQueue && it.writer == kDiskQueue;
  if (!IsKnown(now, it.writer, it.writer_step) || (own_load && it.writer_step > now.loaded)) {
    return InvalidPlan(Where(now), fmt::format("offset {} may still be written", at));
  }
  const bool cpu = now.queue == kCpuQueue;
  const bool shared = NeedJoin(it.written_by, by) ||
                      std::any_of(it.read_by.begin(), it.read_by.end(),
                                  [&](const Toucher& reader) { return NeedJoin(reader, by); });
  if (cpu && shared) {
    return InvalidPlan(
        Where(now),
        fmt::format("offset {} may be in use by another worker: a join is missing", at));
  }
  if (it.content.kind == Content::Kind::kFile && content.kind != Content::Kind::kFile) {
    return InvalidPlan(Where(now), fmt::format("offset {} holds weights", at));
  }
  return {};
}

Status CheckedMemory::Write(const CheckedMoment& now, uint64_t begin, uint64_t bytes,
                            const Content& content, Toucher by) {
  by.range = {begin, bytes};
  if (!IsInside(begin, bytes)) {
    return InvalidPlan(Where(now), fmt::format("it writes outside the {}", name_));
  }
  TRY(memory_.Each(begin, begin + bytes, [&](uint64_t at, const Interval& it) {
    return CheckOverwritten(now, content, by, at, it);
  }));
  Interval& made = memory_.Replace(begin, begin + bytes);
  made.content = content;
  made.writer = now.queue;
  made.writer_step = now.absolute;
  made.readers = {};
  made.written_by = now.queue == kCpuQueue ? by : Toucher{};
  made.read_by.clear();
  return {};
}

}  // namespace tinyai
