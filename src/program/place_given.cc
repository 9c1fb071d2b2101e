#include "program/place_given.h"

#include <map>
#include <set>
#include <utility>

namespace tinyai {

void PlaceGiven(size_t ops, std::optional<MemoryId> only, ProgramNet& program_net) {
  if (!program_net.loop) return;
  TaskNet& net = program_net.net;
  for (NetValue& value : net.values) {
    if (value.given && only) value.memory = *only;
    if (value.carried_from) value.memory = net.value(*value.carried_from).memory;
  }
  if (only) return;
  std::map<std::pair<size_t, MemoryId>, NetValueId> there;
  std::set<NetValueId> decided;
  for (size_t i = 0; i < ops; ++i) {
    const MemoryId memory = net.place(net.ops[i].choices.front().place).memory;
    for (NetValueId& in : net.ops[i].ins) {
      if (!net.value(in).given || net.value(in).carried_from) continue;
      const DefId def = program_net.def_of[Index(in)];
      const auto [known, added] = there.try_emplace({Index(def), memory}, in);
      if (added && decided.insert(in).second) {
        net.values[Index(in)].memory = memory;
      } else if (added) {
        NetValue copy = net.value(in);
        copy.memory = memory;
        known->second = NetValueId(net.values.size());
        net.values.push_back(std::move(copy));
        program_net.def_of.push_back(def);
      }
      in = known->second;
    }
  }
}

}  // namespace tinyai
