#include "solve/list_schedule.h"

#include <algorithm>
#include <functional>

namespace tinyai {

ListScheduler::ListScheduler(const TaskGraph& graph) : graph_(graph) {}

void ListScheduler::Reset(std::vector<int64_t>& start) {
  start.assign(graph_.size(), 0);
  missing_.resize(graph_.size());
  ready_.clear();
  running_.clear();
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    missing_[task] = static_cast<uint32_t>(graph_.before[task].size());
  }
}

void ListScheduler::PushReady(uint32_t task, std::span<const int64_t> keys) {
  // A task without time waits for no processor.
  ready_.push_back({graph_.times[task] == 0 ? INT64_MIN : keys[task], task});
  std::push_heap(ready_.begin(), ready_.end(), std::greater<>());
}

uint32_t ListScheduler::PopReady() {
  std::pop_heap(ready_.begin(), ready_.end(), std::greater<>());
  const uint32_t task = ready_.back().task;
  ready_.pop_back();
  return task;
}

void ListScheduler::Release(uint32_t task, int64_t end, std::span<const int64_t> keys,
                            std::vector<int64_t>& start) {
  for (const uint32_t next : graph_.after[task]) {
    start[next] = std::max(start[next], end);
    if (--missing_[next] == 0) PushReady(next, keys);
  }
}

int64_t ListScheduler::Greedy(std::span<const int64_t> keys, std::vector<int64_t>& start) {
  Reset(start);
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    if (missing_[task] == 0) PushReady(task, keys);
  }
  int64_t now = 0, last = 0;
  while (!ready_.empty() || !running_.empty()) {
    while (!ready_.empty() &&
           (running_.size() < graph_.processors || graph_.times[ready_.front().task] == 0)) {
      const uint32_t task = PopReady();
      start[task] = now;
      if (graph_.times[task] == 0) {
        Release(task, now, keys, start);
        continue;
      }
      running_.push_back({now + graph_.times[task], task});
      std::push_heap(running_.begin(), running_.end(), std::greater<>());
    }
    if (running_.empty()) continue;
    last = now = running_.front().key;
    while (!running_.empty() && running_.front().key == now) {
      std::pop_heap(running_.begin(), running_.end(), std::greater<>());
      const uint32_t task = running_.back().task;
      running_.pop_back();
      Release(task, now, keys, start);
    }
  }
  return last;
}

int64_t ListScheduler::Insert(std::span<const int64_t> keys, std::vector<int64_t>& start) {
  Reset(start);
  profile_.assign(1, {0, 0});
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    if (missing_[task] == 0) PushReady(task, keys);
  }
  int64_t last = 0;
  while (!ready_.empty()) {
    const uint32_t task = PopReady();
    if (graph_.times[task] > 0) start[task] = Reserve(start[task], graph_.times[task]);
    const int64_t end = start[task] + graph_.times[task];
    last = std::max(last, end);
    Release(task, end, keys, start);
  }
  return last;
}

// Makes `time`, which lies in the stretch of `point`, a point of its own, and returns it.
size_t ListScheduler::Split(size_t point, int64_t time) {
  if (profile_[point].time == time) return point;
  profile_.insert(profile_.begin() + static_cast<ptrdiff_t>(point) + 1,
                  {time, profile_[point].used});
  return point + 1;
}

int64_t ListScheduler::Reserve(int64_t earliest, int64_t time) {
  const auto after =
      std::upper_bound(profile_.begin(), profile_.end(), earliest,
                       [](int64_t value, const Point& point) { return value < point.time; });
  size_t first = static_cast<size_t>(after - profile_.begin()) - 1;
  int64_t begin = earliest;
  size_t last = first;  // the stretch that is looked at
  while (last < profile_.size() && profile_[last].time < begin + time) {
    if (profile_[last].used < graph_.processors) {
      ++last;
      continue;
    }
    first = ++last;
    begin = profile_[first].time;  // the last stretch is empty, so there is a next one
  }
  const size_t from = Split(first, begin);
  last += from - first;
  if (last == profile_.size() || profile_[last].time > begin + time) Split(last - 1, begin + time);
  for (size_t i = from; i < last; ++i) ++profile_[i].used;
  return begin;
}

}  // namespace tinyai
