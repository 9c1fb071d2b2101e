#include "plan/step_names.h"

#include "base/units.h"
#include "gtest/gtest.h"
#include "plan/details.h"
#include "plan/plan_test_support.h"

namespace tinyai {
namespace {

std::vector<std::vector<std::string>> NetNames(const PlanDetails& details) {
  std::vector<std::vector<std::string>> out;
  for (const auto& queue : details.planned.plan.queues) {
    std::vector<std::string>& names = out.emplace_back();
    for (const NetCommand& command : queue) {
      names.push_back(details.model.net.op(command.op).name);
    }
  }
  return out;
}

TEST(StepNames, AreThoseOfTheNetInAnyBudget) {
  for (const bool tied : {false, true}) {
    const Graph graph = MakeGraph(TestShape{
        .width = 256, .layers = 3, .feed_forward = 2016, .vocabulary = 3000, .tied = tied});
    PlanRequest request{.context = 64, .details = true};
    const uint64_t least = LeastBudget(graph, request);
    for (const uint64_t more : {uint64_t{0}, graph.PassBytes() / 2, graph.PassBytes() * 20}) {
      request.budget_bytes = least + more;
      const Result<Planned> planned = CompilePlan(graph, request);
      ASSERT_TRUE(planned) << Describe(planned.error());
      ASSERT_TRUE(planned->details);
      EXPECT_EQ(StepNames(graph, planned->plan), NetNames(*planned->details)) << more;
    }
  }
}

TEST(StepNames, ComeWithoutDetailsToo) {
  const Graph graph = MakeGraph(TestShape{});
  PlanRequest request{.budget_bytes = kGiB, .context = 64};
  const Result<Planned> planned = CompilePlan(graph, request);
  ASSERT_TRUE(planned) << Describe(planned.error());
  EXPECT_FALSE(planned->details);
  const auto names = StepNames(graph, planned->plan);
  ASSERT_EQ(names.size(), planned->plan.queues.size());
  EXPECT_EQ(names[kCpuQueue].back(), "output");
}

}  // namespace
}  // namespace tinyai
