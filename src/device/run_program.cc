#include "device/run_program.h"

#include <algorithm>

#include "device/check_kernels.h"
#include "device/gpu_places.h"
#include "device/interpreter.h"
#include "device/run_state.h"
#include "fmt/format.h"
#include "os/clock.h"
#include "os/thread.h"

namespace tinyai {
namespace {

// Who reaches into each memory.
struct Reach {
  bool cpu = false, gpu = false;
};

void FindReach(const RunState& state, std::vector<Reach>& reach) {
  const CompiledProgram& program = state.program;
  const auto touch = [&](const NetBuffer& buffer, bool gpu) {
    if (buffer.bytes == 0) return;
    (gpu ? reach[Index(buffer.memory)].gpu : reach[Index(buffer.memory)].cpu) = true;
  };
  for (size_t place = 0; place < program.plan.queues.size(); ++place) {
    for (const NetCommand& command : program.plan.queues[place]) {
      const NetOp& op = program.net.op(command.op);
      const bool gpu = state.places[place]->on_gpu;
      for (const NetValueId in : op.ins) touch(state.BufferOf(in), gpu);
      for (const NetValueId out : op.outs) touch(state.BufferOf(out), gpu);
    }
  }
  // Whether an arm is taken is decided by the CPU.
  for (const NetRegion& region : program.net.regions) {
    if (region.condition) touch(state.BufferOf(*region.condition), false);
  }
  // So it is how often a loop goes round.
  for (size_t i = 0; i < program.net.ops.size(); ++i) {
    if (const auto test = program.TestOf(NetOpId(i))) touch(state.BufferOf(*test), false);
    const auto* loop = std::get_if<work::Loop>(&program.work[i]);
    if (loop == nullptr) continue;
    const LoopBody& body = *program.bodies[loop->body].body;
    if (program.program.loops[body.loop].trips) continue;
    for (const NetValueId in : program.net.ops[i].ins) touch(state.BufferOf(in), false);
  }
  for (const auto& loop : state.loops) FindReach(*loop, reach);
}

// Memories that the CPU sees.
void Fill(RunState& state, std::byte value) {
  for (size_t i = 0; i < state.shared.memories.size(); ++i) {
    if (state.shared.memories[i].data == nullptr) continue;
    std::fill_n(state.shared.memories[i].data, state.program.plan.heights[i], value);
  }
}

Status TakeMemories(RunState& state, Budget& budget) {
  const CompiledProgram& program = state.program;
  std::vector<Reach> reach(program.net.memories.size());
  FindReach(state, reach);
  std::vector<RunMemory>& memories = state.shared.memories;
  memories.resize(program.net.memories.size());
  for (size_t i = 0; i < memories.size(); ++i) {
    RunMemory& memory = memories[i];
    const uint64_t bytes = std::max<uint64_t>(program.plan.heights[i], 1);
    const std::string what = fmt::format("the arena of {}", program.net.memories[i].name);
    if (!reach[i].gpu) {
      TRY_ASSIGN(memory.region, MemoryRegion::Allocate(budget, bytes, what));
      memory.data = memory.region.data();
      continue;
    }
    if (!reach[i].cpu) {
      TRY_ASSIGN(memory.gpu,
                 state.options.gpu->Allocate(budget, GpuArena::Kind::kDevice, bytes, what));
    } else {
      TRY_ASSIGN(memory.gpu,
                 state.options.gpu->Allocate(budget, GpuArena::Kind::kHost, bytes, what));
    }
    memory.data = memory.gpu.data();
  }
  return {};
}

Status StartAndJoin(RunState& state, GpuPlaces* gpu) {
  std::vector<Thread> threads;
  const auto start = [&](const std::string& name, std::function<void()> body) -> Status {
    Result<Thread> thread =
        Thread::Start({.name = name, .stack_bytes = Interpreter::kStackBytes}, std::move(body));
    if (!thread) {
      state.Stop();  // those that run already
      return tl::unexpected(std::move(thread).error());
    }
    threads.push_back(std::move(*thread));
    return {};
  };
  for (size_t i = 0; i < state.places.size(); ++i) {
    if (state.places[i]->on_gpu || state.program.plan.queues[i].empty()) continue;
    TRY(start(state.program.net.places[i].name, [&state, i] { RunOnCpu(state, PlaceId(i)); }));
  }
  if (gpu != nullptr) TRY(start("GPU", [&state, gpu] { RunOnGpu(state, *gpu); }));
  if (state.options.stop == nullptr) return {};
  // Until the last place has ended, looks whether somebody wants it all to stop.
  for (size_t i = 0; i < state.places.size(); ++i) {
    const auto commands = static_cast<uint32_t>(state.program.plan.queues[i].size());
    for (;;) {
      if (*state.options.stop && !state.shared.stopped) {
        state.Fail({ErrorCode::kCancelled, "CANCELLED", "the program was stopped"});
      }
      if (state.shared.stopped || commands == 0 || state.places[i]->on_gpu) break;
      if (state.places[i]->ended.WaitFor(commands, std::chrono::milliseconds(20))) break;
    }
  }
  return {};
}

std::optional<std::string> FindRace(const RunState& state) {
  if (state.watch == nullptr) return std::nullopt;
  std::optional<std::string> race = state.watch->found();
  for (const auto& loop : state.loops) {
    if (!race) race = FindRace(*loop);
  }
  return race;
}

}  // namespace

void AlignForGpu(Devices& devices) {
  constexpr uint64_t kMostAlignment = 256;  // that a Vulkan device may ask for
  for (const Devices::Place& place : devices.places) {
    if (place.api != Devices::Api::kVulkan) continue;
    uint64_t& alignment = devices.memories[place.memory].alignment;
    alignment = std::max(alignment, kMostAlignment);
  }
}

std::string OutputName(const Program& program, const Eval& eval) {
  const ExprNode& node = eval.code.back();
  if (node.kind != ExprNode::Kind::kOperand) return "output";
  return OutputName(program.def(eval.ins[node.index]));
}

std::string OutputName(const Def& def) { return def.name.substr(0, def.name.find('@')); }

Result<ProgramRun> RunProgram(const CompiledProgram& program, ProgramInput& input, Budget& budget,
                              const RunOptions& options) {
  RunShared shared(input, options);
  RunState state(program, shared);
  TRY(CheckKernels(state));
  shared.run.records.resize(program.plan.queues.size());
  TRY(TakeMemories(state, budget));
  if (options.fill) Fill(state, *options.fill);
  std::unique_ptr<GpuPlaces> gpu;
  const bool on_gpu = std::any_of(state.places.begin(), state.places.end(),
                                  [](const auto& place) { return place->on_gpu; });
  if (on_gpu) {
    TRY_ASSIGN(gpu, GpuPlaces::Make(state, budget));
  }
  shared.run.begin_ns = MonotonicNs();
  TRY(StartAndJoin(state, gpu.get()));
  shared.run.end_ns = MonotonicNs();
  if (shared.error) return tl::unexpected(std::move(*shared.error));
  if (gpu != nullptr && gpu->TakeTrap()) shared.run.trapped = true;
  shared.run.race = FindRace(state);
  return std::move(shared.run);
}

}  // namespace tinyai
