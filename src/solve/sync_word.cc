#include "solve/sync_word.h"

#include <algorithm>

namespace tinyai {

using Kind = SyncCommand::Kind;

namespace {

// The pair of places with the most edges that wait between them; of several the last one. Counts
// go down unnoticed.
class BusiestPair {
 public:
  explicit BusiestPair(uint32_t places) : most_(places) {}

  // More may wait for `from`.
  template <typename Count>
  void Update(uint32_t from, Count count) {
    Row& row = most_[from] = {};
    for (uint32_t to = 0; to < most_.size(); ++to) {
      if (const size_t edges = count(from, to); edges >= row.edges) row = {edges, to};
    }
  }
  // Where there is one.
  template <typename Count>
  SyncMove Most(Count count) {
    while (true) {
      uint32_t from = 0;
      for (uint32_t i = 1; i < most_.size(); ++i) {
        if (most_[i].edges >= most_[from].edges) from = i;
      }
      const Row& row = most_[from];
      if (count(from, row.to) == row.edges) return {from, row.to, false};
      Update(from, count);  // it was more when it was counted
    }
  }

 private:
  struct Row {
    size_t edges = 0;
    uint32_t to = 0;
  };
  std::vector<Row> most_;  // by place that is waited for
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
  waiting_.assign(size_t{net_.places} * net_.places, {});
  marks_.clear();
  ran_.clear();
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
      if (net_.place[next] != place) {
        WaitingOf(place, net_.place[next])
            .edges.push_back({static_cast<uint32_t>(at.done.size()), next});
      } else if (--missing_[next] == 0) {
        at.ready.push_back(next);
        std::push_heap(at.ready.begin(), at.ready.end(), later);
      }
    }
  }
  at.knows[place] = static_cast<uint32_t>(at.done.size());
}

void WordRunner::Learn(uint32_t place, const std::vector<uint32_t>& knows) {
  std::vector<uint32_t>& known = places_[place].knows;
  for (uint32_t other = 0; other < net_.places; ++other) {
    if (known[other] >= knows[other]) continue;
    known[other] = knows[other];
    Waiting& waiting = WaitingOf(other, place);
    for (; waiting.left() > 0 && waiting.edges[waiting.told].done <= knows[other]; ++waiting.told) {
      const uint32_t next = waiting.edges[waiting.told].next;
      if (--missing_[next] == 0) places_[place].ready.push_back(next);
    }
  }
  RunReady(place);
}

bool WordRunner::Move(const SyncMove& move) {
  Place& from = places_[move.from];
  marks_.push_back({static_cast<uint32_t>(from.done.size()),
                    static_cast<uint32_t>(places_[move.to].done.size())});
  if (move.reuse && from.fence.empty()) return false;
  if (!move.reuse) from.fence = from.knows;
  const std::vector<uint32_t>& known = places_[move.to].knows;
  const bool tells = !std::equal(known.begin(), known.end(), from.fence.begin(),
                                 [](uint32_t mine, uint32_t other) { return mine >= other; });
  if (tells) Learn(move.to, from.fence);
  return tells;
}

bool WordRunner::Run(const SyncWord& word) {
  Begin();
  return std::all_of(word.begin(), word.end(), [&](const SyncMove& move) { return Move(move); }) &&
         left_ == 0;
}

bool WordRunner::Completes(const SyncWord& word) { return Run(word); }

std::optional<SyncSchedule> WordRunner::Schedule(const SyncWord& word) {
  const bool known = left_ == 0 && !ran_.empty() && ran_ == word;
  if (!known && !Run(word)) return std::nullopt;
  SyncSchedule out;
  out.queues.resize(net_.places);
  for (uint32_t place = 0; place < net_.places; ++place) {
    out.queues[place].reserve(places_[place].done.size() + word.size());
  }
  std::vector<uint32_t> emitted(net_.places), last_fence(net_.places);
  uint32_t fences = 0;
  const auto emit_runs = [&](uint32_t place, size_t end) {
    const std::vector<uint32_t>& done = places_[place].done;
    for (; emitted[place] < end; ++emitted[place]) {
      out.queues[place].push_back({Kind::kRun, done[emitted[place]]});
    }
  };
  for (size_t i = 0; i < word.size(); ++i) {
    const SyncMove& move = word[i];
    emit_runs(move.from, marks_[i].from);
    emit_runs(move.to, marks_[i].to);
    if (!move.reuse) {
      last_fence[move.from] = fences;
      out.queues[move.from].push_back({Kind::kFence, fences++});
    }
    out.queues[move.to].push_back({Kind::kSync, last_fence[move.from]});
  }
  for (uint32_t place = 0; place < net_.places; ++place) {
    emit_runs(place, places_[place].done.size());
  }
  return out;
}

SyncWord WordRunner::Greedy() {
  Begin();
  const auto count = [&](uint32_t from, uint32_t to) { return WaitingOf(from, to).left(); };
  BusiestPair busiest(net_.places);
  for (uint32_t place = 0; place < net_.places; ++place) busiest.Update(place, count);
  SyncWord word;
  while (left_ > 0) {
    word.push_back(busiest.Most(count));
    Move(word.back());
    busiest.Update(word.back().to, count);
  }
  ran_ = word;
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
