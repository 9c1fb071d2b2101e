#pragma once

#include <map>
#include <optional>
#include <vector>

#include "program/held_values.h"
#include "program/links.h"

namespace tinyai {

// The moves of a net that nobody wrote, each shared by all who read what it brings. A copy is
// carried out where all of them are, but in no arm of which its place would have to hear the
// condition from elsewhere.
class ValueCopies {
 public:
  // All outlive this object.
  ValueCopies(const Devices& devices, ProgramNet& net, HeldValues& held)
      : devices_(devices), net_(net), held_(held) {}

  // Whether what is held is there for who reads it in a region: a copy if it can be made there.
  bool CanTake(const HeldValues::Held& held, RegionId region);
  NetValueId Take(const HeldValues::Held& held, RegionId region);

  // Whether what is held can be copied for who reads it in a region.
  bool CanCopy(const HeldValues::Held& held, const Devices::Link& link, DefId def, RegionId region);
  NetValueId Add(const Devices::Link& link, NetValueId value, NetOpId reader, DefId def,
                 RegionId region);
  NetOpId OpOf(NetValueId copy) const { return copies_[index_.at(copy)].op; }

  // When all are known: where each is carried out.
  void Place();

 private:
  struct Copy {
    NetValueId from{};
    NetOpId op{};
    std::optional<RegionId> region;  // around all who read it
    RegionId from_region{};          // around that, too: where what it copies is there
  };
  RegionId Hoisted(RegionId region, RegionId maker, PlaceId place);
  RegionId RegionOf(const HeldValues::Held& held) const;

  const Devices& devices_;
  ProgramNet& net_;
  HeldValues& held_;
  std::vector<Copy> copies_;
  std::map<NetValueId, size_t> index_;          // by what it brings
  std::vector<std::optional<NetOpId>> makers_;  // by value
};

}  // namespace tinyai
