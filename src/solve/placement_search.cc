#include <algorithm>
#include <cmath>

#include "solve/placement_net.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostStates = 4'000'000;  // about a second
constexpr uint64_t kStatesPerClock = 1024;

// Ops are appended to places in the order of their starts, which reaches every schedule in which
// nothing can start earlier in its order. Depth first, soonest start first.
class Search {
 public:
  Search(const PlacementNet& net, const SearchLimits& limits, PlacementResult& best)
      : net_(net),
        limits_(limits),
        best_(best),
        place_(net.ops),
        start_(net.ops),
        missing_(net.ops),
        done_(net.ops),
        free_(net.places, 0),
        room_(net.problem.budgets) {
    for (uint32_t op = 0; op < net.ops; ++op) {
      missing_[op] = static_cast<uint32_t>(net.before[op].size());
      double least = PlacementProblem::kNever;
      for (uint32_t p = 0; p < net.places; ++p) least = std::min(least, net.Seconds(op, p));
      least_.push_back(least);
      left_ += least;
    }
  }

  bool Run() {
    steps_.resize(size_t{net_.ops} + 1);
    depth_ = 1;
    Open(steps_[0]);
    for (uint64_t states = 0; depth_ > 0;) {
      Step& step = steps_[depth_ - 1];
      if (depth_ > 1 && step.next == 0 && depth_ - 1 == net_.ops) Keep();
      if (step.next == step.choices.size()) {
        --depth_;
        if (depth_ > 0) Undo(steps_[depth_ - 1]);
        continue;
      }
      if (++states > kMostStates && limits_.effort != Effort::kExact) return false;
      if (states % kStatesPerClock == 0 && limits_.expired()) return false;
      const Choice choice = step.choices[step.next++];
      if (choice.bound >= best_.seconds) continue;
      Do(step, choice);
      Open(steps_[depth_++]);
    }
    return true;
  }

 private:
  struct Choice {
    double start, bound;
    uint32_t op, place;
  };
  struct Step {
    std::vector<Choice> choices;
    size_t next = 0;
    Choice taken{};
    double free = 0, last = 0, left = 0, length = 0;  // before `taken`
  };

  double Ready(uint32_t op, uint32_t place) const {
    double ready = std::max(last_, free_[place]);
    for (const PlacementNet::Neighbour& before : net_.before[op]) {
      const uint32_t from = place_[before.op];
      ready = std::max(ready, start_[before.op] + net_.Seconds(before.op, from) +
                                  net_.Travel(from, place, before.bytes));
    }
    return ready;
  }

  // Every op that is left starts no sooner than what started last, and all work has to be shared.
  void Open(Step& step) {
    step.choices.clear();
    step.next = 0;
    double work = left_;
    for (const double free : free_) work += std::max(free, last_);
    const double least = std::max(length_, work / net_.places * (1 - 1e-12));
    double hardest = least;
    for (uint32_t op = 0; op < net_.ops; ++op) {
      if (done_[op] != 0 || missing_[op] != 0) continue;
      double soonest = PlacementProblem::kNever;
      for (uint32_t place = 0; place < net_.places; ++place) {
        if (!std::isfinite(net_.Seconds(op, place))) continue;
        if (!room_.empty() && room_[place] < net_.Bytes(op)) continue;
        const double start = Ready(op, place);
        const double bound = start + net_.levels[op * net_.places + place];
        soonest = std::min(soonest, bound);
        if (std::isfinite(bound)) {
          step.choices.push_back({start, std::max(bound, least), op, place});
        }
      }
      hardest = std::max(hardest, soonest);
    }
    if (hardest >= best_.seconds) step.choices.clear();
    std::sort(step.choices.begin(), step.choices.end(), [](const Choice& a, const Choice& b) {
      if (a.start != b.start) return a.start < b.start;
      if (a.bound != b.bound) return a.bound < b.bound;
      return a.op != b.op ? a.op < b.op : a.place < b.place;
    });
  }

  void Do(Step& step, const Choice& choice) {
    const uint32_t op = choice.op, place = choice.place;
    step.taken = choice;
    step.free = free_[place];
    step.last = last_;
    step.left = left_;
    step.length = length_;
    place_[op] = place;
    start_[op] = last_ = choice.start;
    done_[op] = 1;
    free_[place] = choice.start + net_.Seconds(op, place);
    length_ = std::max(length_, free_[place]);
    left_ -= least_[op];
    if (!room_.empty()) room_[place] -= net_.Bytes(op);
    for (const PlacementNet::Neighbour& next : net_.after[op]) --missing_[next.op];
  }

  void Undo(const Step& step) {
    const uint32_t op = step.taken.op, place = step.taken.place;
    for (const PlacementNet::Neighbour& next : net_.after[op]) ++missing_[next.op];
    if (!room_.empty()) room_[place] += net_.Bytes(op);
    done_[op] = 0;
    free_[place] = step.free;
    last_ = step.last;
    left_ = step.left;
    length_ = step.length;
  }

  void Keep() {
    if (length_ >= best_.seconds) return;
    best_.seconds = length_;
    best_.place = place_;
    best_.start = start_;
  }

  const PlacementNet& net_;
  const SearchLimits& limits_;
  PlacementResult& best_;
  std::vector<uint32_t> place_;
  std::vector<double> start_;
  std::vector<uint32_t> missing_;
  std::vector<uint8_t> done_;
  std::vector<double> free_, least_;
  std::vector<uint64_t> room_;
  double left_ = 0, last_ = 0, length_ = 0;
  std::vector<Step> steps_;
  size_t depth_ = 0;
};

}  // namespace

bool SearchPlacement(const PlacementNet& net, const SearchLimits& limits, PlacementResult& result) {
  return Search(net, limits, result).Run();
}

}  // namespace tinyai
