#include "plan/simulate_plan.h"

#include "plan/net_plan.h"
#include "plan/pass_costs.h"
#include "plan/task_net.h"

namespace tinyai {
namespace {

// A net with one op for each step, which takes the time of the step and needs nothing but its turn.
class StepNet {
 public:
  StepNet(const Graph& graph, const Plan& plan, const PlanRequest& request)
      : graph_(graph),
        plan_(plan),
        tokens_(graph.is_text() ? 1 : plan.chunk),
        costs_(graph, request.rates, plan.workers, tokens_),
        device_costs_(PassCosts::OfDevice(graph, request, tokens_)),
        device_(request.device) {
    net_.memories = {{plan.memory.name}};
    net_.regions = {{"pass", {}, {}, true}};
    net_.loops = true;
    if (plan.device && device_) {
      const MeetingCosts costs = MeetingCostsOf(*device_);
      net_.fence_seconds = costs.fence_seconds;
      net_.sync_seconds = costs.sync_seconds;
    }
    for (size_t i = 0; i < plan.queues.size(); ++i) AddQueue(i);
    for (const Fence& fence : plan.fences) {
      net_plan_.fences.push_back({PlaceId(fence.queue), fence.step});
    }
  }

  Simulation Follow() const { return Simulate(net_, net_plan_); }

 private:
  void AddQueue(size_t queue) {
    const PlaceId place{static_cast<uint32_t>(queue)};
    net_.places.push_back({plan_.queues[queue].name, {}, queue == kCpuQueue});
    std::vector<NetCommand>& commands = net_plan_.queues.emplace_back();
    for (const Step& step : plan_.queues[queue].steps) {
      NetCommand& command = commands.emplace_back();
      command.op = NetOpId(net_.ops.size());
      for (const Sync& sync : step.syncs) {
        command.syncs.push_back({static_cast<uint32_t>(Index(sync.fence)), sync.distance});
      }
      NetOp& op = net_.ops.emplace_back();
      std::visit([&](const auto& work) { Fill(work, step, place, op); }, step.work);
    }
  }

  void Fill(const step::Load& load, const Step&, PlaceId place, NetOp& op) const {
    op.once = load.once;
    op.moved_bytes = load.bytes;
    op.choices = {{place, costs_.LoadSeconds(load.bytes)}};
  }
  void Fill(const step::LoadRows& rows, const Step&, PlaceId place, NetOp& op) const {
    op.moved_bytes = plan_.io_alignment;
    op.choices = {{place, costs_.RowsSeconds(rows.stride)}};
  }
  void Fill(const step::Transfer& transfer, const Step&, PlaceId place, NetOp& op) const {
    op.moved_bytes = TransferredBytes(graph_, plan_, transfer.op, plan_.chunk);
    op.choices = {{place, costs_.TransferSeconds(graph_.ops[Index(transfer.op)])}};
  }
  void Fill(const step::Run& run, const Step& step, PlaceId place, NetOp& op) const {
    const Op& computed = graph_.ops[Index(run.op)];
    const PassCosts& costs = Index(place) == kDeviceQueue ? device_costs_ : costs_;
    op.choices = {
        {place, IsProduct(computed.kind)
                    ? costs.ProductSeconds(computed, run.row_end - run.row_begin, step.logits_only)
                    : costs.OpSeconds(computed)}};
  }
  void Fill(const step::Move& move, const Step&, PlaceId place, NetOp& op) const {
    op.moved_bytes = graph_.value(move.value).row_bytes * tokens_;
    op.choices = {{place, (move.to_device ? device_->to : device_->from).Seconds(op.moved_bytes)}};
  }

  const Graph& graph_;
  const Plan& plan_;
  const uint64_t tokens_;  // of the pass: one, or the samples of a batch
  const PassCosts costs_, device_costs_;
  const std::optional<RequestDevice>& device_;
  TaskNet net_;
  NetPlan net_plan_;
};

}  // namespace

Simulation SimulatePlan(const Graph& graph, const Plan& plan, const PlanRequest& request) {
  return StepNet(graph, plan, request).Follow();
}

}  // namespace tinyai
