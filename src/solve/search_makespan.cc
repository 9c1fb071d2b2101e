#include "solve/search_makespan.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "solve/seen_starts.h"

namespace tinyai {
namespace {

constexpr uint64_t kStatesPerClock = 1024;

struct Running {
  int64_t end;
  uint32_t task;
};

// A moment at which tasks may start.
struct Moment {
  int64_t now;
  int64_t idle_since;             // a processor has been idle from then to now; now: none was
  int64_t weighted_starts;        // of all tasks started so far
  std::vector<Running> running;   // by end, none ended before or at `now`
  std::vector<uint32_t> ended;    // at `now`
  std::vector<uint32_t> ready;    // may start, by priority
  std::vector<uint32_t> waiting;  // ready, but could have started before
  std::vector<uint32_t> chosen;   // indexes of `ready`, rising: what starts
};

}  // namespace

class MakespanSearch::Impl {
 public:
  Impl(const TaskGraph& graph, size_t most_memory_bytes);
  Verdict Find(int64_t target, Order order, uint64_t most_states, const SearchLimits& limits,
               std::vector<int64_t>& start);

 private:
  void FindEqualTasks();
  void SortTasks(Order order);
  void SortEvents(int64_t target);
  void Begin();
  void CollectReady(Moment& moment);
  bool MayStart(const Moment& moment, uint32_t task) const;
  void Choose(Moment& moment, size_t from);
  bool ChooseNext(Moment& moment);
  void Start(Moment& moment, uint32_t task);
  void Unstart(Moment& moment, uint32_t task);
  bool Advance();
  bool CouldHaveStarted(const Moment& moment, int64_t idle_since, int64_t next) const;
  bool FitsBeforeEnds(int64_t now, const std::vector<Running>& running) const;
  bool Started(uint32_t task) const { return (state_.started[task / 64] >> (task % 64) & 1) != 0; }
  const SeenStarts::State& StateOf(const Moment& moment);
  void Leave();

  const TaskGraph& graph_;
  std::vector<int64_t> tails_, weights_, work_after_;
  std::vector<std::vector<uint32_t>> better_;  // equally long, with all successors of this one
  SeenStarts seen_;

  int64_t target_ = 0;
  std::vector<uint32_t> by_priority_;
  struct Event {
    int64_t time;
    uint32_t task;
    int change;  // of the number of tasks that have to run: +1 latest start, -1 latest end
  };
  std::vector<Event> events_;

  std::vector<int64_t> start_, ready_at_;
  std::vector<uint32_t> missing_;
  SeenStarts::State state_;  // `started` is always of now, the rest only for a moment
  uint32_t left_ = 0;
  std::vector<Moment> moments_;  // the first `depth_` are in use
  size_t depth_ = 0;
};

MakespanSearch::Impl::Impl(const TaskGraph& graph, size_t most_memory_bytes)
    : graph_(graph),
      tails_(graph.tails),
      weights_(graph.size()),
      work_after_(graph.size()),
      seen_(most_memory_bytes),
      start_(graph.size()),
      ready_at_(graph.size()),
      missing_(graph.size()),
      moments_(graph.size() + 1) {
  state_.started.resize((graph.size() + 63) / 64);
  for (auto task = graph.order.rbegin(); task != graph.order.rend(); ++task) {
    for (const uint32_t next : graph.after[*task]) {
      // At most kMostTime for each path; only a measure.
      work_after_[*task] =
          std::min(work_after_[*task] + work_after_[next] + graph.times[next], kMostTime);
    }
  }
  FindEqualTasks();
}

// Of two tasks with equal time and equal successors that of the lower number is the better one.
void MakespanSearch::Impl::FindEqualTasks() {
  const uint32_t count = graph_.size();
  better_.assign(count, {});
  std::vector<std::vector<uint32_t>> after(count);
  for (uint32_t task = 0; task < count; ++task) {
    after[task].assign(graph_.after[task].begin(), graph_.after[task].end());
    std::sort(after[task].begin(), after[task].end());
  }
  for (uint32_t task = 0; task < count; ++task) {
    for (uint32_t other = 0; other < count; ++other) {
      if (other == task || graph_.times[other] != graph_.times[task] ||
          after[other].size() < after[task].size() ||
          (after[other].size() == after[task].size() && other > task) ||
          !std::includes(after[other].begin(), after[other].end(), after[task].begin(),
                         after[task].end())) {
        continue;
      }
      better_[task].push_back(other);
      // What follows this task follows the better one too.
      tails_[other] = std::max(tails_[other], tails_[task]);
      work_after_[other] = std::max(work_after_[other], work_after_[task]);
    }
  }
  // From n to 1: a better task weighs more.
  std::vector<uint32_t> tasks(count);
  std::iota(tasks.begin(), tasks.end(), 0u);
  std::stable_sort(tasks.begin(), tasks.end(),
                   [&](uint32_t a, uint32_t b) { return after[a].size() > after[b].size(); });
  for (uint32_t i = 0; i < count; ++i) weights_[tasks[i]] = count - i;
}

void MakespanSearch::Impl::SortTasks(Order order) {
  std::vector<int64_t> first(tails_);
  if (order == Order::kTailAndTime) {
    for (uint32_t task = 0; task < graph_.size(); ++task) first[task] += graph_.times[task];
  }
  if (order == Order::kWork) first = work_after_;
  by_priority_.resize(graph_.size());
  std::iota(by_priority_.begin(), by_priority_.end(), 0u);
  std::sort(by_priority_.begin(), by_priority_.end(), [&](uint32_t a, uint32_t b) {
    // The weight last, so that a better task is always before.
    return first[a] != first[b] ? first[a] > first[b] : weights_[a] > weights_[b];
  });
}

void MakespanSearch::Impl::SortEvents(int64_t target) {
  target_ = target;
  events_.clear();
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    const int64_t end = target - tails_[task];
    events_.push_back({end - graph_.times[task], task, 1});
    events_.push_back({end, task, -1});
  }
  std::stable_sort(events_.begin(), events_.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
}

void MakespanSearch::Impl::Begin() {
  left_ = graph_.size();
  std::fill(state_.started.begin(), state_.started.end(), uint64_t{0});
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    missing_[task] = static_cast<uint32_t>(graph_.before[task].size());
    ready_at_[task] = 0;
  }
  depth_ = 1;
  Moment& first = moments_[0];
  first.now = first.idle_since = first.weighted_starts = 0;
  first.running.clear();
  first.ended.clear();
  CollectReady(first);
}

