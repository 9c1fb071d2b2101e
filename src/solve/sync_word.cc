#include "solve/sync_word.h"

#include <algorithm>
#include <queue>
#include <span>
#include <utility>

namespace tinyai {

using Kind = SyncCommand::Kind;

namespace {

// For each pair of places, how many edges lead from what one has run to ops of the other, which
// does not know it.
class WaitingEdges {
 public:
  explicit WaitingEdges(uint32_t places) : places_(places), count_(size_t{places} * places) {}

  void Add(uint32_t from, uint32_t to) { ++count_[size_t{from} * places_ + to]; }
  void Remove(uint32_t from, uint32_t to) { --count_[size_t{from} * places_ + to]; }
  // After edges from `from` were added.
  void Update(uint32_t from) {
    for (size_t pair = size_t{from} * places_; pair < (size_t{from} + 1) * places_; ++pair) {
      if (count_[pair] > 0) heap_.emplace(count_[pair], pair);
    }
  }
  // The pair with the most, of which there is one.
  std::pair<uint32_t, uint32_t> Most() {
    while (true) {
      const auto [count, pair] = heap_.top();
      heap_.pop();
      if (count == count_[pair]) {
        return {static_cast<uint32_t>(pair / places_), static_cast<uint32_t>(pair % places_)};
      }
      // Counted when it was more; what was added since has an entry of its own.
      if (count_[pair] > 0 && count_[pair] < count) heap_.emplace(count_[pair], pair);
    }
  }

