#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "device/device_test_support.h"
#include "fmt/format.h"
#include "plan/compile_net.h"

namespace tinyai {
namespace {

class Planner {
 public:
  Planner(const RandomProgram& random, const RandomPlacesShape& shape, uint64_t seed,
          bool all_on_last)
      : shape_(shape), all_on_last_(all_on_last), random_(seed) {
    out_.program = random.program;
  }

  CompiledProgram Plan() {
    AddPlaces();
    AddRegions();
    for (uint32_t i = 0; i < out_.program.evals.size(); ++i) AddOp(EvalId(i));
    for (size_t i = 1; i < out_.net.regions.size(); ++i) {
      const Branch& branch = out_.program.branches[out_.program.scopes[i].index];
      out_.net.regions[i].condition = At(branch.condition, MemoryId{}, {});
    }
    Print();
    Result<PlannedNet> planned =
        CompileNet(out_.net, NetObjective::ForPrograms(), {.effort = Effort::kFast});
    EXPECT_TRUE(planned) << Describe(planned.error());
    if (!planned) return std::move(out_);
    if (planned->net) out_.net = *planned->net;
    out_.work.resize(out_.net.ops.size(), work::Mark{});  // points at which a place waits
    out_.plan = planned->plan;
    return std::move(out_);
  }

 private:
  uint32_t Below(uint64_t n) { return static_cast<uint32_t>(random_() % n); }

  void AddPlaces() {
    for (uint32_t i = 0; i < shape_.places; ++i) {
      const std::string name = i == 0 ? "CPU" : i == 1 ? "GPU" : fmt::format("GPU{}", i);
      const uint32_t memory = shape_.own_memories ? i : 0;
      if (memory == i) {
        out_.devices.memories.push_back({.name = name + ".mem", .alignment = shape_.alignment});
        NetMemory& added = out_.net.memories.emplace_back();
        added.name = name + ".mem";
        added.alignment = shape_.alignment;
      }
      out_.devices.places.push_back(
          {.name = name,
           .device = name,
           .memory = memory,
           .effects = i == 0,
           .api = i == 0 ? Devices::Api::kThread : Devices::Api::kVulkan});
      out_.net.places.push_back({name, MemoryId(memory), i == 0});
    }
  }

  // Regions and scopes have the same numbers: there are no others.
  void AddRegions() {
    for (const ProgramScope& scope : out_.program.scopes) {
      NetRegion region;
      region.name = fmt::format("r{}", out_.net.regions.size());
      region.parent = RegionId(Index(scope.parent));
      region.arm = scope.kind != ProgramScope::Kind::kElse;
      out_.net.regions.push_back(region);
    }
  }

  NetValueId AddValue(DefId id, MemoryId memory) {
    const Def& def = out_.program.def(id);
    NetValue& value = out_.net.values.emplace_back();
    value.name = def.name;
    value.bytes = ByteSize(def.type);
    value.memory = memory;
    out_.def_of.push_back(id);
    const auto added = NetValueId(out_.net.values.size() - 1);
    values_[{id, memory}] = added;
    return added;
  }

  // The value in that memory; moved there now if it is not, wherever it is used: where it was made.
  NetValueId At(DefId def, MemoryId memory, RegionId region) {
    if (const auto found = values_.find({def, memory}); found != values_.end()) {
      const RegionId made = region_of_[found->second];
      if (made == region || made == RegionId{}) return found->second;
    }
    const auto source = std::find_if(values_.begin(), values_.end(), [&](const auto& one) {
      const RegionId made = region_of_[one.second];
      return one.first.first == def && (made == region || made == RegionId{}) &&
             one.first.second != memory;
    });
    const NetValueId from = source->second;
    const MemoryId at = source->first.second;
    NetOp op;
    op.name = "move " + out_.program.def(def).name;
    op.ins = {from};
    op.choices = {{PlaceId(Index(at)), 1e-6, 0}};  // the place that computes where it reads
    op.region = region_of_[from];
    const NetValueId out = AddValue(def, memory);
    op.outs = {out};
    region_of_[out] = op.region;
    out_.net.ops.push_back(std::move(op));
    out_.work.emplace_back(work::Move{def});
    out_.origins.emplace_back();
    return out;
  }

  void AddOp(EvalId id) {
    const Eval& eval = out_.program.eval(id);
    // An arm's condition lies where its ops compute.
    const bool bound = eval.input || (eval.scope != ScopeId{} && shape_.own_memories);
    const auto place = static_cast<PlaceId>(bound          ? 0
                                            : all_on_last_ ? shape_.places - 1
                                                           : Below(shape_.places));
    const MemoryId memory = out_.net.place(place).memory;
    NetOp op;
    op.name = out_.program.def(eval.outs[0]).name;
    op.region = RegionId(Index(eval.scope));
    for (const DefId def : eval.ins) op.ins.push_back(At(def, memory, op.region));
    op.choices = {{place, 1e-6 * (1 + Below(5)), 0}};
    if (eval.input) {
      op.effect = NetEffect::kInput;
      if (last_input_) {
        out_.net.orders.push_back(
            {*last_input_, NetOpId(out_.net.ops.size()), NetOrder::Kind::kEffect, 0});
      }
      last_input_ = NetOpId(out_.net.ops.size());
    }
    op.outs = {AddValue(eval.outs[0], memory)};
    region_of_[op.outs[0]] = op.region;
    op.in_place = !op.ins.empty() &&
                  out_.net.value(op.ins[0]).bytes == out_.net.value(op.outs[0]).bytes &&
                  op.region == RegionId{};
    out_.net.ops.push_back(std::move(op));
    out_.work.emplace_back(work::Evaluate{id});
    out_.origins.emplace_back();
    // An arm's value is printed in it.
    if (eval.scope != ScopeId{}) AddPrint(eval.outs[0], RegionId(Index(eval.scope)));
    // A condition has to be where the CPU sees it, before the arms.
    for (const Branch& branch : out_.program.branches) {
      if (branch.condition == eval.outs[0]) At(branch.condition, MemoryId{}, {});
    }
  }

  void AddPrint(DefId def, RegionId region) {
    NetOp op;
    op.name = "print(" + out_.program.def(def).name + ")";
    op.ins = {At(def, MemoryId{}, region)};
    op.choices = {{PlaceId{}, 1e-6, 0}};
    op.effect = NetEffect::kPrint;
    op.region = region;
    if (last_print_) {
      out_.net.orders.push_back(
          {*last_print_, NetOpId(out_.net.ops.size()), NetOrder::Kind::kEffect, 0});
    }
    last_print_ = NetOpId(out_.net.ops.size());
    out_.net.ops.push_back(std::move(op));
    out_.work.emplace_back(work::Print{{def}});
    out_.origins.emplace_back();
  }

  void Print() {
    for (uint32_t i = 0; i < out_.program.evals.size(); ++i) {
      const Eval& eval = out_.program.evals[i];
      if (eval.scope == ScopeId{}) AddPrint(eval.outs[0], {});
    }
  }

  const RandomPlacesShape shape_;
  const bool all_on_last_;
  std::mt19937_64 random_;
  CompiledProgram out_;
  std::map<std::pair<DefId, MemoryId>, NetValueId> values_;
  std::map<NetValueId, RegionId> region_of_;
  std::optional<NetOpId> last_input_, last_print_;
};

}  // namespace

CompiledProgram PlanAtRandom(const RandomProgram& random, const RandomPlacesShape& shape,
                             uint64_t seed, bool all_on_last) {
  return Planner(random, shape, seed, all_on_last).Plan();
}

}  // namespace tinyai