void MakespanSearch::Impl::CollectReady(Moment& moment) {
  moment.ready.clear();
  moment.waiting.clear();
  moment.chosen.clear();
  for (const uint32_t task : by_priority_) {
    if (Started(task) || missing_[task] != 0) continue;
    // With a processor idle until now it would have started before now.
    const bool late = moment.idle_since < moment.now && ready_at_[task] < moment.now;
    (late ? moment.waiting : moment.ready).push_back(task);
  }
  Choose(moment, 0);
}

bool MakespanSearch::Impl::MayStart(const Moment& moment, uint32_t task) const {
  for (const uint32_t other : better_[task]) {
    if (!Started(other) && missing_[other] == 0 && ready_at_[other] <= moment.now) return false;
  }
  return true;
}

// As many of the ready tasks as there are processors, from index `from` on.
void MakespanSearch::Impl::Choose(Moment& moment, size_t from) {
  for (size_t i = from; i < moment.ready.size() && moment.running.size() < graph_.processors; ++i) {
    if (!MayStart(moment, moment.ready[i])) continue;
    moment.chosen.push_back(static_cast<uint32_t>(i));
    Start(moment, moment.ready[i]);
  }
}

// The next choice after all that begin like the present one; false: there is none.
bool MakespanSearch::Impl::ChooseNext(Moment& moment) {
  while (!moment.chosen.empty()) {
    const uint32_t index = moment.chosen.back();
    const uint32_t task = moment.ready[index];
    moment.chosen.pop_back();
    Unstart(moment, task);
    // One that cannot wait: nothing without it.
    if (moment.now + graph_.times[task] + tails_[task] >= target_) continue;
    Choose(moment, index + 1);
    return true;
  }
  return false;
}

void MakespanSearch::Impl::Start(Moment& moment, uint32_t task) {
  state_.started[task / 64] |= uint64_t{1} << (task % 64);
  --left_;
  start_[task] = moment.now;
  moment.weighted_starts += moment.now * weights_[task];
  const Running running{moment.now + graph_.times[task], task};
  moment.running.insert(std::upper_bound(moment.running.begin(), moment.running.end(), running,
                                         [](const Running& a, const Running& b) {
                                           return a.end != b.end ? a.end < b.end : a.task < b.task;
                                         }),
                        running);
}

void MakespanSearch::Impl::Unstart(Moment& moment, uint32_t task) {
  state_.started[task / 64] &= ~(uint64_t{1} << (task % 64));
  ++left_;
  moment.weighted_starts -= moment.now * weights_[task];
  moment.running.erase(std::find_if(moment.running.begin(), moment.running.end(),
                                    [&](const Running& one) { return one.task == task; }));
}