 private:
  size_t places_;
  std::vector<uint64_t> count_;
  std::priority_queue<std::pair<uint64_t, size_t>> heap_;
};

}  // namespace

WordRunner::WordRunner(const SyncNet& net)
    : net_(net),
      successors_(OpLists::Successors(net)),
      rank_(net.size()),
      missing_at_first_(net.size()) {
  const std::vector<uint32_t> order = TopologicalOrder(net);
  for (uint32_t i = 0; i < order.size(); ++i) rank_[order[i]] = i;
  for (const SyncNet::Edge& edge : net.edges) ++missing_at_first_[edge.to];
}

void WordRunner::Begin() {
  missing_ = missing_at_first_;
  left_ = net_.size();
  places_.assign(net_.places, {});
  for (uint32_t op = 0; op < net_.size(); ++op) {
    if (missing_[op] == 0) places_[net_.place[op]].ready.push_back(op);
  }
  for (uint32_t place = 0; place < net_.places; ++place) {
    places_[place].knows.assign(net_.places, 0);
    RunReady(place);
  }
}

void WordRunner::RunReady(uint32_t place) {
  Place& at = places_[place];
  const auto later = [&](uint32_t a, uint32_t b) { return rank_[a] > rank_[b]; };
  std::make_heap(at.ready.begin(), at.ready.end(), later);
  while (!at.ready.empty()) {
    std::pop_heap(at.ready.begin(), at.ready.end(), later);
    const uint32_t op = at.ready.back();
    at.ready.pop_back();
    at.done.push_back(op);
    --left_;
    for (const uint32_t next : successors_.of(op)) {
      if (net_.place[next] != place || --missing_[next] != 0) continue;
      at.ready.push_back(next);
      std::push_heap(at.ready.begin(), at.ready.end(), later);
    }
  }
  at.knows[place] = static_cast<uint32_t>(at.done.size());
}

// `place` comes to know that `op` of another place is complete.
void WordRunner::Known(uint32_t op, uint32_t place) {
  for (const uint32_t next : successors_.of(op)) {
    if (net_.place[next] == place && --missing_[next] == 0) places_[place].ready.push_back(next);
  }
}

void WordRunner::Learn(uint32_t place, const std::vector<uint32_t>& knows) {
  std::vector<uint32_t>& known = places_[place].knows;
  for (uint32_t other = 0; other < net_.places; ++other) {
    for (; known[other] < knows[other]; ++known[other]) {
      Known(places_[other].done[known[other]], place);
    }
  }
  RunReady(place);
}

bool WordRunner::Move(const SyncMove& move) {
  Place& from = places_[move.from];
  if (move.reuse && from.fence.empty()) return false;
  if (!move.reuse) from.fence = from.knows;
  const std::vector<uint32_t>& known = places_[move.to].knows;
  const bool tells = !std::equal(known.begin(), known.end(), from.fence.begin(),
                                 [](uint32_t mine, uint32_t other) { return mine >= other; });
  if (tells) Learn(move.to, from.fence);
  return tells;
}

bool WordRunner::Completes(const SyncWord& word) {
  Begin();
  return std::all_of(word.begin(), word.end(), [&](const SyncMove& move) { return Move(move); }) &&
         left_ == 0;
}

std::optional<SyncSchedule> WordRunner::Schedule(const SyncWord& word) {
  Begin();
  SyncSchedule out;
  out.queues.resize(net_.places);
  std::vector<uint32_t> emitted(net_.places), last_fence(net_.places);
  uint32_t fences = 0;
  const auto emit_runs = [&](uint32_t place) {
    const std::vector<uint32_t>& done = places_[place].done;
    for (; emitted[place] < done.size(); ++emitted[place]) {
      out.queues[place].push_back({Kind::kRun, done[emitted[place]]});
    }
  };
  for (const SyncMove& move : word) {
    emit_runs(move.from);
    emit_runs(move.to);
    if (!Move(move)) return std::nullopt;
    if (!move.reuse) {
      last_fence[move.from] = fences;
      out.queues[move.from].push_back({Kind::kFence, fences++});
    }
    out.queues[move.to].push_back({Kind::kSync, last_fence[move.from]});
  }
  if (left_ != 0) return std::nullopt;
  for (uint32_t place = 0; place < net_.places; ++place) emit_runs(place);
  return out;
}

SyncWord WordRunner::Greedy() {
  Begin();
  WaitingEdges waiting(net_.places);
  const auto count = [&](uint32_t place, uint32_t first) {
    for (const uint32_t op : std::span(places_[place].done).subspan(first)) {
      for (const uint32_t next : successors_.of(op)) {
        if (net_.place[next] != place) waiting.Add(place, net_.place[next]);
      }
    }
    waiting.Update(place);
  };
  for (uint32_t place = 0; place < net_.places; ++place) count(place, 0);
  SyncWord word;
  while (left_ > 0) {
    const auto [from, to] = waiting.Most();
    const std::vector<uint32_t> before = places_[to].knows;
    word.push_back({from, to, false});
    Move(word.back());
    for (uint32_t other = 0; other < net_.places; ++other) {
      if (other == to) continue;
      const auto learnt = std::span(places_[other].done).first(places_[to].knows[other]);
      for (const uint32_t op : learnt.subspan(before[other])) {
        for (const uint32_t next : successors_.of(op)) {
          if (net_.place[next] == to) waiting.Remove(other, to);
        }
      }
    }
    count(to, before[to]);
  }
  return word;
}

SyncWord Shorten(WordRunner& runner, SyncWord word, uint64_t runs) {
  // What ends up last was most likely made unnecessary by what came before.
  for (size_t i = word.size(); i-- > 0 && runs > 0; --runs) {
    SyncWord shorter = word;
    shorter.erase(shorter.begin() + static_cast<ptrdiff_t>(i));
    if (runner.Completes(shorter)) word = std::move(shorter);
  }
  return word;
}

SyncWord ReuseFences(WordRunner& runner, SyncWord word, uint64_t runs) {
  for (size_t i = word.size(); i-- > 0 && runs > 0; --runs) {
    if (word[i].reuse) continue;
    word[i].reuse = true;
    if (!runner.Completes(word)) word[i].reuse = false;
  }
  return word;
}

}  // namespace tinyai
