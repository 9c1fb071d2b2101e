#include <algorithm>

#include "base/checked.h"
#include "plan/net_passes.h"
#include "solve/offsets.h"

namespace tinyai {
namespace {

constexpr size_t kNone = ~size_t{0};
constexpr uint32_t kNobody = ~uint32_t{0}, kSeveral = kNobody - 1;

// Values that lie in the same bytes, one after the other.
struct Storage {
  MemoryId memory{};
  uint32_t place = kNobody;  // the only one that touches it, or kSeveral
  uint64_t bytes = 0;
  uint64_t begin = 0, end = 0;  // moments: half open, twice the position in the order
  std::optional<uint64_t> offset;
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
        storage_of_(net.values.size(), kNone) {}

  std::vector<Bounded> Place() {
    storages_.reserve(net_.values.size());
    FindUses();
    PlaceGiven();
    for (size_t at = 0; at < order_.size(); ++at) {
      FetchAhead(net_, order_, at);
      FetchResults(at + 4);
      PlaceResults(at);
      FindWorkspace(at);
    }
    AddWorkspaces();
    plan_.heights.clear();
    return Pack();
  }

 private:
  // Later than any use: nobody may take the place of what lives until then.
  uint64_t End() const { return order_.size() + 1; }

  void FindUses() {
    for (size_t at = 0; at < order_.size(); ++at) {
      FetchAhead(net_, order_, at);
      const NetOp& op = net_.op(order_[at]);
      const uint32_t place = static_cast<uint32_t>(place_of_[Index(order_[at])]);
      for (const NetValueId in : op.ins) Use(in, place, at);
      for (const NetValueId out : op.outs) Use(out, place, at);
      // Conditions are looked at by every op of their region.
      EachCondition(net_, op.region, [&](NetValueId id) { Use(id, place, at); });
    }
    for (const NetOp& op : net_.ops) {
      if (!net_.loops) break;
      if (!op.once) continue;
      for (const NetValueId out : op.outs) last_use_[Index(out)] = End();
    }
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const NetValue& value = net_.values[i];
      if (value.wanted || (value.given && net_.loops)) last_use_[i] = End();
      if (value.carried_from) last_use_[Index(*value.carried_from)] = End();
    }
  }
  void Use(NetValueId id, uint32_t place, size_t at) {
    uint32_t& toucher = toucher_[Index(id)];
    toucher = toucher == kNobody || toucher == place ? place : kSeveral;
    last_use_[Index(id)] = at + 1;
  }

  size_t AddStorage(NetValueId id, uint64_t begin, uint64_t end) {
    const NetValue& value = net_.value(id);
    storages_.push_back({value.memory, toucher_[Index(id)], value.bytes, begin, end, value.offset});
    return storages_.size() - 1;
  }

  void PlaceGiven() {
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const NetValue& value = net_.values[i];
      if (!value.given) continue;
      storage_of_[i] = AddStorage(NetValueId(i), 0, std::max<uint64_t>(1, last_use_[i]));
      if (value.carried_from) storage_of_[Index(*value.carried_from)] = storage_of_[i];
    }
  }

  [[gnu::always_inline]] void FetchResults(size_t at) const {
    if (at >= order_.size()) return;
    for (const NetValueId out : net_.op(order_[at]).outs)
      __builtin_prefetch(&net_.value(out).bytes);
  }
  void PlaceResults(size_t at) {
    const NetOp& op = net_.op(order_[at]);
    for (size_t i = 0; i < op.outs.size(); ++i) {
      const NetValueId out = op.outs[i];
      if (storage_of_[Index(out)] != kNone) continue;  // carried
      if (i == 0 && op.in_place && MayTake(op.ins[0], out, at)) {
        storage_of_[Index(out)] = storage_of_[Index(op.ins[0])];
        Storage& shared = storages_[storage_of_[Index(out)]];
        shared.end = std::max<uint64_t>(shared.end, last_use_[Index(out)]);
        continue;
      }
      // Made once, it stays.
      const bool stays = op.once && net_.loops;
      storage_of_[Index(out)] =
          AddStorage(out, stays ? 0 : at, stays ? End() : last_use_[Index(out)]);
    }
  }

