#include "run/spiller.h"

#include <algorithm>
#include <utility>

#include "os/clock.h"

namespace tinyai {
namespace {

// What is moved at once: enough for the disk's full rate, little enough to be stopped soon.
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

tl::unexpected<Error> Stopped() {
  return Fail(ErrorCode::kCancelled, "CANCELLED", "the moving of activations was stopped");
}

}  // namespace

Spiller::Spiller(const Graph& graph, const Plan& plan, std::byte* arena, ScratchFile& scratch,
                 const QueueClocks& clocks, Recorder* recorder)
    : graph_(graph),
      plan_(plan),
      arena_(arena),
      scratch_(scratch),
      clocks_(clocks),
      recorder_(recorder) {}

Status Spiller::Run() {
  const size_t steps = plan_.queues[kSpillQueue].steps.size();
  for (uint64_t pass = 0;; ++pass) {
    if (!announced_.WaitFor(pass + 1)) return Stopped();
    for (size_t at = 0; at < steps; ++at) TRY(StepOfPass(at, pass));
  }
}

void Spiller::Stop() {
  timeline_.Stop();
  announced_.Stop();
}

void Spiller::Announce(uint64_t rows) {
  rows_ = rows;
  announced_.Advance(announced_.value() + 1);
}

Status Spiller::StepOfPass(size_t at, uint64_t pass) {
  const std::vector<Step>& steps = plan_.queues[kSpillQueue].steps;
  const int64_t asked_ns = recorder_ != nullptr ? MonotonicNs() : 0;
  if (!clocks_.WaitFor(steps[at].syncs, pass)) return Stopped();
  const int64_t begin_ns = recorder_ != nullptr ? MonotonicNs() : 0;
  TRY(Move(std::get<step::Transfer>(steps[at].work)));
  if (recorder_ != nullptr) {
    recorder_->Record(kSpillQueue, {.begin_ns = begin_ns,
                                    .end_ns = MonotonicNs(),
                                    .stalled_us = Microseconds(begin_ns - asked_ns),
                                    .step = static_cast<uint32_t>(at),
                                    .pass = pass});
  }
  timeline_.Advance(pass * steps.size() + at + 1);
  return {};
}

Status Spiller::Move(const step::Transfer& transfer) {
  const bool out = std::holds_alternative<op::Spill>(graph_.ops[Index(transfer.op)].kind);
  const BufferId buffer = plan_.value_buffers[Index(TransferredValue(graph_, transfer.op))];
  const uint64_t bytes = TransferredBytes(graph_, plan_, transfer.op, rows_);
  std::byte* const data = arena_ + plan_.buffer(buffer).offset;
  for (uint64_t done = 0; done < bytes;) {
    if (timeline_.stopped()) return Stopped();
    const uint64_t piece = std::min(kPieceBytes, bytes - done);
    const std::span<std::byte> moved(data + done, piece);
    const uint64_t at = transfer.scratch_offset + done;
    TRY(out ? scratch_.WriteBlocks(at, moved) : scratch_.ReadBlocks(at, moved));
    (out ? spilled_bytes_ : fetched_bytes_).fetch_add(piece, std::memory_order_relaxed);
    done += piece;
  }
  return {};
}

}  // namespace tinyai
