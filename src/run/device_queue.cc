#include "run/device_queue.h"

#include <cstring>
#include <utility>

#include "os/clock.h"

namespace tinyai {
namespace {

// A plan of one worker whose CPU queue is the device's queue, and whose arena is the device's
// memory. Buffers elsewhere keep offsets that nothing may use.
Plan OwnPlan(const Plan& plan) {
  const PlanDevice& device = *plan.device;
  const uint64_t base = plan.memory.arena_bytes;
  Plan out{.chunk = plan.chunk,
           .context = plan.context,
           .key_type = plan.key_type,
           .value_type = plan.value_type,
           .io_alignment = plan.io_alignment,
           .memory = device.memory,
           .buffers = plan.buffers,
           .value_buffers = plan.value_buffers,
           .weight_offsets = device.weight_offsets,
           .cache_buffers = plan.cache_buffers,
           .workspace_buffers = {device.workspace_buffer},
           .rope_buffer = device.rope_buffer};
  for (PlanBuffer& buffer : out.buffers) buffer.offset -= base;
  for (size_t i = 0; i < out.value_buffers.size(); ++i) {
    if (device.value_buffers[i]) out.value_buffers[i] = *device.value_buffers[i];
  }
  for (std::optional<uint64_t>& offset : out.weight_offsets) {
    if (offset) *offset -= base;
  }
  out.queues.assign(kRowsQueue + 1, {});
  out.queues[kCpuQueue] = plan.queues[kDeviceQueue];
  for (Step& step : out.queues[kCpuQueue].steps) {
    if (auto* const run = std::get_if<step::Run>(&step.work)) run->weights_offset -= base;
  }
  return out;
}

}  // namespace

DeviceQueue::DeviceQueue(const Graph& graph, const Plan& plan, RopeFrequencies frequencies,
                         const PlanArenas& arenas, const QueueClocks& clocks, Options options)
    : graph_(graph),
      plan_(plan),
      arenas_(arenas),
      clocks_(clocks),
      options_(std::move(options)),
      own_(OwnPlan(plan)),
      runner_(graph, own_, std::move(frequencies), options_.tiling, arenas.device) {}

void DeviceQueue::Run(const Timeline& started, const Pass& pass) {
  const size_t steps = own_.queues[kCpuQueue].steps.size();
  for (uint64_t number = 0; started.WaitFor(number + 1); ++number) {
    runner_.Prepare(pass);
    for (size_t at = 0; at < steps; ++at) {
      if (!StepOfPass(at, number, pass)) return;
      done_.Advance(number * steps + at + 1);
    }
  }
}

bool DeviceQueue::StepOfPass(size_t at, uint64_t number, const Pass& pass) {
  const Step& step = own_.queues[kCpuQueue].steps[at];
  if (step.logits_only && !pass.wants_logits) return !done_.stopped();
  if (options_.before_step) options_.before_step(kDeviceQueue);
  Recorder* const recorder = options_.recorder;
  const int64_t asked_ns = recorder != nullptr ? MonotonicNs() : 0;
  if (!clocks_.WaitFor(step.syncs, number)) return false;
  if (done_.stopped()) return false;
  const int64_t begin_ns = recorder != nullptr ? MonotonicNs() : 0;
  if (const auto* move = std::get_if<step::Move>(&step.work)) {
    Move(*move, pass);
  } else {
    runner_.Run(at, std::get<step::Run>(step.work), pass, 0);
  }
  if (recorder != nullptr) {
    recorder->Record(kDeviceQueue, {.begin_ns = begin_ns,
                                    .end_ns = MonotonicNs(),
                                    .stalled_us = Microseconds(begin_ns - asked_ns),
                                    .step = static_cast<uint32_t>(at),
                                    .pass = number});
  }
  return true;
}

void DeviceQueue::Move(const step::Move& move, const Pass& pass) const {
  const size_t value = Index(move.value);
  const Value& moving = graph_.values[value];
  std::byte* const ram = arenas_.At(plan_.buffer(plan_.value_buffers[value]).offset);
  std::byte* const there = arenas_.At(plan_.buffer(*plan_.device->value_buffers[value]).offset);
  const uint64_t rows = moving.rows == Rows::kTokens ? pass.rows() : 1;
  std::memcpy(move.to_device ? there : ram, move.to_device ? ram : there, rows * moving.row_bytes);
}

}  // namespace tinyai
