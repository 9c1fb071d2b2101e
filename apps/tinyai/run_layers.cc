#include "run_layers.h"

#include <algorithm>
#include <chrono>

#include "base/escape.h"
#include "base/units.h"
#include "fmt/format.h"
#include "plan_view.h"
#include "run_report.h"

namespace tinyai {

void LayerRun::AddFlags(Flags& flags) {
  flags.List(
      "--input", "NAME=FILE",
      "of a layer graph: the samples of one of its inputs, a .npy file of float32; NAME= may "
      "be left out where there is one input",
      &inputs_);
  flags.List("-o,--output", "NAME=FILE",
             "of a layer graph: where an output goes to as a .npy file; likewise", &outputs_);
}

Status LayerRun::Open(const Graph& graph) {
  TRY_ASSIGN(input_, LayerInputs::Open(graph, inputs_));
  return {};
}

Status LayerRun::Run(Session& session, Console& console) {
  TRY_ASSIGN(output_, LayerOutputs::Open(session.graph(), outputs_, samples(),
                                         input_->has_samples_axis(), files()));
  const auto start = std::chrono::steady_clock::now();
  while (done_ < samples()) {
    const uint64_t count = std::min(samples() - done_, session.plan().plan.chunk);
    TRY_ASSIGN(const auto inputs, input_->Read(done_, count));
    TRY(session.RunSamples(count, inputs));
    TRY(output_->Add(session, count));
    done_ += count;
    ++passes_;
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    seconds_ = time.count();
    console.Progress(fmt::format("{} of {} samples done", done_, samples()));
  }
  console.EndProgress();
  return output_->Commit();
}

double LayerRun::passes_per_second() const {
  return seconds_ > 0 ? static_cast<double>(passes_) / seconds_ : 0;
}

Status LayerRun::Answer(const Ended& ended, Console& console) const {
  for (const LayerInputs::Bad& bad : input_->bad_numbers()) {
    console.Note(fmt::format("{} numbers of input '{}' are infinite or none", bad.count,
                             EscapeControl(bad.name)));
  }
  if (console.json) return console.Answer(Dump(ToJson(ended)));
  if (!ended.interrupted) TRY(console.Answer(output_->Text()));
  if (!console.quiet) console.Say(fmt::format("\n{}", Timing(ended)));
  return {};
}

std::string LayerRun::Timing(const Ended& ended) const {
  return fmt::format("load        {:.0f} ms\n", ended.load_seconds * 1000) +
         fmt::format("passes      {} in {} ({} of {} samples), {:.3g} passes/s, {:.3g} planned\n",
                     passes_, FormatSeconds(seconds_), done_, samples(), passes_per_second(),
                     ended.plan.report.predicted_tokens_per_second) +
         DescribeMemory(ended.stats) + "\n" +
         DescribeDisk(ended.stats, "pass", ended.plan.plan.streamed_read_bytes);
}

Json LayerRun::ToJson(const Ended& ended) const {
  Json out;
  out["outputs"] = output_ ? output_->ToJson() : Json::array();
  out["samples"] = done_;
  out["batch"] = ended.plan.plan.chunk;
  out["passes"] = passes_;
  out["seconds"] = seconds_;
  out["passes_per_second"] = passes_per_second();
  out["predicted_passes_per_second"] = ended.plan.report.predicted_tokens_per_second;
  AddStats(ended.stats, ended.process, "pass",
           static_cast<double>(ended.plan.plan.streamed_read_bytes), out);
  out["spilled_bytes"] = ended.stats.run.spilled_bytes;
  out["fetched_bytes"] = ended.stats.run.fetched_bytes;
  out["load_ms"] = ended.load_seconds * 1000;
  return out;
}

}  // namespace tinyai