// To the next moment at which a task ends, with what is chosen now; false where that is in vain.
bool MakespanSearch::Impl::Advance() {
  const Moment& moment = moments_[depth_ - 1];
  if (moment.running.empty()) return false;
  const int64_t next = moment.running.front().end;
  const bool idle = moment.running.size() < graph_.processors;
  const int64_t idle_since = idle ? moment.idle_since : next;
  if (idle && CouldHaveStarted(moment, idle_since, next)) return false;
  Moment& after = moments_[depth_];
  after.now = next;
  after.idle_since = idle_since;
  after.weighted_starts = moment.weighted_starts;
  size_t ended = 0;
  while (ended < moment.running.size() && moment.running[ended].end == next) ++ended;
  after.running.assign(moment.running.begin() + static_cast<ptrdiff_t>(ended),
                       moment.running.end());
  if (!FitsBeforeEnds(next, after.running) || seen_.Covers(StateOf(after))) return false;
  after.ended.clear();
  for (size_t i = 0; i < ended; ++i) {
    after.ended.push_back(moment.running[i].task);
    for (const uint32_t task : graph_.after[moment.running[i].task]) {
      if (--missing_[task] == 0) ready_at_[task] = next;
    }
  }
  ++depth_;
  CollectReady(after);
  return true;
}

// A task that waits although there has been room for all of it.
bool MakespanSearch::Impl::CouldHaveStarted(const Moment& moment, int64_t idle_since,
                                            int64_t next) const {
  for (const std::vector<uint32_t>* tasks : {&moment.ready, &moment.waiting}) {
    for (const uint32_t task : *tasks) {
      if (Started(task)) continue;
      if (next - std::max(idle_since, ready_at_[task]) >= graph_.times[task]) return true;
    }
  }
  return false;
}

// For each later moment: what runs, and what has to be done of the rest before it, fits.
bool MakespanSearch::Impl::FitsBeforeEnds(int64_t now, const std::vector<Running>& running) const {
  int64_t time = now, slack = 0, busy = static_cast<int64_t>(running.size());
  size_t next = 0;
  const int64_t processors = graph_.processors;
  const auto go_to = [&](int64_t to) {
    slack += (processors - busy) * (to - time);
    time = to;
    return slack >= 0;
  };
  for (const Event& event : events_) {
    if (Started(event.task)) continue;
    if (event.time < now) return false;  // it should have started
    for (; next < running.size() && running[next].end <= event.time; ++next) {
      if (!go_to(running[next].end)) return false;
      --busy;
    }
    if (!go_to(event.time)) return false;
    busy += event.change;
  }
  return true;
}

const SeenStarts::State& MakespanSearch::Impl::StateOf(const Moment& moment) {
  state_.now = moment.now;
  state_.weighted_starts = moment.weighted_starts;
  state_.running.clear();
  for (const Running& one : moment.running) {
    state_.running.push_back(SeenStarts::Pack(one.end, one.task));
  }
  return state_;
}

// All choices of the last moment were in vain.
void MakespanSearch::Impl::Leave() {
  Moment& moment = moments_[depth_ - 1];
  seen_.Add(StateOf(moment));
  for (const uint32_t ended : moment.ended) {
    for (const uint32_t task : graph_.after[ended]) ++missing_[task];
  }
  --depth_;
}

MakespanSearch::Verdict MakespanSearch::Impl::Find(int64_t target, Order order,
                                                   uint64_t most_states, const SearchLimits& limits,
                                                   std::vector<int64_t>& start) {
  SortTasks(order);
  SortEvents(target);
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    if (graph_.heads[task] + graph_.times[task] + tails_[task] > target) return Verdict::kNone;
  }
  Begin();
  if (!FitsBeforeEnds(0, {})) return Verdict::kNone;
  bool again = true;  // the last moment has a choice that was not tried
  for (uint64_t states = 0; depth_ > 0;) {
    if (left_ == 0) {  // with what was chosen; ends are within the target by their latest ends
      start = start_;
      return Verdict::kFound;
    }
    if (again) {
      if (++states > most_states) return Verdict::kUnknown;
      if (states % kStatesPerClock == 0 && limits.expired()) return Verdict::kUnknown;
      if (Advance()) continue;
    }
    again = ChooseNext(moments_[depth_ - 1]);
    if (!again) Leave();
  }
  return Verdict::kNone;
}

MakespanSearch::MakespanSearch(const TaskGraph& graph, size_t most_memory_bytes)
    : impl_(std::make_unique<Impl>(graph, most_memory_bytes)) {}
MakespanSearch::~MakespanSearch() = default;

MakespanSearch::Verdict MakespanSearch::Find(int64_t target, Order order, uint64_t most_states,
                                             const SearchLimits& limits,
                                             std::vector<int64_t>& start) {
  return impl_->Find(target, order, most_states, limits, start);
}

}  // namespace tinyai
