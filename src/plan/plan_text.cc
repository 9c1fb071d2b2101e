#include "plan/plan_text.h"

#include <map>

#include "fmt/format.h"

namespace tinyai {
namespace {

class Printer {
 public:
  Printer(const Graph& graph, const Plan& plan) : graph_(graph), plan_(plan) {
    for (const Fence& fence : plan.fences) fence_after_[{fence.queue, fence.step}] = &fence;
  }

  std::string Print() {
    Header();
    size_t left = 0;
    for (const PlanQueue& queue : plan_.queues) left += queue.steps.size();
    size_t queue = kDiskQueue;
    while (left > 0) {
      const size_t printed = Block(queue);
      left -= printed;
      queue = (queue + 1) % plan_.queues.size();
    }
    return out_;
  }

 private:
  void Header() {
    out_ += fmt::format("// workers {}, chunk {}, context {}, cache {}/{}, blocks of {}\n",
                        plan_.workers, plan_.chunk, plan_.context, Name(plan_.key_type),
                        Name(plan_.value_type), plan_.io_alignment);
    out_ += fmt::format("budget {} <= {};\n", plan_.memory.name, plan_.memory.arena_bytes);
    for (const PlanBuffer& buffer : plan_.buffers) {
      out_ += fmt::format("// {:>12} +{:<10} {}: {}\n", buffer.offset, buffer.bytes,
                          Name(buffer.kind), buffer.name);
    }
  }

  bool Ready(const Step& step) const {
    for (const Sync& sync : step.syncs) {
      const Fence& fence = plan_.fences[Index(sync.fence)];
      if (sync.distance == 0 && next_.at(fence.queue) <= fence.step) return false;
    }
    return true;
  }

  // Prints what the queue can issue now; returns the number of steps.
  size_t Block(size_t queue) {
    const std::vector<Step>& steps = plan_.queues[queue].steps;
    const size_t begin = next_[queue];
    while (next_[queue] < steps.size() && Ready(steps[next_[queue]])) {
      if (next_[queue] == begin) out_ += fmt::format("{} {{\n", plan_.queues[queue].name);
      PrintStep(queue, next_[queue]);
      ++next_[queue];
    }
    if (next_[queue] != begin) out_ += "}\n";
    return next_[queue] - begin;
  }

  void PrintStep(size_t queue, size_t at) {
    const Step& step = plan_.queues[queue].steps[at];
    for (const Sync& sync : step.syncs) {
      const Fence& fence = plan_.fences[Index(sync.fence)];
      out_ += fmt::format("  sync({}{});\n", fence.name,
                          sync.distance == 0 ? "" : fmt::format("@-{}", sync.distance));
    }
    out_ += "  " + std::visit([this](const auto& work) { return Work(work); }, step.work);
    if (step.joins) out_ += " join";
    if (step.logits_only) out_ += " logits";
    out_ += '\n';
    if (const auto fence = fence_after_.find({queue, at}); fence != fence_after_.end()) {
      out_ += fmt::format("  --- {};\n", fence->second->name);
    }
  }

  std::string Work(const step::Load& load) const {
    return fmt::format("load part{}[{}..{}]; // at {}{}", load.part, load.file_offset,
                       load.file_offset + load.bytes, load.arena_offset, load.once ? " once" : "");
  }
  std::string Work(const step::LoadRows& rows) const {
    return fmt::format("load {}[tokens]; // at {} every {}", graph_.weight(rows.table).name,
                       plan_.buffer(rows.staging).offset, rows.stride);
  }
  std::string Work(const step::Run& run) const {
    const Op& op = graph_.ops[Index(run.op)];
    if (run.row_end == 0) return fmt::format("{}; //", op.name);
    return fmt::format("{}[{}..{}]; // weights at {}", op.name, run.row_begin, run.row_end,
                       run.weights_offset);
  }

  const Graph& graph_;
  const Plan& plan_;
  std::map<std::pair<size_t, size_t>, const Fence*> fence_after_;
  std::map<size_t, size_t> next_ = {{0, 0}, {1, 0}, {2, 0}};
  std::string out_;
};

}  // namespace

std::string PlanText(const Graph& graph, const Plan& plan) { return Printer(graph, plan).Print(); }

}  // namespace tinyai
