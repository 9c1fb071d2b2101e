#include <algorithm>

#include "base/checked.h"
#include "plan/net_passes.h"
#include "solve/offsets.h"

namespace tinyai {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};
constexpr uint32_t kNobody = ~uint32_t{0}, kSeveral = kNobody - 1;

// Values that lie in the same bytes, one after the other.
struct Storage {
  MemoryId memory{};
  uint32_t place = kNobody;  // the only one that touches it, or kSeveral
  uint64_t bytes = 0;
  uint32_t begin = 0, end = 0;  // positions in the order, half open
  bool placed = false;          // its offset is given
};

class BufferPlacer {
 public:
  BufferPlacer(const TaskNet& net, const std::vector<NetOpId>& order,
               const std::vector<PlaceId>& place_of, Sharing sharing, NetPlan& plan)
      : net_(net),
        order_(order),
        place_of_(place_of),
        sharing_(sharing),
        plan_(plan),
        last_use_(net.values.size(), 0),
        toucher_(net.values.size(), kNobody),
        storage_of_(net.values.size(), kNone),
        position_(net.ops.size()) {
    for (uint32_t at = 0; at < order.size(); ++at) position_[Index(order[at])] = at;
    end_ = position_;
    for (uint32_t& end : end_) ++end;
    ExtendGangs();
    // Several iterations at a time go through all ops between two waits.
    if (net.in_turns) {
      std::fill(position_.begin(), position_.end(), 0);
      std::fill(end_.begin(), end_.end(), End());
    }
  }

  std::vector<Bounded> Place() {
    storages_.reserve(net_.values.size());
    offsets_.reserve(net_.values.size());
    FindUses();
    PlaceGiven();
    PlaceResults();
    AddWorkspaces();
    plan_.heights.clear();
    return Pack();
  }

 private:
  // Later than any use: nobody may take the place of what lives until then.
  uint32_t End() const { return static_cast<uint32_t>(order_.size()) + 1; }

  // What any of a gang's ops touches is in use while one of them runs.
  void ExtendGangs() {
    for (size_t at = 0; at < order_.size();) {
      const uint32_t gang = net_.op(order_[at]).gang;
      size_t behind = at + 1;
      while (gang != 0 && behind < order_.size() && net_.op(order_[behind]).gang == gang) ++behind;
      for (size_t i = at; i < behind; ++i) {
        position_[Index(order_[i])] = static_cast<uint32_t>(at);
        end_[Index(order_[i])] = static_cast<uint32_t>(behind);
      }
      at = behind;
    }
  }

