#pragma once

#include <tinyai/utils/forward_scheduler.h>
#include <tinyai/cpp/plan.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace tinyai {
inline namespace v0 {

// A layer as the caller wants it executed: the layers whose results it reads, in the order of its
// operands. One that takes a single operand gets the sum of them. None: it reads the pass's input.
struct WiredLayer {
  int layer = 0;
  std::vector<int> reads = {};
};

struct PassOptions {
  Mode mode = Mode::kAdaptive;
  std::size_t memory_bytes = 0;         // for weights, activations and workspace; 0: what is free
  int batch = 1;                        // samples of a pass
  std::vector<WiredLayer> layers = {};  // in any order; empty: the model's own
  std::size_t trace_bytes = 0;          // to keep when what ran, for WriteTrace; 0: nothing is
};

// What the memory of a pass is made of; the fields are explained in
// <tinyai/utils/forward_scheduler.h>.
using MemoryBreakdown = TinyAIMemoryBreakdown;

// A forward pass of a layer graph in a fixed number of bytes, to be run again and again. One thread
// at a time uses it; it keeps its model alive.
class Pass {
 public:
  // Decides order, memory and reads, and takes the memory. Results depend on none of the options
  // but `layers`. Errors UNSUPPORTED_TEXT (a text model has sessions), ARG_*, SCHEDULE_*,
  // GRAPH_DEPENDENCY, CACHE_FULL, BUDGET_INFEASIBLE (the message has the layer, the bytes needed
  // and the bytes allowed).
  static Result<Pass> Prepare(const Model& model, const PassOptions& options = {}) {
    if (model.is_text()) {
      return Error{TINYAI_ERROR_UNSUPPORTED, "UNSUPPORTED_TEXT",
                   "a text model is run by a Session"};
    }
    Handle handle(tinyaiCreateForwardScheduler(
        model.handle(), static_cast<TinyAIExecutionMode>(options.mode), options.memory_bytes));
    if (!handle) return detail::LastError();
    Pass pass(std::move(handle));
    if (Status done = pass.Wire(options.layers); !done) return done.error();
    if (!tinyaiSetSchedulerBatchSize(pass.handle(), options.batch) ||
        !tinyaiSetSchedulerTrace(pass.handle(), options.trace_bytes) ||
        !tinyaiPrepareForwardPass(pass.handle())) {
      return detail::LastError();
    }
    return pass;
  }

  // Numbers of all inputs of the model for a batch, one input after the other, and of the result of
  // the last layer that no other one reads.
  std::size_t input_size() const { return tinyaiGetSchedulerInputSize(handle()) / sizeof(float); }
  std::size_t output_size() const { return tinyaiGetSchedulerOutputSize(handle()) / sizeof(float); }

  // Hears of each layer when it has been executed. False ends the pass.
  using LayerCallback = std::function<bool(int layer)>;

  // Runs one pass: row-major numbers, sample after sample. A stop ends it between two layers.
  // Errors ARG_VALUE (a span of another size), CANCELLED (a stop, or false from `on_layer`), those
  // of reading; the next call begins anew.
  Status Run(std::span<const float> input, std::span<float> output,
             const LayerCallback& on_layer = {}, const std::stop_token& stop = {}) {
    if (input.size() != input_size()) return WrongSize("input", input.size(), input_size());
    if (output.size() != output_size()) return WrongSize("output", output.size(), output_size());
    tinyaiResetScheduler(handle());
    int layer = -1;
    while (!stop.stop_requested() &&
           tinyaiExecuteNextLayer(handle(), input.data(), output.data(), &layer)) {
      if (on_layer && !on_layer(layer)) return Cancelled();
    }
    if (stop.stop_requested()) return Cancelled();
    return layer == -1 ? Status() : Status(detail::LastError());
  }

  // The result of a layer while it is held: of kNormal all until the next run, else those that
  // nobody reads. Nothing if it is not held.
  std::optional<std::span<const float>> output(int layer) const {
    TinyAIExecLayer now;
    if (!tinyaiGetExecLayer(handle(), layer, &now) || now.outputPtr == nullptr) return std::nullopt;
    return std::span(static_cast<const float*>(now.outputPtr), now.outputSize / sizeof(float));
  }

  Mode mode() const { return static_cast<Mode>(tinyaiGetSchedulerMode(handle())); }
  // What the plan says that a pass will take at most, and what it has taken.
  std::size_t planned_peak_bytes() const { return breakdown().planned_peak; }
  std::size_t peak_bytes() const { return tinyaiGetSchedulerPeakMemoryUsage(handle()); }
  MemoryBreakdown breakdown() const {
    MemoryBreakdown out = {};
    tinyaiGetSchedulerMemoryBreakdown(handle(), &out);
    return out;
  }

  // Ends the pass and writes when the last ones did what, for ui.perfetto.dev; it was prepared with
  // `trace_bytes`. Errors NOT_PREPARED, OUTPUT_TARGET, IO_WRITE.
  Status WriteTrace(const std::string& path) && {
    return detail::StatusOf(tinyaiWriteSchedulerTrace(handle(), path.c_str()));
  }

  // For what only the C API has; belongs to this object.
  TinyAIForwardScheduler* handle() const { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(TinyAIForwardScheduler* scheduler) const {
      tinyaiDestroyForwardScheduler(scheduler);
    }
  };
  using Handle = std::unique_ptr<TinyAIForwardScheduler, Destroy>;
  explicit Pass(Handle handle) : handle_(std::move(handle)) {}

  Status Wire(const std::vector<WiredLayer>& layers) {
    if (layers.empty()) return detail::StatusOf(tinyaiAddModelToSchedule(handle()));
    for (const WiredLayer& wired : layers) {
      if (wired.reads.empty() &&
          !tinyaiAddLayerToSchedule(handle(), wired.layer, -1, TINYAI_DEP_NONE, 0)) {
        return detail::LastError();
      }
      for (const int read : wired.reads) {
        if (!tinyaiAddLayerToSchedule(handle(), wired.layer, read, TINYAI_DEP_RESIDUAL, 0)) {
          return detail::LastError();
        }
      }
    }
    return {};
  }
  static Error WrongSize(const char* what, std::size_t given, std::size_t wanted) {
    return {TINYAI_ERROR_USAGE, "ARG_VALUE",
            std::string("the ") + what + " has " + std::to_string(given) +
                " numbers; the pass has " + std::to_string(wanted)};
  }
  static Error Cancelled() {
    return {TINYAI_ERROR_CANCELLED, "CANCELLED", "the caller stopped the pass"};
  }

  Handle handle_;
};

}  // namespace v0
}  // namespace tinyai
