// Shares nothing with the passes but the container of stretches.h: it follows all queues by itself,
// with knowledge and memory of its own.

#include <algorithm>
#include <map>
#include <numeric>

#include "base/checked.h"
#include "fmt/format.h"
#include "plan/check_net_knowledge.h"
#include "plan/check_net_shape.h"
#include "plan/net_plan.h"
#include "plan/stretches.h"

namespace tinyai {

uint64_t NetPlan::syncs() const {
  uint64_t count = 0;
  for (const std::vector<NetCommand>& queue : queues) {
    for (const NetCommand& command : queue) count += command.syncs.size();
  }
  return count;
}

namespace {

// What some bytes hold, and since when.
struct Written {
  uint64_t content = 0;   // 0: nothing that anyone may read
  uint64_t position = 0;  // 0: before everything
  uint32_t place = 0;     // of the writer
};
// Who read it, each place's last position; also writers before the last one, where that may be left
// out.
struct Reader {
  uint64_t position = 0;
  uint32_t place = 0;
};
using Memory = Stretches<Written, Reader>;

// Of a value, side by side: what every use looks at.
struct ValueFacts {
  CellRange cells;
  uint32_t memory = 0;
  uint32_t maker = 0;   // the number of ops: nobody
  bool lasting = true;  // the same in all rounds
  bool carried = false;
};

class Checker {
 public:
  Checker(const TaskNet& net, const NetPlan& plan) : net_(net), plan_(plan) {}

  Status Check() {
    TRY_ASSIGN(where_, CheckNetShape(net_, plan_));
    rounds_ = net_.loops ? 3 + LongestDistance() : 1;
    if (net_.loops && net_.iterations != 0) rounds_ = std::min(rounds_, net_.iterations);
    SetUp();
    if (!Follow() || !CheckWanted()) return tl::unexpected<Error>(*std::move(wrong_));
    return {};
  }

 private:
  std::string CommandName(size_t place, size_t at) const {
    return CommandNameOf(net_, plan_, place, at);
  }

  // What follows is false where a rule is broken, and has said which: a Status for each step of
  // each command would take longer than the steps.
  bool Refuse(std::string_view rule, const std::string& where, std::string what) {
    wrong_ = InvalidPlan(rule, where, std::move(what)).value();
    return false;
  }

  uint64_t LongestDistance() const {
    uint64_t longest = 1;
    for (const NetOrder& order : net_.orders) longest = std::max<uint64_t>(longest, order.distance);
    return longest;
  }

  void SetUp() {
    const size_t places = net_.places.size();
    done_.assign(places, 0);
    knowledge_.emplace(net_, plan_, rounds_);
    // A list of fences for each op.
    first_fence_.assign(net_.ops.size(), kNone);
    next_fence_.assign(plan_.fences.size(), kNone);
    for (size_t i = 0; i < plan_.fences.size(); ++i) {
      const NetFence& fence = plan_.fences[i];
      if (Index(fence.place) >= places ||
          fence.command >= plan_.queues[Index(fence.place)].size()) {
        continue;  // nobody waits for it
      }
      const NetOpId op = plan_.queues[Index(fence.place)][fence.command].op;
      next_fence_[i] = std::exchange(first_fence_[Index(op)], static_cast<uint32_t>(i));
    }
    if (!net_.orders.empty()) SortOrders();
    cells_.emplace(plan_);
    values_.reserve(net_.values.size());
    for (size_t i = 0; i < net_.values.size(); ++i) {
      values_.push_back({cells_->value(i), static_cast<uint32_t>(plan_.value_buffers[i].memory),
                         static_cast<uint32_t>(net_.ops.size()), true,
                         net_.values[i].carried_from.has_value()});
    }
    for (uint32_t i = 0; i < net_.ops.size(); ++i) {
      for (const NetValueId out : net_.ops[i].outs) {
        values_[Index(out)].maker = i;
        values_[Index(out)].lasting = net_.ops[i].once;
      }
    }
    for (const uint32_t count : cells_->counts()) memory_.emplace_back(count);
    for (size_t i = 0; i < net_.values.size(); ++i) {
      if (!net_.values[i].given || plan_.value_buffers[i].bytes == 0) continue;
      MemoryOf(plan_.value_buffers[i]).Join(cells_->value(i)).header.content = ContentOf(i, 0);
    }
  }
  void SortOrders() {
    orders_.assign(net_.ops.size() + 1, 0);
    for (const NetOrder& order : net_.orders) ++orders_[Index(order.later) + 1];
    std::partial_sum(orders_.begin(), orders_.end(), orders_.begin());
    orders_by_later_ = net_.orders;
    std::stable_sort(
        orders_by_later_.begin(), orders_by_later_.end(),
        [](const NetOrder& a, const NetOrder& b) { return Index(a.later) < Index(b.later); });
  }
  Memory& MemoryOf(const NetBuffer& buffer) { return memory_[Index(buffer.memory)]; }

