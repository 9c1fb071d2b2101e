#include "run/loader.h"

#include <algorithm>

#include "os/clock.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Stopped() {
  return Fail(ErrorCode::kCancelled, "CANCELLED", "the reading of weights was stopped");
}

}  // namespace

Loader::Loader(const Plan& plan, const PlanArenas& arenas, ReadQueue& disk,
               const QueueClocks& clocks, std::chrono::nanoseconds io_timeout, Recorder* recorder)
    : plan_(plan),
      arenas_(arenas),
      disk_(disk),
      clocks_(clocks),
      io_timeout_(io_timeout),
      recorder_(recorder) {}

Status Loader::Run() {
  const size_t steps = plan_.queues[kDiskQueue].steps.size();
  if (steps == 0) return {};
  for (uint64_t pass = 0;; ++pass) {
    // At most one pass ahead of what is computed; the first needs no invitation.
    TRY(WaitForAnnouncement(pass));
    for (size_t at = 0; at < steps; ++at) TRY(StepOfPass(at, pass));
  }
}

void Loader::Stop() {
  timeline_.Stop();
  announced_.Stop();
  disk_.Cancel();
}

void Loader::Announce(uint64_t pass, bool wants_logits) {
  const uint64_t bit = uint64_t{1} << pass % 64;
  if (wants_logits) {
    wants_logits_.fetch_or(bit);
  } else {
    wants_logits_.fetch_and(~bit);
  }
  announced_.Advance(pass + 1);
}

// Until so many passes are announced. What is being read comes first: workers may wait for it.
Status Loader::WaitForAnnouncement(uint64_t passes) {
  while (announced_.value() < passes && disk_.in_flight() > 0) TRY(FinishOne());
  if (!announced_.WaitFor(passes)) return Stopped();
  return {};
}

Status Loader::WaitForSync(const Sync& sync, uint64_t pass) {
  const std::optional<uint64_t> target = clocks_.Target(sync, pass);
  if (!target) return {};
  const uint32_t queue = clocks_.queue_of(sync);
  // The others may be waiting for what is still being read: that comes first.
  while (!clocks_.Reached(queue, *target) && disk_.in_flight() > 0) TRY(FinishOne());
  if (!clocks_.WaitFor(queue, *target)) return Stopped();
  return {};
}

Status Loader::Issue(const step::Load& load) {
  while (disk_.in_flight() >= std::min(plan_.io_depth, disk_.depth())) TRY(FinishOne());
  const int64_t issued_ns = recorder_ != nullptr ? MonotonicNs() : 0;
  auto& counter = load.once ? once_bytes_ : streamed_bytes_;
  counter.fetch_add(load.bytes, std::memory_order_relaxed);
  TRY(disk_.Submit({.file = load.part,
                    .offset = load.file_offset,
                    .data = arenas_.At(load.arena_offset),
                    .size = load.bytes,
                    .tag = passed_}));
  in_flight_.push_back({passed_, false, issued_ns});
  return {};
}

Status Loader::FinishOne() {
  TRY_ASSIGN(const uint64_t number, disk_.Wait(io_timeout_));
  const auto done = std::find_if(in_flight_.begin(), in_flight_.end(),
                                 [&](const InFlight& read) { return read.number == number; });
  done->finished = true;
  UpdateTimeline();
  return {};
}

// Reads may finish out of order; the timeline tells how many steps have finished without a gap.
void Loader::UpdateTimeline() {
  while (!in_flight_.empty() && in_flight_.front().finished) {
    if (recorder_ != nullptr) Record(in_flight_.front().number, in_flight_.front().issued_ns);
    in_flight_.pop_front();
  }
  timeline_.Advance(in_flight_.empty() ? passed_ : in_flight_.front().number);
}

// Several reads are in flight at once; the queue as such does one after the other. It waited if it
// had nothing to do before this one.
void Loader::Record(uint64_t number, int64_t issued_ns) {
  const uint64_t steps = plan_.queues[kDiskQueue].steps.size();
  const int64_t begin_ns = std::max(issued_ns, free_at_ns_);
  const int64_t idle_ns = free_at_ns_ == 0 ? 0 : begin_ns - free_at_ns_;
  free_at_ns_ = MonotonicNs();
  recorder_->Record(kDiskQueue, {.begin_ns = begin_ns,
                                 .end_ns = free_at_ns_,
                                 .stalled_us = Microseconds(idle_ns),
                                 .step = static_cast<uint32_t>(number % steps),
                                 .pass = number / steps});
}

Status Loader::StepOfPass(size_t at, uint64_t pass) {
  const Step& step = plan_.queues[kDiskQueue].steps[at];
  const auto& load = std::get<step::Load>(step.work);
  bool left_out = load.once && pass > 0;
  if (step.logits_only && !left_out) {
    TRY(WaitForAnnouncement(pass + 1));
    left_out = (wants_logits_.load() >> pass % 64 & 1) == 0;
  }
  if (!left_out) {
    for (const Sync& sync : step.syncs) TRY(WaitForSync(sync, pass));
    if (timeline_.stopped()) return Stopped();
    TRY(Issue(load));
  }
  ++passed_;
  if (left_out) UpdateTimeline();
  return {};
}

}  // namespace tinyai
