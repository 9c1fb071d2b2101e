#include "solve/reduce_syncs.h"

#include <algorithm>
#include <cassert>

namespace tinyai {
namespace {

// Of each op the edges that lead to it from other places.
struct WaitsOfOps {
  WaitsOfOps(const FixedQueues& queues, std::span<const WaitEdge> edges)
      : begin(size_t{queues.size()} + 1) {
    const auto crosses = [&](const WaitEdge& edge) {
      return queues.place(edge.from) != queues.place(edge.to);
    };
    for (const WaitEdge& edge : edges) begin[edge.to] += crosses(edge);
    uint32_t sum = 0;
    for (uint32_t& at : begin) at = sum += at;
    waits.resize(sum);
    for (size_t i = edges.size(); i-- > 0;) {
      if (crosses(edges[i])) waits[--begin[edges[i].to]] = edges[i];
    }
  }
  std::span<const WaitEdge> of(uint32_t op) const {
    return std::span(waits).subspan(begin[op], begin[op + 1] - begin[op]);
  }

  std::vector<uint32_t> begin;
  std::vector<WaitEdge> waits;
};

// Whether the queues hold every edge between ops of the same place.
bool QueuesHold(const FixedQueues& queues, std::span<const WaitEdge> edges) {
  return std::all_of(edges.begin(), edges.end(), [&](const WaitEdge& edge) {
    return queues.place(edge.from) != queues.place(edge.to) || edge.distance > 0 ||
           queues.position(edge.from) < queues.position(edge.to);
  });
}

}  // namespace

FixedQueues::FixedQueues(std::vector<std::vector<uint32_t>> orders, uint32_t ops)
    : orders_(std::move(orders)), place_(ops), position_(ops) {
  for (uint32_t place = 0; place < orders_.size(); ++place) {
    for (uint32_t i = 0; i < orders_[place].size(); ++i) {
      place_[orders_[place][i]] = place;
      position_[orders_[place][i]] = i;
    }
  }
}

class ClockSweep {
 public:
  ClockSweep(const FixedQueues& queues, std::span<const WaitEdge> edges)
      : queues_(queues), places_(queues.places()), waits_(queues, edges) {
    for (const WaitEdge& edge : edges) {
      assert(edge.distance <= kMostDistance);
      loops_ = loops_ || edge.distance > 0;
    }
    out_.places_ = places_;
    known_.resize(places_);
  }

  bool Run() {
    if (!FindOrder()) return false;
    out_.clocks_.assign(size_t{queues_.size()} * places_, QueueClocks::kNever);
    // The latest knowledge comes by a path that enters each queue once and goes round it at most
    // once, so a few sweeps are enough. Without distances nothing of another iteration matters.
    bool changed = true;
    while (changed) {
      changed = false;
      for (const uint32_t op : out_.order_) changed |= Update(op);
      changed = changed && loops_;
    }
    return true;
  }

  std::vector<WaitEdge> Reduce() {
    std::vector<WaitEdge> kept, latest;
    for (const uint32_t op : out_.order_) {
      KnowBefore(op);
      FindLatest(op, latest);
      for (const WaitEdge& wait : latest) {
        const bool implied = std::any_of(latest.begin(), latest.end(), [&](const WaitEdge& other) {
          return &other != &wait && Told(other, queues_.place(wait.from)) >= Target(wait);
        });
        if (!implied) kept.push_back(wait);
      }
    }
    return kept;
  }

  QueueClocks Take() { return std::move(out_); }