  // In the order of memory.
  void FindUses() {
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      const NetOp& op = net_.ops[i];
      const uint32_t place = static_cast<uint32_t>(place_of_[i]);
      const bool stays = op.once && net_.loops;
      for (const NetValueId in : op.ins) Use(in, place, end_[i]);
      for (const NetValueId out : op.outs) Use(out, place, stays ? End() : end_[i]);
      // Conditions are looked at by every op of their region.
      EachCondition(net_, op.region, [&](NetValueId id) { Use(id, place, end_[i]); });
      const uint64_t bytes = op.choice_at(place_of_[i])->workspace_bytes;
      if (bytes != 0) workspaces_.emplace_back(i, bytes);
    }
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const NetValue& value = net_.values[i];
      if (value.wanted || (value.given && net_.loops)) last_use_[i] = End();
      if (value.carried_from) last_use_[Index(*value.carried_from)] = End();
    }
  }
  void Use(NetValueId id, uint32_t place, uint32_t until) {
    uint32_t& toucher = toucher_[Index(id)];
    toucher = toucher == kNobody || toucher == place ? place : kSeveral;
    last_use_[Index(id)] = std::max(last_use_[Index(id)], until);
  }

  uint32_t AddStorage(NetValueId id, uint32_t begin, uint32_t end) {
    const NetValue& value = net_.value(id);
    storages_.push_back(
        {value.memory, toucher_[Index(id)], value.bytes, begin, end, value.offset.has_value()});
    offsets_.push_back(value.offset.value_or(0));
    return static_cast<uint32_t>(storages_.size() - 1);
  }

  void PlaceGiven() {
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const NetValue& value = net_.values[i];
      if (!value.given) continue;
      storage_of_[i] = AddStorage(NetValueId(i), 0, std::max(1u, last_use_[i]));
      if (value.carried_from) storage_of_[Index(*value.carried_from)] = storage_of_[i];
    }
  }

  // First those that lie for themselves, in the order of memory; then, in the order in which they
  // run, those that take the place of an operand if they may.
  void PlaceResults() {
    std::vector<uint32_t> in_place;  // positions
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      const NetOp& op = net_.ops[i];
      if (op.in_place) in_place.push_back(position_[i]);
      for (size_t k = op.in_place ? 1 : 0; k < op.outs.size(); ++k) PlaceApart(op, i, op.outs[k]);
    }
    std::sort(in_place.begin(), in_place.end());
    for (const uint32_t at : in_place) {
      const NetOp& op = net_.op(order_[at]);
      const NetValueId in = op.ins[0], out = op.outs[0];
      if (storage_of_[Index(out)] != kNone || !MayTake(in, out, at)) {
        PlaceApart(op, Index(order_[at]), out);
        continue;
      }
      storage_of_[Index(out)] = storage_of_[Index(in)];
      Storage& shared = storages_[storage_of_[Index(out)]];
      shared.end = std::max(shared.end, last_use_[Index(out)]);
    }
  }
  void PlaceApart(const NetOp& op, size_t id, NetValueId out) {
    if (storage_of_[Index(out)] != kNone) return;  // carried
    const bool stays = op.once && net_.loops;      // made once
    storage_of_[Index(out)] =
        AddStorage(out, stays ? 0 : position_[id], stays ? End() : last_use_[Index(out)]);
  }

  bool MayTake(NetValueId in, NetValueId out, uint32_t at) const {
    const NetValue &from = net_.value(in), &to = net_.value(out);
    if (sharing_ == Sharing::kWithinPlaces &&
        (toucher_[Index(in)] == kSeveral || toucher_[Index(in)] != toucher_[Index(out)])) {
      return false;
    }
    return last_use_[Index(in)] == at + 1 && from.bytes == to.bytes && from.memory == to.memory &&
           !from.offset && !to.offset;
  }

  // Behind the values.
  void AddWorkspaces() {
    workspace_of_.assign(net_.ops.size(), kNone);
    for (const auto& [op, bytes] : workspaces_) {
      const PlaceId place = place_of_[op];
      workspace_of_[op] = static_cast<uint32_t>(storages_.size());
      storages_.push_back(
          {net_.place(place).memory, static_cast<uint32_t>(place), bytes, position_[op], end_[op]});
    }
    offsets_.resize(storages_.size(), 0);
  }

  // Each memory by itself, behind its reserved bytes; without sharing between places, what each
  // place has for itself, and what several touch, lie one after the other.
  std::vector<Bounded> Pack() {
    std::vector<Bounded> out;
    for (size_t memory = 0; memory < net_.memories.size(); ++memory) {
      const NetMemory& in = net_.memories[memory];
      const uint64_t base = RoundUp(in.reserved_bytes, in.alignment);
      Bounded height{base, base};
      // By place; behind these what several touch, and nobody.
      const size_t places = net_.places.size();
      std::vector<std::vector<uint32_t>> groups(places + 2);
      const auto group_of = [&](const Storage& storage) {
        if (sharing_ == Sharing::kAll) return size_t{0};
        return std::min<size_t>(storage.place, storage.place == kNobody ? places + 1 : places);
      };
      for (uint32_t i = 0; i < storages_.size(); ++i) {
        const Storage& storage = storages_[i];
        if (Index(storage.memory) != memory || storage.bytes == 0 || storage.placed) continue;
        groups[group_of(storage)].push_back(i);
      }
      for (size_t i = 0; i < groups.size(); ++i) {
        if (groups[i].empty()) continue;
        if (sharing_ == Sharing::kWithinPlaces && i == places) {
          LayOut(groups[i], in.alignment, height);
        } else {
          PackGroup(groups[i], in.alignment, height);
        }
      }
      plan_.heights.push_back(height.value);
      out.push_back(height);
    }
    Write();
    return out;
  }

  // One after the other.
  void LayOut(const std::vector<uint32_t>& group, uint64_t alignment, Bounded& height) {
    for (const uint32_t i : group) {
      offsets_[i] = height.value;
      height.value += RoundUp(storages_[i].bytes, alignment);
      height.lower_bound += RoundUp(storages_[i].bytes, alignment);
    }
  }
  void PackGroup(const std::vector<uint32_t>& group, uint64_t alignment, Bounded& height) {
    std::vector<Buffer> buffers;
    buffers.reserve(group.size());
    for (const uint32_t i : group) {
      buffers.push_back(
          {storages_[i].begin, storages_[i].end, RoundUp(storages_[i].bytes, alignment)});
    }
    SearchLimits limits;
    limits.effort = Effort::kFast;  // a plan is made in milliseconds
    const Packing packing = PackBuffers(buffers, limits);
    for (size_t i = 0; i < group.size(); ++i) {
      offsets_[group[i]] = height.value + packing.offsets[i];
    }
    height.value += packing.height;
    height.lower_bound += packing.lower_bound;
  }

  void Write() {
    plan_.value_buffers.clear();
    plan_.value_buffers.reserve(net_.values.size());
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const uint32_t storage = storage_of_[i];
      plan_.value_buffers.push_back(
          {net_.values[i].memory, offsets_[storage], net_.values[i].bytes});
    }
    plan_.workspaces.assign(net_.ops.size(), {});
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      plan_.workspaces[i].memory = net_.place(place_of_[i]).memory;
      if (workspace_of_[i] == kNone) continue;
      plan_.workspaces[i].offset = offsets_[workspace_of_[i]];
      plan_.workspaces[i].bytes = storages_[workspace_of_[i]].bytes;
    }
  }

  const TaskNet& net_;
  const std::vector<NetOpId>& order_;
  const std::vector<PlaceId>& place_of_;
  const Sharing sharing_;
  NetPlan& plan_;
  std::vector<uint32_t> last_use_;      // by value: position of the last op that touches it, plus 1
  std::vector<uint32_t> toucher_;       // by value: a place, kNobody or kSeveral
  std::vector<uint32_t> storage_of_;    // by value
  std::vector<uint32_t> position_;      // by op: in the order, of a gang its first
  std::vector<uint32_t> end_;           // by op: behind that, of a gang its last
  std::vector<uint32_t> workspace_of_;  // by op
  std::vector<std::pair<size_t, uint64_t>> workspaces_;  // op and bytes
  std::vector<Storage> storages_;
  std::vector<uint64_t> offsets_;  // by storage
};

}  // namespace

std::vector<Bounded> PlaceNetBuffers(const TaskNet& net, const std::vector<NetOpId>& order,
                                     const std::vector<PlaceId>& place_of, Sharing sharing,
                                     NetPlan& plan) {
  return BufferPlacer(net, order, place_of, sharing, plan).Place();
}

}  // namespace tinyai
