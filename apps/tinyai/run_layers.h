#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "engine/session.h"
#include "flags.h"
#include "json.h"
#include "layer_inputs.h"
#include "layer_outputs.h"
#include "os/process_stats.h"

namespace tinyai {

// What `tinyai run` does with a layer graph: inputs from files go through it, batch by batch, and
// what comes out is summed up and written to files.
class LayerRun {
 public:
  void AddFlags(Flags& flags);
  // Whether any of the flags was given.
  bool asked() const { return !inputs_.empty() || !outputs_.empty(); }

  // Before anything is planned: errors of LayerInputs.
  Status Open(const Graph& graph);
  uint64_t samples() const { return input_->samples(); }
  std::vector<const File*> files() const { return input_->files(); }
  // Errors of Session::RunSamples, of reading and of writing.
  Status Run(Session& session, Console& console);
  // The answer, after Run.
  struct Ended {
    const SessionPlan& plan;
    const SessionStats& stats;
    const ProcessStats& process;
    double load_seconds;
    bool interrupted;  // by a signal
  };
  Status Answer(const Ended& ended, Console& console) const;

 private:
  Json ToJson(const Ended& ended) const;
  std::string Timing(const Ended& ended) const;
  double passes_per_second() const;

  std::vector<std::string> inputs_, outputs_;
  std::optional<LayerInputs> input_;
  std::optional<LayerOutputs> output_;
  uint64_t done_ = 0, passes_ = 0;
  double seconds_ = 0;
};

}  // namespace tinyai
