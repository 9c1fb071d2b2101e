#include <algorithm>
#include <utility>

#include "program/program_net.h"

namespace tinyai {

std::optional<NetOpId> ProgramNet::MakerOf(const Program& program, DefId def) const {
  const std::optional<NetValueId>& value = value_of[Index(def)];
  if (!value || net.value(*value).given) return std::nullopt;
  const auto makes = [&](const NetOp& op) {
    return std::find(op.outs.begin(), op.outs.end(), *value) != op.outs.end();
  };
  const std::optional<NetOpId>& usual = op_of[Index(program.def(def).maker)];
  if (usual && makes(net.op(*usual))) return usual;
  const auto found = std::find_if(net.ops.begin(), net.ops.end(), makes);
  if (found == net.ops.end()) return std::nullopt;
  return NetOpId(found - net.ops.begin());
}

NetOpId ProgramNet::AddMark(PlaceId place, RegionId region, std::string name) {
  NetOp& op = net.ops.emplace_back();
  op.name = std::move(name);
  op.region = region;
  op.choices = {{place, 0, 0}};
  work.emplace_back(work::Mark{});
  return NetOpId(net.ops.size() - 1);
}

NetOpId ProgramNet::AddPrint(const Program& program, std::vector<DefId> defs, PlaceId place,
                             RegionId region) {
  NetOp& op = net.ops.emplace_back();
  op.region = region;
  op.choices = {{place, 0, 0}};
  op.effect = NetEffect::kPrint;
  op.name = "print(";
  for (size_t i = 0; i < defs.size(); ++i) {
    op.name += (i == 0 ? "" : ", ") + program.def(defs[i]).name;
    op.ins.push_back(*value_of[Index(defs[i])]);
  }
  op.name += ")";
  if (test) op.ins.push_back(*test);
  work.emplace_back(work::Print{std::move(defs)});
  return NetOpId(net.ops.size() - 1);
}

NetOpId ProgramNet::AddAgain(NetOpId id, NetChoice choice, RegionId region) {
  NetOp op = net.op(id);
  op.region = region;
  op.choices = {choice};
  for (NetValueId& out : op.outs) {
    net.values.push_back(net.value(out));
    def_of.push_back(def_of[Index(out)]);
    out = NetValueId(net.values.size() - 1);
  }
  net.ops.push_back(std::move(op));
  auto evaluate = std::get<work::Evaluate>(work[Index(id)]);
  evaluate.again = true;
  work.emplace_back(std::move(evaluate));
  return NetOpId(net.ops.size() - 1);
}

NetOpId ProgramNet::AddMove(NetValueId value, MemoryId to, PlaceId place, RegionId region,
                            double seconds) {
  NetValue moved = net.value(value);
  moved.memory = to;
  moved.wanted = false;
  NetOp& op = net.ops.emplace_back();
  op.name = "move " + moved.name;
  op.region = region;
  op.ins = {value};
  op.outs = {NetValueId(net.values.size())};
  op.choices = {{place, seconds, 0}};
  op.moved_bytes = moved.bytes;
  net.values.push_back(std::move(moved));
  def_of.push_back(def_of[Index(value)]);
  work.emplace_back(work::Move{def_of.back()});
  return NetOpId(net.ops.size() - 1);
}

}  // namespace tinyai