  bool MayTake(NetValueId in, NetValueId out, size_t at) const {
    const NetValue &from = net_.value(in), &to = net_.value(out);
    if (sharing_ == Sharing::kWithinPlaces &&
        (toucher_[Index(in)] == kSeveral || toucher_[Index(in)] != toucher_[Index(out)])) {
      return false;
    }
    return last_use_[Index(in)] == at + 1 && from.bytes == to.bytes && from.memory == to.memory &&
           !from.offset && !to.offset;
  }

  void FindWorkspace(size_t at) {
    const PlaceId place = place_of_[Index(order_[at])];
    const uint64_t bytes = net_.op(order_[at]).choice_at(place)->workspace_bytes;
    if (bytes == 0) return;
    workspaces_.push_back(
        {net_.place(place).memory, static_cast<uint32_t>(place), bytes, at, at + 1, std::nullopt});
  }
  // Behind the values.
  void AddWorkspaces() {
    workspace_of_.assign(net_.ops.size(), kNone);
    for (const Storage& workspace : workspaces_) {
      workspace_of_[Index(order_[workspace.begin])] = storages_.size();
      storages_.push_back(workspace);
    }
  }

  // Each memory by itself, behind its reserved bytes; without sharing between places, what each
  // place has for itself, and what several touch, lie one after the other.
  std::vector<Bounded> Pack() {
    std::vector<Bounded> out;
    offsets_.assign(storages_.size(), 0);
    for (size_t memory = 0; memory < net_.memories.size(); ++memory) {
      const NetMemory& in = net_.memories[memory];
      const uint64_t base = RoundUp(in.reserved_bytes, in.alignment);
      Bounded height{base, base};
      // By place; behind these what several touch, and nobody.
      const size_t places = net_.places.size();
      std::vector<std::vector<size_t>> groups(places + 2);
      const auto group_of = [&](const Storage& storage) {
        if (sharing_ == Sharing::kAll) return size_t{0};
        return std::min<size_t>(storage.place, storage.place == kNobody ? places + 1 : places);
      };
      for (size_t i = 0; i < storages_.size(); ++i) {
        const Storage& storage = storages_[i];
        if (Index(storage.memory) != memory || storage.bytes == 0) continue;
        if (storage.offset) {
          offsets_[i] = *storage.offset;
        } else {
          groups[group_of(storage)].push_back(i);
        }
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
    Write(offsets_);
    return out;
  }

  // One after the other.
  void LayOut(const std::vector<size_t>& group, uint64_t alignment, Bounded& height) {
    for (const size_t i : group) {
      offsets_[i] = height.value;
      height.value += RoundUp(storages_[i].bytes, alignment);
      height.lower_bound += RoundUp(storages_[i].bytes, alignment);
    }
  }
  void PackGroup(const std::vector<size_t>& group, uint64_t alignment, Bounded& height) {
    std::vector<Buffer> buffers;
    buffers.reserve(group.size());
    for (const size_t i : group) {
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

  void Write(const std::vector<uint64_t>& offsets) {
    plan_.value_buffers.clear();
    plan_.value_buffers.reserve(net_.values.size());
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const size_t storage = storage_of_[i];
      plan_.value_buffers.push_back(
          {net_.values[i].memory, offsets[storage], net_.values[i].bytes});
    }
    plan_.workspaces.assign(net_.ops.size(), {});
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      plan_.workspaces[i].memory = net_.place(place_of_[i]).memory;
      if (workspace_of_[i] == kNone) continue;
      plan_.workspaces[i].offset = offsets[workspace_of_[i]];
      plan_.workspaces[i].bytes = storages_[workspace_of_[i]].bytes;
    }
  }

  const TaskNet& net_;
  const std::vector<NetOpId>& order_;
  const std::vector<PlaceId>& place_of_;
  const Sharing sharing_;
  NetPlan& plan_;
  std::vector<uint64_t> last_use_;    // by value: position of the last op that touches it, plus 1
  std::vector<uint32_t> toucher_;     // by value: a place, kNobody or kSeveral
  std::vector<size_t> storage_of_;    // by value
  std::vector<size_t> workspace_of_;  // by op
  std::vector<Storage> storages_, workspaces_;
  std::vector<uint64_t> offsets_;  // by storage
};

}  // namespace

std::vector<Bounded> PlaceNetBuffers(const TaskNet& net, const std::vector<NetOpId>& order,
                                     const std::vector<PlaceId>& place_of, Sharing sharing,
                                     NetPlan& plan) {
  return BufferPlacer(net, order, place_of, sharing, plan).Place();
}

}  // namespace tinyai
