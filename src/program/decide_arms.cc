#include "program/decide_arms.h"

#include <algorithm>

namespace tinyai {
namespace {

class ArmDecider {
 public:
  ArmDecider(const Program& program, size_t ops, HeldValues& held, const ProgramNet& net)
      : program_(program), ops_(ops), held_(held), net_(net) {}

  // What all that an `if` does reads of its condition, if that is one that was computed again.
  std::optional<NetValueId> Find(uint32_t branch) {
    const DefId condition = program_.branches[branch].condition;
    const auto again = [&](const HeldValues::Held& one) { return one.at.has_value(); };
    const std::vector<HeldValues::Held>& all = held_.All(condition);
    if (std::none_of(all.begin(), all.end(), again)) return std::nullopt;
    const HeldValues::Held* decides = nullptr;
    for (size_t i = 0; i < ops_; ++i) {
      const NetOp& op = net_.net.ops[i];
      const bool merges = held_.MergesBy(NetOpId(i), condition);
      if (!merges && !IsInArm(op.region, branch)) continue;
      if (op.choices.size() != 1) return std::nullopt;
      const PlaceId place = op.choices.front().place;
      if (decides != nullptr && place != *decides->at) return std::nullopt;
      if (merges) continue;
      const auto* found = held_.Find(NetOpId(i), condition, net_.net.place(place).memory);
      const bool same = found != nullptr && found->at && (decides == nullptr || decides == found);
      if (!same) return std::nullopt;
      decides = found;
    }
    return decides != nullptr ? std::optional(decides->value) : std::nullopt;
  }

 private:
  bool IsInArm(RegionId region, uint32_t branch) const {
    for (; Index(region) != 0; region = net_.net.regions[Index(region)].parent) {
      if (net_.branch_of[Index(region)] == branch) return true;
    }
    return false;
  }

  const Program& program_;
  const size_t ops_;
  HeldValues& held_;
  const ProgramNet& net_;
};

}  // namespace

std::map<uint32_t, NetValueId> DecideArms(const Program& program, size_t ops, HeldValues& held,
                                          ProgramNet& net) {
  std::map<uint32_t, NetValueId> out;
  for (size_t i = 1; i < net.net.regions.size(); ++i) {
    const uint32_t branch = net.branch_of[i];
    if (out.contains(branch)) continue;
    if (const auto decides = ArmDecider(program, ops, held, net).Find(branch)) {
      out.emplace(branch, *decides);
    }
  }
  for (size_t i = 1; i < net.net.regions.size(); ++i) {
    const auto decides = out.find(net.branch_of[i]);
    const DefId first = program.branches[net.branch_of[i]].condition;
    net.net.regions[i].condition =
        decides != out.end() ? decides->second : *net.value_of[Index(first)];
  }
  return out;
}

}  // namespace tinyai
