#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "lang/schedule.h"
#include "plan/model_names.h"
#include "plan/model_wishes.h"

namespace tinyai {

// What a schedule for a model says of weights: which stay, and in which order the others are read.
class ScheduleWeights {
 public:
  // All outlive this object; wishes and mistakes are added to the last two.
  ScheduleWeights(const Graph& graph, ModelWishes& wishes, Diagnostics& out);

  // `pin` or `evict`, of whole weights or of rows. Whether it is obeyed. Errors A1, I7, I9.
  bool Stay(const ModelNames::Named& named, const Ref& ref, ModelWishes::Stay stay, Span where);

  // The weights in the order of use, if they can be read as a whole; errors I1, I9 if not.
  std::vector<WeightId> ToLoad(const ModelNames::Named& named, const Ref& ref, Span where);

  // A DISK block, and `???` in it: what is not listed is read only where there is room.
  void Enter(const Block& block, Span where);
  void Hole() { room_ = true; }
  // The next on the DISK queue; `ahead`: at once after the one in front of it. Error A1.
  void List(const ModelNames::Named& named, const Ref& ref, Span where, bool ahead);
  // At the end of the schedule. Error I8 for a weight that a closed block leaves no room for.
  void CheckRoom() const;

  // At the end of the schedule. Error I9 for what is said of a weight that only a device needs: it
  // stays in its memory.
  void CheckOnDevice(const std::vector<bool>& on_device, const std::string& memory) const;

  // The ops that need the whole of a weight, and not rows by the tokens.
  std::vector<OpId> Readers(WeightId id) const;
  bool OnlyRowsTaken(WeightId id) const;

 private:
  // What was said of some of these rows before: nothing, just the same, which adds nothing, or
  // something else (error A1).
  enum class Before : uint8_t { kNothing, kSame, kOther };
  Before Remember(WeightId id, uint64_t begin, uint64_t end, ModelWishes::Stay stay, Span where);
  bool OnlyForLogits(WeightId id) const;

  const Graph& graph_;
  ModelWishes& wishes_;
  Diagnostics& out_;
  std::vector<std::vector<OpId>> users_;  // by weight
  struct Said {
    uint64_t end;
    ModelWishes::Stay stay;
    Span where;
  };
  // By weight: stretches of rows that do not overlap, by the first row.
  std::unordered_map<size_t, std::map<uint64_t, Said>> said_;
  std::unordered_map<size_t, Span> listed_;  // by weight
  bool room_ = false;                        // whether more may be read where the text stands
  bool closed_ = false;                      // the block around it
  std::optional<Span> first_closed_;
};

}  // namespace tinyai
