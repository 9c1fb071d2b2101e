#include <algorithm>
#include <cmath>
#include <utility>

#include "plan/simulate.h"
#include "program/program_net.h"

namespace tinyai {
namespace {

// Whether a place reads what an iteration left, which with a window is so for the next one too.
bool ReadsCarried(const CompiledProgram& body, PlaceId place, const LoopBody::Carried& one) {
  const bool wide = body.body->window > 1 || body.body->widens;
  const std::vector<NetCommand>& queue = body.plan.queues[Index(place)];
  return std::any_of(queue.begin(), queue.end(), [&](const NetCommand& command) {
    bool reads = false;
    const auto look = [&](NetValueId in) {
      reads = reads || in == one.next || (wide && in == one.now);
    };
    const NetOp& op = body.net.op(command.op);
    std::for_each(op.ins.begin(), op.ins.end(), look);
    EachCondition(body.net, op.region, look);
    return reads;
  });
}

}  // namespace

NetValueId ProgramNet::AddValue(const Program& program, DefId id) {
  const Def& def = program.def(id);
  NetValue& value = net.values.emplace_back();
  value.name = def.name;
  value.bytes = ByteSize(def.type);
  value.memory = net.places[0].memory;
  def_of.push_back(id);
  const NetValueId added = NetValueId(net.values.size() - 1);
  value_of[Index(id)] = added;
  return added;
}

NetValueId ProgramNet::ValueOf(const Program& program, DefId id) {
  if (const auto& known = value_of[Index(id)]) return *known;
  const NetValueId added = AddValue(program, id);
  net.values[Index(added)].given = true;
  return added;
}

NetOperands ProgramNet::LoopOperands(const Program& program, const CompiledProgram& body,
                                     const Placed& of, PlaceId place) {
  NetOperands ins;
  const std::vector<LoopBody::Carried>& kept = body.body->carried;
  const auto start = [&](size_t i) { return net.op(of.starts[i]).outs[0]; };
  for (const NetValueId read : GivenReadAt(body, place)) {
    size_t i = 0;
    while (i < kept.size() && kept[i].before != read) ++i;
    ins.push_back(i < kept.size() ? start(i) : ValueOf(program, body.def_of[Index(read)]));
  }
  // What is carried on lies where it starts, and must not be written over while it is read.
  for (size_t i = 0; i < kept.size(); ++i) {
    const bool known = std::find(ins.begin(), ins.end(), start(i)) != ins.end();
    if (!known && ReadsCarried(body, place, kept[i])) ins.push_back(start(i));
  }
  // How often it runs is known to each place, and what iterations of loops around count.
  const ProgramLoop& what = program.loops[of.loop];
  if (!what.index || what.trips) return ins;
  for (const DefId bound : {what.begin, what.end}) {
    const bool counted =
        std::any_of(body.body->around.begin(), body.body->around.end(),
                    [&](uint32_t around) { return program.loops[around].index == bound; });
    if (!counted && !ConstantOf(program, bound)) ins.push_back(ValueOf(program, bound));
  }
  return ins;
}

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

PlaceId PlaceOfNext(const CompiledProgram& body, const LoopBody::Carried& one) {
  for (size_t i = 0; i < body.net.ops.size(); ++i) {
    const NetResults& outs = body.net.ops[i].outs;
    if (std::find(outs.begin(), outs.end(), one.next) != outs.end()) {
      return body.details.place_of[i];
    }
  }
  return {};
}

double LoopSeconds(const CompiledProgram& body, double trips) {
  TaskNet once = body.net;
  once.loops = false;
  const double turns = std::max(1.0, std::ceil(trips / static_cast<double>(body.body->window)));
  return Simulate(once, body.plan).makespan + (turns - 1) * body.details.simulation.makespan;
}

}  // namespace tinyai