  // Names what a value is in a round: what is given, or made once, is the same in all of them.
  uint64_t ContentOf(size_t value, uint64_t round) const {
    if (round == 0) return (value + 1) * (rounds_ + 1);
    if (values_[value].carried) {
      return ContentOf(Index(*net_.values[value].carried_from), round - 1);
    }
    return (value + 1) * (rounds_ + 1) + (values_[value].lasting ? 0 : round);
  }

  // Goes through the queues as far as their syncs allow, over and over (V6).
  bool Follow() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t place = 0; place < plan_.queues.size(); ++place) {
        const uint64_t end = plan_.queues[place].size() * rounds_;
        while (done_[place] < end && IsReady(place)) {
          if (!Step(place)) return false;
          moved = true;
        }
      }
    }
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      if (done_[place] == plan_.queues[place].size() * rounds_) continue;
      return Refuse("V6", CommandName(place, done_[place] % plan_.queues[place].size()),
                    "deadlock: its sync never comes");
    }
    return true;
  }

  // The round that a place is in, and the command of its queue that comes next.
  std::pair<uint64_t, size_t> Next(size_t place) const {
    const uint64_t done = done_[place], size = plan_.queues[place].size();
    if (done < size) return {0, done};
    return {done / size, done % size};
  }
  // Whether the fences that the next command waits for are recorded.
  bool IsReady(size_t place) const {
    const auto [round, at] = Next(place);
    for (const NetSync& sync : plan_.queues[place][at].syncs) {
      const NetFence& fence = plan_.fences[sync.fence];
      if (sync.distance > round) continue;
      const uint64_t target = Position(Index(fence.place), fence.command, round - sync.distance);
      if (done_[Index(fence.place)] < target) return false;
    }
    return true;
  }

  bool Step(size_t place) {
    const std::vector<NetCommand>& queue = plan_.queues[place];
    const auto [round, at] = Next(place);
    Fetch(queue, at);
    if (at == 0) knowledge_->BeginRound(place);
    knowledge_->Enter(place, Index(net_.op(queue[at].op).region));
    if (!net_.loops && !Branch(place, at, round)) return false;
    for (const NetSync& sync : queue[at].syncs) {
      if (!Acquire(place, at, round, sync)) return false;
    }
    if (net_.loops && !Branch(place, at, round)) return false;
    if (!Perform(place, at, round)) return false;
    knowledge_->Advance(place, ++done_[place]);
    for (uint32_t fence = first_fence_[Index(queue[at].op)]; fence != kNone;
         fence = next_fence_[fence]) {
      knowledge_->Record(fence, round, place);
    }
    return true;
  }
  // Of a large net nothing is in a cache when a command comes to it: its op is fetched long before,
  // then what that op names, then what lies there. (All inlined: see FetchAhead.)
  [[gnu::always_inline]] void Fetch(const std::vector<NetCommand>& queue, size_t at) const {
    constexpr size_t kFacts = 8, kMemory = 4;
    FetchAhead(net_, queue, at, [](const NetCommand& command) { return command.op; });
    if (at + kFacts < queue.size()) {
      const NetOpId id = queue[at + kFacts].op;
      const NetOp& op = net_.op(id);
      __builtin_prefetch(&first_fence_[Index(id)]);
      cells_->FetchWorkspace(Index(id));
      for (const NetValueId in : op.ins) __builtin_prefetch(&values_[Index(in)]);
      for (const NetValueId out : op.outs) __builtin_prefetch(&values_[Index(out)]);
    }
    if (at + kMemory < queue.size()) {
      const NetOp& op = net_.op(queue[at + kMemory].op);
      for (const NetValueId in : op.ins) FetchMemory(values_[Index(in)]);
      for (const NetValueId out : op.outs) FetchMemory(values_[Index(out)]);
    }
  }
  [[gnu::always_inline]] void FetchMemory(const ValueFacts& facts) const {
    memory_[facts.memory].Fetch(facts.cells);
  }
  uint64_t Position(size_t place, size_t at, uint64_t round) const {
    return round * plan_.queues[place].size() + at + 1;
  }

  // V12: who may leave a command out, with its syncs, knows the conditions of its arms before. In a
  // loop they are the caller's, or the first sync in the arm brings them.
  bool Branch(size_t place, size_t at, uint64_t round) {
    bool good = true;
    EachCondition(net_, net_.op(plan_.queues[place][at].op).region, [&](NetValueId condition) {
      good = good && Read(place, at, round, Index(condition), true);
    });
    return good;
  }

  bool Acquire(size_t place, size_t at, uint64_t round, const NetSync& sync) {
    const NetFence& fence = plan_.fences[sync.fence];
    if (sync.distance > round) return true;
    const size_t other = Index(fence.place);
    const uint64_t target = Position(other, fence.command, round - sync.distance);
    const uint64_t then = round - sync.distance;
    const bool news = knowledge_->Learn(place, sync.fence, then, sync.distance == 0, target);
    if (news || (net_.loops && round <= LongestDistance())) return true;
    return Refuse("V5", CommandName(place, at),
                  fmt::format("its sync on {} is stale: that is known already",
                              CommandName(other, fence.command)));
  }

  bool Perform(size_t place, size_t at, uint64_t round) {
    const NetOp& op = net_.op(plan_.queues[place][at].op);
    if (op.once && round > 0) return true;
    if (!CheckOrders(place, at, round) || !CheckAliases(place, at, op)) return false;
    // Whoever moves bytes reads them where they are.
    const bool anywhere = op.moved_bytes != 0;
    for (const NetValueId in : op.ins) {
      if (!Read(place, at, round, Index(in), anywhere)) return false;
    }
    const size_t id = Index(plan_.queues[place][at].op);
    const auto memory = static_cast<uint32_t>(net_.places[place].memory);
    if (!Write(place, at, memory, cells_->workspace(id), 0)) return false;
    for (const NetValueId out : op.outs) {
      const ValueFacts& facts = values_[Index(out)];
      const uint64_t content = ContentOf(Index(out), round);
      if (!Write(place, at, facts.memory, facts.cells, content)) return false;
    }
    return true;
  }

  bool IsKnown(size_t place, size_t other, uint64_t position) const {
    return knowledge_->IsKnown(place, other, position);
  }

  // V8, V9, V10.
  bool CheckOrders(size_t place, size_t at, uint64_t round) {
    const NetOpId id = plan_.queues[place][at].op;
    const size_t end = orders_by_later_.empty() ? 0 : orders_[Index(id) + 1];
    for (size_t i = end == 0 ? 0 : orders_[Index(id)]; i < end; ++i) {
      const NetOrder& order = orders_by_later_[i];
      if (order.distance > round) continue;
      const auto [other, position] = where_[Index(order.earlier)];
      if (!IsKnown(place, other, Position(other, position, round - order.distance))) {
        return Refuse(order.kind == NetOrder::Kind::kEffect ? "V8" : "V9", CommandName(place, at),
                      fmt::format("it must come after {}", net_.op(order.earlier).name));
      }
    }
    if (net_.op(id).effect != NetEffect::kInput) return true;
    NetOpId& last = last_inputs_.try_emplace(round, id).first->second;
    if (Index(last) > Index(id)) {
      return Refuse("V8", CommandName(place, at),
                    fmt::format("it reads input after {}", net_.op(last).name));
    }
    last = id;
    return true;
  }

  // Of cells, which are none where there are no bytes; in one memory.
  static bool Overlap(CellRange a, CellRange b) { return a.first < b.last && b.first < a.last; }
  static bool Overlap(const ValueFacts& a, const ValueFacts& b) {
    return a.memory == b.memory && Overlap(a.cells, b.cells);
  }

  // Results overwrite no operand, but the first one the first where the op works in place.
  bool CheckAliases(size_t place, size_t at, const NetOp& op) {
    const CellRange workspace = cells_->workspace(Index(plan_.queues[place][at].op));
    const auto in_workspace = [&](const ValueFacts& value) {
      return MemoryId(value.memory) == net_.places[place].memory && Overlap(value.cells, workspace);
    };
    for (size_t o = 0; o < op.outs.size(); ++o) {
      const ValueFacts& out = values_[Index(op.outs[o])];
      for (size_t i = 0; i < op.ins.size(); ++i) {
        const ValueFacts& in = values_[Index(op.ins[i])];
        if (!Overlap(out, in)) continue;
        const bool same = out.cells.first == in.cells.first && out.cells.last == in.cells.last;
        if (op.in_place && o == 0 && i == 0 && same) continue;
        return Refuse("V11", CommandName(place, at),
                      fmt::format("{} overwrites its operand {}", net_.value(op.outs[o]).name,
                                  net_.value(op.ins[i]).name));
      }
      for (size_t other = 0; other < o; ++other) {
        if (Overlap(out, values_[Index(op.outs[other])])) {
          return Refuse("V11", CommandName(place, at), "its results overlap");
        }
      }
      if (in_workspace(out)) {
        return Refuse("V11", CommandName(place, at), "its workspace overlaps a result");
      }
    }
    for (const NetValueId in : op.ins) {
      if (in_workspace(values_[Index(in)])) {
        return Refuse("V11", CommandName(place, at), "its workspace overlaps an operand");
      }
    }
    return true;
  }

  // V2 and V3: the bytes are this value's, and their writer is known to have ended. `anywhere`: of
  // a condition, which the coordinator looks at, or of a move.
  bool Read(size_t place, size_t at, uint64_t round, size_t value, bool anywhere) {
    const ValueFacts& facts = values_[value];
    if (!anywhere && MemoryId(facts.memory) != net_.places[place].memory) {
      return Refuse("V3", CommandName(place, at),
                    fmt::format("{} lies in another memory", net_.values[value].name));
    }
    const uint64_t content = ContentOf(value, round);
    const uint64_t position = Position(place, at, round);
    if (facts.cells.first == facts.cells.last) return CheckMade(place, at, round, value);
    Memory& memory = memory_[facts.memory];
    return memory.Each(facts.cells, [&](Memory::Stretch& stretch) {
      const Written& written = stretch.header;
      const bool same_place = written.place == place;
      if (written.content != content) {
        return Refuse(same_place ? "V2" : "V3", CommandName(place, at),
                      fmt::format("{} is not in memory", net_.values[value].name));
      }
      if (!same_place && !IsKnown(place, written.place, written.position)) {
        return Refuse("V3", CommandName(place, at),
                      fmt::format("{} may not be there yet: {} is not known to have got so far",
                                  net_.values[value].name, net_.places[written.place].name));
      }
      Remember(memory, stretch, {position, static_cast<uint32_t>(place)});
      return true;
    });
  }
  static void Remember(Memory& memory, Memory::Stretch& stretch, const Reader& now) {
    const bool added = memory.EachItem(stretch, [&](Reader& reader) {
      if (reader.place != now.place) return true;
      reader.position = std::max(reader.position, now.position);
      return false;
    });
    if (added) memory.Add(stretch, now);
  }

  // Of a value without bytes.
  bool CheckMade(size_t place, size_t at, uint64_t round, size_t value) {
    size_t made = value;
    if (const auto from = net_.values[value].carried_from) {
      if (round == 0) return true;
      made = Index(*from);
      --round;
    }
    const size_t maker = values_[made].maker;
    if (maker == net_.ops.size()) return true;
    const auto [other, position] = where_[maker];
    const uint64_t target = Position(other, position, values_[made].lasting ? 0 : round);
    if (other == place ? target <= done_[place] : IsKnown(place, other, target)) return true;
    return Refuse(other == place ? "V2" : "V3", CommandName(place, at),
                  fmt::format("{} may not be there yet", net_.values[value].name));
  }

  // V11: nobody may still need or make what is overwritten. `content` 0: scratch.
  bool Write(size_t place, size_t at, uint32_t where, CellRange cells, uint64_t content) {
    if (cells.first == cells.last) return true;
    const bool sure = !knowledge_->InArm(place);
    Memory& memory = memory_[where];
    const Memory::Stretch* met = nullptr;
    const bool free = memory.Each(cells, [&](const Memory::Stretch& stretch) {
      met = &stretch;
      return MayOverwrite(place, memory, stretch);
    });
    if (!free) return OverwritesTooSoon(place, at, memory, *met);
    before_.clear();
    if (!sure)
      memory.Each(cells, [&](const Memory::Stretch& stretch) { return Meet(memory, stretch); });
    Memory::Stretch& now = memory.Join(cells);
    now.header = {content, done_[place] + 1, static_cast<uint32_t>(place)};
    // Where this write may be left out, the next one still meets those before it.
    for (const Reader& old : before_) Remember(memory, now, old);
    return true;
  }
  bool MayOverwrite(size_t place, Memory& memory, const Memory::Stretch& stretch) const {
    const auto is_over = [&](size_t other, uint64_t position) {
      return other == place || IsKnown(place, other, position);
    };
    return is_over(stretch.header.place, stretch.header.position) &&
           memory.EachItem(stretch, [&](const Reader& reader) {
             return is_over(reader.place, reader.position);
           });
  }
  bool OverwritesTooSoon(size_t place, size_t at, Memory& memory, const Memory::Stretch& stretch) {
    const Written& written = stretch.header;
    size_t other = written.place;
    const bool writing = other != place && !IsKnown(place, other, written.position);
    if (!writing) {
      memory.EachItem(stretch, [&](const Reader& reader) {
        other = reader.place;
        return other == place || IsKnown(place, other, reader.position);
      });
    }
    return Refuse("V11", CommandName(place, at),
                  fmt::format("it overwrites what {} may still be {}", net_.places[other].name,
                              writing ? "writing" : "reading"));
  }
  // Into before_: who touched it.
  bool Meet(Memory& memory, const Memory::Stretch& stretch) {
    memory.EachItem(stretch, [&](const Reader& reader) {
      before_.push_back(reader);
      return true;
    });
    const Written& written = stretch.header;
    if (written.position != 0) before_.push_back({written.position, written.place});
    return true;
  }

  bool CheckWanted() {
    for (size_t i = 0; i < net_.values.size(); ++i) {
      if (!net_.values[i].wanted) continue;
      const bool there = MemoryOf(plan_.value_buffers[i])
                             .Each(cells_->value(i), [&](const Memory::Stretch& stretch) {
                               return stretch.header.content == ContentOf(i, rounds_ - 1);
                             });
      if (!there) return Refuse("V1", net_.values[i].name, "it is not there at the end");
    }
    return true;
  }

  const TaskNet& net_;
  const NetPlan& plan_;
  std::optional<Error> wrong_;
  uint64_t rounds_ = 1;           // iterations that are followed
  std::vector<CommandAt> where_;  // by op: place and command
  std::vector<uint64_t> done_;    // by place
  std::optional<QueueKnowledge> knowledge_;
  static constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<uint32_t> first_fence_;  // by op
  std::vector<uint32_t> next_fence_;   // by fence: the next one of the same op
  std::vector<size_t> orders_;         // by later op, into orders_by_later_
  std::vector<NetOrder> orders_by_later_;
  std::vector<ValueFacts> values_;
  std::optional<BufferCells> cells_;
  std::vector<Memory> memory_;               // by memory
  std::vector<Reader> before_;               // whom a write meets
  std::map<uint64_t, NetOpId> last_inputs_;  // by round
};

}  // namespace

Status CheckNetPlan(const TaskNet& net, const NetPlan& plan) { return Checker(net, plan).Check(); }

}  // namespace tinyai
