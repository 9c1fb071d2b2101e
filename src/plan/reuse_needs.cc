#include <algorithm>
#include <variant>

#include "plan/net_passes.h"
#include "plan/stretches.h"

namespace tinyai {
namespace {

constexpr uint32_t kNobody = ~uint32_t{0};

// A command, as the count of those before it on its place in all iterations so far: of two on one
// place the later one implies the other.
struct Touch {
  uint32_t op = kNobody;
  uint32_t place = 0;
  uint32_t iteration = 0;
  uint64_t moment = 0;  // in the order, over all iterations
};

// Of every stretch: who touched it, the last of each place since the last write that was sure to
// happen.
using TouchedMemory = Stretches<std::monostate, Touch>;

class ReuseFinder {
 public:
  ReuseFinder(const TaskNet& net, const std::vector<PlaceId>& place_of, const NetPlan& plan)
      : net_(net), place_of_(place_of), plan_(plan), cells_(plan), latest_(net.places.size()) {
    for (const uint32_t count : cells_.counts()) memory_.emplace_back(count);
  }

  std::vector<NetNeed> Find(const std::vector<NetOpId>& order) {
    needs_.reserve(order.size());
    for (uint32_t iteration = 0; iteration < (net_.loops ? 2 : 1); ++iteration) {
      for (size_t at = 0; at < order.size(); ++at) {
        FetchAhead(net_, order, at);
        Perform(order[at], iteration);
      }
    }
    return std::move(needs_);
  }

 private:
  void Perform(NetOpId id, uint32_t iteration) {
    const NetOp& op = net_.op(id);
    if (op.once && iteration > 0) return;
    const Touch touch{static_cast<uint32_t>(id), static_cast<uint32_t>(place_of_[Index(id)]),
                      iteration, ++moment_};
    for (const NetValueId in : op.ins) ReadValue(in, touch);
    EachCondition(net_, op.region, [&](NetValueId value) { ReadValue(value, touch); });
    std::fill(latest_.begin(), latest_.end(), Touch());
    Write(plan_.workspaces[Index(id)].memory, cells_.workspace(Index(id)), touch);
    for (const NetValueId out : op.outs) {
      Write(plan_.value_buffers[Index(out)].memory, cells_.value(Index(out)), touch);
    }
    for (const Touch& old : latest_) {
      if (old.op == kNobody) continue;
      needs_.push_back({NetOpId(old.op), id, iteration - old.iteration, NetNeed::Kind::kReuse});
    }
  }

  static void Remember(TouchedMemory& memory, TouchedMemory::Stretch& stretch, const Touch& touch) {
    const bool added = memory.EachItem(stretch, [&](Touch& old) {
      if (old.place != touch.place) return true;
      if (old.moment < touch.moment) old = touch;
      return false;
    });
    if (added) memory.Add(stretch, touch);
  }

  void ReadValue(NetValueId id, const Touch& touch) {
    TouchedMemory& memory = memory_[Index(plan_.value_buffers[Index(id)].memory)];
    memory.Each(cells_.value(Index(id)), [&](TouchedMemory::Stretch& stretch) {
      Remember(memory, stretch, touch);
      return true;
    });
  }

  // Where this write may be left out, the next one still meets those before it.
  void Write(MemoryId where, CellRange cells, const Touch& touch) {
    if (cells.first == cells.last) return;
    TouchedMemory& memory = memory_[Index(where)];
    const bool sure = Index(net_.op(NetOpId(touch.op)).region) == 0;
    before_.clear();
    const auto meet = [&](const Touch& old) {
      if (!sure) before_.push_back(old);
      if (old.place != touch.place && old.moment > latest_[old.place].moment) {
        latest_[old.place] = old;
      }
      return true;
    };
    memory.Each(cells, [&](const TouchedMemory::Stretch& stretch) {
      return memory.EachItem(stretch, meet);
    });
    TouchedMemory::Stretch& now = memory.Join(cells);
    for (const Touch& old : before_) Remember(memory, now, old);
    Remember(memory, now, touch);
  }

  const TaskNet& net_;
  const std::vector<PlaceId>& place_of_;
  const NetPlan& plan_;
  const BufferCells cells_;
  std::vector<TouchedMemory> memory_;
  uint64_t moment_ = 0;
  std::vector<Touch> latest_;  // by place: whom the op meets
  std::vector<Touch> before_;
  std::vector<NetNeed> needs_;
};

}  // namespace

std::vector<NetNeed> ReuseNeeds(const TaskNet& net, const std::vector<NetOpId>& order,
                                const std::vector<PlaceId>& place_of, const NetPlan& plan) {
  return ReuseFinder(net, place_of, plan).Find(order);
}

}  // namespace tinyai
