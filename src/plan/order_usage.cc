#include "plan/order_usage.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"

namespace tinyai {

OrderUsage::OrderUsage(const TaskNet& net, const NetDraft& draft) : net_(net), draft_(draft) {
  FindUses();
  FindPinned();
  FindLives();
  AddUp();
}

uint64_t OrderUsage::bytes(NetValueId id) const {
  const NetValue& value = net_.value(id);
  const uint64_t alignment = net_.memories[Index(value.memory)].alignment;
  return value.offset ? 0 : RoundUp(value.bytes, alignment);
}

uint64_t OrderUsage::workspace(NetOpId id) const {
  const PlaceId place = draft_.place_of[Index(id)];
  const uint64_t alignment = net_.memories[Index(net_.place(place).memory)].alignment;
  return RoundUp(net_.op(id).choice_at(place)->workspace_bytes, alignment);
}

template <typename Visit>
void OrderUsage::EachUse(size_t at, Visit visit) const {
  const NetOp& op = net_.op(draft_.order[at]);
  for (const NetValueId in : op.ins) visit(in);
  EachCondition(net_, op.region, visit);
}

void OrderUsage::FindUses() {
  const size_t ops = draft_.order.size();
  maker_.assign(net_.values.size(), kNone);
  first_use_.assign(net_.values.size() + 1, 0);
  for (size_t at = 0; at < ops; ++at) {
    EachUse(at, [&](NetValueId id) { ++first_use_[Index(id) + 1]; });
    for (const NetValueId out : net_.op(draft_.order[at]).outs) maker_[Index(out)] = at;
  }
  std::partial_sum(first_use_.begin(), first_use_.end(), first_use_.begin());
  uses_.resize(first_use_.back());
  std::vector<uint32_t> next(first_use_.begin(), first_use_.end() - 1);
  for (size_t at = 0; at < ops; ++at) {
    EachUse(at, [&](NetValueId id) { uses_[next[Index(id)]++] = static_cast<uint32_t>(at); });
  }
}

// Whose life is not ours to change.
void OrderUsage::FindPinned() {
  pinned_.assign(net_.values.size(), false);
  for (const NetRegion& region : net_.regions) {
    if (region.condition) pinned_[Index(*region.condition)] = true;
  }
  for (size_t i = 0; i < net_.values.size(); ++i) {
    const NetValue& value = net_.values[i];
    if (value.wanted || value.offset || (value.given && net_.loops)) pinned_[i] = true;
    if (!value.carried_from) continue;
    pinned_[i] = true;
    pinned_[Index(*value.carried_from)] = true;
  }
  for (const NetOp& op : net_.ops) {
    if (Index(op.region) == 0 && !op.once) continue;
    for (const NetValueId out : op.outs) pinned_[Index(out)] = true;
  }
}

void OrderUsage::FindLives() {
  const size_t end = draft_.order.size();
  lives_.resize(net_.values.size());
  for (size_t i = 0; i < net_.values.size(); ++i) {
    const NetValue& value = net_.values[i];
    const auto touched = uses(NetValueId(i));
    Life& life = lives_[i];
    life.begin = value.given ? 0 : maker_[i];
    life.end = touched.empty() ? life.begin : std::max<size_t>(life.begin, touched.back());
    const bool once = !value.given && net_.op(draft_.order[maker_[i]]).once;
    if (once) life.begin = 0;
    if (value.wanted || once || (value.given && net_.loops)) life.end = end;
  }
  for (size_t i = 0; i < net_.values.size(); ++i) {
    if (const auto from = net_.values[i].carried_from) {
      lives_[Index(*from)] = {1, 0, kNone};  // lies where this one does
    }
  }
  for (size_t at = 0; at < end; ++at) {
    const NetOp& op = net_.op(draft_.order[at]);
    if (!op.in_place) continue;
    const NetValue &in = net_.value(op.ins[0]), &out = net_.value(op.outs[0]);
    Life &old = lives_[Index(op.ins[0])], &now = lives_[Index(op.outs[0])];
    if (now.begin > now.end || old.begin > old.end || old.end != at || in.offset || out.offset ||
        in.bytes != out.bytes || in.memory != out.memory || now.begin != at) {
      continue;
    }
    old.taken_at = at;
    now.begin = at + 1;
    now.end = std::max(now.end, now.begin);
  }
}

void OrderUsage::AddUp() {
  const size_t size = draft_.order.size() + 2;
  std::vector<std::vector<uint64_t>> born(net_.memories.size(), std::vector<uint64_t>(size, 0));
  during_ = before_ = born;
  std::vector<std::vector<uint64_t>> dead = born;
  for (size_t i = 0; i < net_.values.size(); ++i) {
    const Life& life = lives_[i];
    if (life.begin > life.end) continue;
    const size_t memory = Index(net_.values[i].memory);
    born[memory][std::min(life.begin, size - 1)] += bytes(NetValueId(i));
    dead[memory][std::min(life.end, size - 1)] += bytes(NetValueId(i));
  }
  for (size_t memory = 0; memory < during_.size(); ++memory) {
    const NetMemory& in = net_.memories[memory];
    uint64_t alive = RoundUp(in.reserved_bytes, in.alignment);
    for (size_t at = 0; at < size; ++at) {
      before_[memory][at] = alive;
      alive += born[memory][at];
      during_[memory][at] = alive;
      alive -= dead[memory][at];
    }
  }
  for (size_t at = 0; at < draft_.order.size(); ++at) {
    const NetOpId op = draft_.order[at];
    const MemoryId memory = net_.place(draft_.place_of[Index(op)]).memory;
    during_[Index(memory)][at] += workspace(op);
  }
}

}  // namespace tinyai
