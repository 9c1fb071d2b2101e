#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "program/op_cost.h"
#include "program/report_waits.h"
#include "program/resolve_ref.h"
#include "program/wishes.h"

namespace tinyai {

// Goes through a schedule for ReadWishes: what it says of places in read_placements.cc, of where
// values lie in read_moves.cc, of fences and syncs in read_fences.cc.
class WishReader {
 public:
  WishReader(const Program& program, const Devices& devices, const Costs& costs,
             const SourceText& values, ProgramNet& net, Diagnostics& out);

  Wishes Read(const Schedule& schedule);

 private:
  using Kind = WishedLine::Kind;

  Diagnostic& Wrong(std::string code, Span where, std::string message);
  std::string At(Span where) const;

  // --- declarations and places (read_placements.cc) ---
  struct PlacedAt {
    PlaceId place;
    Span where;
    bool listed;
  };
  void Do(const decl::Placement& placement, Span where);
  void Do(const decl::Before& before, Span where);
  void Do(const decl::Budget& budget, Span where);
  void Do(const decl::Objective& objective, Span);
  void Do(const decl::Count& count, Span);
  void Do(const decl::Record& record, Span where);
  std::optional<PlaceId> FindPlace(const Place& place);
  const std::string& NameOf(PlaceId place) const { return devices_.places[Index(place)].name; }
  std::string EffectPlaces() const;
  // False if something is wrong.
  bool Put(const ResolvedRef& ref, PlaceId place, Span where, bool listed);
  void ReportTwice(const NetOp& op, const ResolvedRef& ref, const PlacedAt& other, PlaceId place,
                   Span where);
  bool CheckCanRun(NetOpId id, const ResolvedRef& ref, PlaceId place, Span where);

  // --- blocks ---
  void Do(const Block& block, Span);
  void DoBlock(const Block& block, PlaceId place, RegionId region);
  void DoAll(const std::vector<Command>& commands, PlaceId place, RegionId region);
  WishedLine& AddLine(Kind kind, PlaceId place, RegionId region, NetOps ops, Span where);
  void Do(const Block& block, PlaceId, RegionId region, Span);
  void Do(const cmd::Hole&, PlaceId place, RegionId, Span) { gap_open_[Index(place)] = true; }
  void Do(const cmd::Print& print, PlaceId place, RegionId region, Span where);
  void Do(const cmd::If& branch, PlaceId place, RegionId region, Span where);
  // A10: of two blocks of a place, with nothing of others and no wait between, which comes first.
  void CheckArmOrder(PlaceId place, RegionId region, Span where);
  // What the place does in a loop; the body has been read by itself.
  void Do(const cmd::Loop& loop, PlaceId place, RegionId region, Span where);

  // --- one value: recompute, move, prefetch, evict, pin, free (read_moves.cc) ---
  void Do(const cmd::Work& work, PlaceId place, RegionId region, Span where);
  void Do(const cmd::Move& move, PlaceId place, RegionId region, Span where);
  // Of a value of an arm that is listed outside, or was before: false, and reported, if that cannot
  // be.
  bool ComputeBoth(const ResolvedRef& ref, RegionId region, Span where);
  bool InArm(DefId def) const;
  // evict, pin, free
  void Keep(const cmd::Work& work, PlaceId place, RegionId region, Span where);
  // A value that this net makes.
  std::optional<DefId> ResolveMade(const Ref& ref, RegionId region);
  void Again(const Ref& written, PlaceId place, RegionId region, Span where);
  void MoveTo(const Ref& written, MemoryId memory, Kind kind, PlaceId place, RegionId region,
              Span where);
  void ReportNoLink(DefId def, MemoryId memory, Kind kind, PlaceId place, Span where);
  void CheckPins();

  // --- fences and syncs (read_fences.cc) ---
  struct Pending {
    const Wishes::Fence* fence;
    std::string name;
    Span where;
  };
  void CollectFences(const std::vector<Command>& commands);
  void Do(const cmd::Fence& fence, PlaceId place, RegionId region, Span where);
  void Do(const cmd::Sync& sync, PlaceId place, RegionId region, Span where);
  // In the block of the place that recorded it: what is issued later at other places waits.
  void HandOff(const Wishes::Fence& fence, const std::string& name, PlaceId place, RegionId region,
               Span where);
  // The place goes on: what was handed to it comes first. Of several fences of one place the last
  // says all.
  void WaitBefore(PlaceId place);
  // What was handed on and nobody listed takes: the places that have something to do then.
  void FinishWaits();
  // sync(f@-1), whose fence may stand behind it.
  struct LateSync {
    cmd::Sync::Target target;
    NetOpId mark{};
    PlaceId place{};
  };
  void FinishLateSyncs();
  Wishes::Fence* FindFence(const cmd::Sync::Target& target, PlaceId place);
  // V4: whoever comes to the sync has come past the fence.
  bool CheckReached(const Wishes::Fence& fence, const cmd::Sync::Target& target, RegionId region);
  // V5: on one queue, nobody waits for what was waited for before.
  bool CheckStale(const Wishes::Fence& fence, const cmd::Sync::Target& target, PlaceId place,
                  RegionId region);

  const Program& program_;
  const Devices& devices_;
  const OpCosts costs_;
  const SourceText& values_;
  ProgramNet& net_;
  Diagnostics& out_;
  RefResolver refs_;
  Wishes wishes_;
  std::vector<std::optional<PlacedAt>> placed_;       // by op
  std::map<std::string, Span, std::less<>> written_;  // all fences of the text
  struct Synced {
    uint32_t first = 0;  // the fence's line
    const Wishes::Fence* second = nullptr;
    RegionId region{};
    Span where;
  };
  std::map<std::pair<size_t, size_t>, Synced> synced_;  // by who waits and for whom
  std::vector<EarlyWait> early_;
  std::vector<LateSync> late_;
  std::vector<std::vector<Pending>> pending_;  // by place: handed to it
  std::vector<bool> gap_open_;                 // by place
  std::set<std::string> taken_;                // fences handed on to somebody
  bool closed_ = false;                        // the block around this command
  uint32_t block_ = 0, blocks_ = 0;            // the block around this command; how many there were
  struct ArmPrint {
    uint32_t block = 0, line = 0;
    Span where;
  };
  std::map<std::pair<size_t, size_t>, ArmPrint> arm_prints_;  // by place and region: the last one
};

}  // namespace tinyai
