#include "engine/measured_trace.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "os/atomic_file.h"
#include "plan/step_names.h"

namespace tinyai {
namespace {

class RunTracer {
 public:
  RunTracer(const Graph& graph, const Plan& plan, const Recorder& recorder,
            const std::string& title, const TextSink& sink)
      : graph_(graph),
        plan_(plan),
        recorder_(recorder),
        names_(StepNames(graph, plan_)),
        first_pass_(recorder.first_pass()),
        writer_(sink, "measured: " + title) {}

  Status Write() {
    FindStart();
    for (const PlanQueue& queue : plan_.queues) writer_.AddLane(queue.name);
    for (uint32_t queue = 0; queue < plan_.queues.size(); ++queue) {
      Each(queue, [&](const StepRecord& record) { AddStep(queue, record); });
    }
    return writer_.Finish();
  }

 private:
  template <typename Visit>
  void Each(uint32_t queue, Visit visit) const {
    recorder_.Each(queue, [&](const StepRecord& record) {
      if (record.pass >= first_pass_) visit(record);
    });
  }

  void FindStart() {
    start_ns_ = std::numeric_limits<int64_t>::max();
    for (uint32_t queue = 0; queue < plan_.queues.size(); ++queue) {
      Each(queue,
           [&](const StepRecord& record) { start_ns_ = std::min(start_ns_, record.begin_ns); });
    }
  }
  double At(int64_t ns) const { return static_cast<double>(ns - start_ns_) * 1e-9; }

  void AddStep(uint32_t queue, const StepRecord& record) {
    if (queue == kCpuQueue && record.step == 0) {
      writer_.AddMark(fmt::format("pass {}", record.pass), At(record.begin_ns));
    }
    TraceWriter::Args args = {{"step", std::to_string(record.step)},
                              {"pass", std::to_string(record.pass)}};
    const Step& step = plan_.queues[queue].steps[record.step];
    if (const auto* load = std::get_if<step::Load>(&step.work)) {
      args.emplace_back("bytes", std::to_string(load->bytes));
    }
    if (const auto* move = std::get_if<step::Transfer>(&step.work)) {
      const uint64_t bytes = TransferredBytes(graph_, plan_, move->op, plan_.chunk);
      args.emplace_back("bytes", std::to_string(bytes));
    }
    args.emplace_back("stalled_us", std::to_string(record.stalled_us));
    writer_.AddSpan(queue, names_[queue][record.step], At(record.begin_ns),
                    static_cast<double>(record.end_ns - record.begin_ns) * 1e-9, args);
  }

  const Graph& graph_;
  const Plan& plan_;
  const Recorder& recorder_;
  const std::vector<std::vector<std::string>> names_;
  const uint64_t first_pass_;
  TraceWriter writer_;
  int64_t start_ns_ = 0;
};

}  // namespace

Status WriteMeasuredTrace(const Graph& graph, const Plan& plan, const Recorder& recorder,
                          const std::string& title, const TextSink& sink) {
  return RunTracer(graph, plan, recorder, title, sink).Write();
}

Status WriteMeasuredTrace(const Graph& graph, const Plan& plan, const Recorder& recorder,
                          const std::string& title, const std::string& path) {
  TRY_ASSIGN(const std::unique_ptr<AtomicFile> file, AtomicFile::Create(path, {.replace = true}));
  uint64_t size = 0;
  const TextSink append = [&](std::string_view text) {
    const uint64_t at = std::exchange(size, size + text.size());
    return file->WriteAt(at, std::as_bytes(std::span(text)));
  };
  TRY(WriteMeasuredTrace(graph, plan, recorder, title, append));
  return file->Commit();
}

}  // namespace tinyai