 private:
  // Queue after queue, each as far as it gets.
  bool FindOrder() {
    std::vector<uint32_t>& order = out_.order_;
    order.reserve(queues_.size());
    std::vector<uint32_t> at(places_);
    const auto may_run = [&](uint32_t op) {
      const auto waits = waits_.of(op);
      return std::all_of(waits.begin(), waits.end(), [&](const WaitEdge& wait) {
        return wait.distance > 0 || queues_.position(wait.from) < at[queues_.place(wait.from)];
      });
    };
    for (size_t before = SIZE_MAX; before != order.size();) {
      before = order.size();
      for (uint32_t place = 0; place < places_; ++place) {
        const std::vector<uint32_t>& queue = queues_.order(place);
        while (at[place] < queue.size() && may_run(queue[at[place]])) {
          order.push_back(queue[at[place]++]);
        }
      }
    }
    return order.size() == queues_.size();
  }

  int64_t Length(uint32_t place) const { return static_cast<int64_t>(queues_.order(place).size()); }
  // How far `from` is, in the count of the iteration of `to`.
  int64_t Target(const WaitEdge& wait) const {
    return queues_.position(wait.from) + 1 - wait.distance * Length(queues_.place(wait.from));
  }
  // What the fence knew of `place`, in the count of the iteration of `to`.
  int64_t Told(const WaitEdge& wait, uint32_t place) const {
    if (place == queues_.place(wait.from)) return Target(wait);
    return Back(out_.Of(wait.from, place), place, wait.distance);
  }
  int64_t Back(int64_t clock, uint32_t place, uint32_t distance) const {
    return clock == QueueClocks::kNever ? clock : clock - distance * Length(place);
  }

  // Into known_: what the queue knows right before the op.
  void KnowBefore(uint32_t op) {
    const std::vector<uint32_t>& queue = queues_.order(queues_.place(op));
    const uint32_t position = queues_.position(op);
    if (position == 0 && !loops_) {
      std::fill(known_.begin(), known_.end(), QueueClocks::kNever);
      return;
    }
    const uint32_t before = position > 0 ? queue[position - 1] : queue.back();
    for (uint32_t place = 0; place < places_; ++place) {
      known_[place] = Back(out_.Of(before, place), place, position > 0 ? 0 : 1);
    }
  }

  bool Update(uint32_t op) {
    KnowBefore(op);
    for (const WaitEdge& wait : waits_.of(op)) {
      for (uint32_t place = 0; place < places_; ++place) {
        known_[place] = std::max(known_[place], Told(wait, place));
      }
    }
    known_[queues_.place(op)] = int64_t{queues_.position(op)} + 1;
    int64_t* const clock = &out_.clocks_[size_t{op} * places_];
    const bool changed = !std::equal(known_.begin(), known_.end(), clock);
    std::copy(known_.begin(), known_.end(), clock);
    return changed;
  }

  // Of each other place the latest op waited for, if that is not known yet.
  void FindLatest(uint32_t op, std::vector<WaitEdge>& latest) {
    latest.clear();
    for (const WaitEdge& wait : waits_.of(op)) {
      const uint32_t place = queues_.place(wait.from);
      if (Target(wait) <= known_[place]) continue;
      known_[place] = Target(wait);
      const auto same = std::find_if(latest.begin(), latest.end(), [&](const WaitEdge& other) {
        return queues_.place(other.from) == place;
      });
      if (same == latest.end()) {
        latest.push_back(wait);
      } else {
        *same = wait;
      }
    }
  }

  const FixedQueues& queues_;
  uint32_t places_;
  WaitsOfOps waits_;
  bool loops_ = false;
  QueueClocks out_;
  std::vector<int64_t> known_;
};

std::optional<QueueClocks> QueueClocks::Follow(const FixedQueues& queues,
                                               std::span<const WaitEdge> edges) {
  ClockSweep sweep(queues, edges);
  if (!QueuesHold(queues, edges) || !sweep.Run()) return std::nullopt;
  return sweep.Take();
}

std::optional<std::vector<WaitEdge>> ReduceSyncs(const FixedQueues& queues,
                                                 std::span<const WaitEdge> edges) {
  ClockSweep sweep(queues, edges);
  if (!QueuesHold(queues, edges) || !sweep.Run()) return std::nullopt;
  return sweep.Reduce();
}

}  // namespace tinyai
