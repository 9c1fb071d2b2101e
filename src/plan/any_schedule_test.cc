#include <cstdlib>
#include <set>

#include "base/units.h"
#include "fmt/format.h"
#include "plan/check_plan.h"
#include "plan/schedule_test_support.h"
#include "rapidcheck.h"

// Random wishes.
namespace tinyai {
namespace {

// Read by rapidcheck at the first property.
[[maybe_unused]] const int kParameters = setenv("RC_PARAMS", "max_success=400 seed=11", 0);

std::string RandomName(const Graph& graph) {
  const uint32_t layer = *rc::gen::inRange(0u, 3u);
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      return fmt::format("blk.{}", layer);
    case 1:
      return fmt::format("blk.0..{}.ffn_up", layer);
    case 2:
      return "output";
    default:
      return graph.ops[*rc::gen::inRange<size_t>(0, graph.ops.size())].name;
  }
}

// A few ops, mostly in the order in which the model has them.
std::string RandomOps(const Graph& graph, const std::string& between) {
  std::set<size_t> picked;
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) picked.insert(*rc::gen::inRange<size_t>(0, graph.ops.size()));
  std::vector<size_t> ops(picked.begin(), picked.end());
  if (ops.size() > 1 && *rc::gen::inRange(0, 3) == 0) {
    std::swap(ops[0], ops[*rc::gen::inRange<size_t>(1, ops.size())]);
  }
  std::string out;
  for (const size_t op : ops) out += " " + graph.ops[op].name + ";" + between;
  return out;
}

std::string RandomSchedule(const Graph& graph) {
  std::string out;
  const int items = *rc::gen::inRange(1, 4);
  for (int i = 0; i < items; ++i) {
    switch (*rc::gen::inRange(0, 10)) {
      case 0:
        out += fmt::format("CPU {{ pin {}; }}\n", RandomName(graph));
        break;
      case 1:
        out += fmt::format("DISK {{ evict {}; }}\n", RandomName(graph));
        break;
      case 2:
        out += fmt::format("CPU {{{} }}\n", RandomOps(graph, ""));
        break;
      case 3:
        out += fmt::format("closed CPU {{ ???;{} ???; }}\n", RandomOps(graph, ""));
        break;
      case 4:
        out += fmt::format("CPU {{ prefetch {};{} }}\n", RandomName(graph), RandomOps(graph, ""));
        break;
      case 5:
        out += fmt::format("DISK {{ {}; prefetch {}; }}\n", RandomName(graph), RandomName(graph));
        break;
      case 6:
        out += fmt::format("closed DISK {{ ???; {}; {}; ???; }}\n", RandomName(graph),
                           RandomName(graph));
        break;
      case 7: {
        const uint64_t begin = *rc::gen::inRange<uint64_t>(0, 200);
        out += fmt::format("CPU {{ {} blk.{}.{}[{}..{}]; }}\n",
                           *rc::gen::arbitrary<bool>() ? "pin" : "evict", *rc::gen::inRange(0, 3),
                           *rc::gen::arbitrary<bool>() ? "ffn_down" : "attn_q", begin,
                           begin + *rc::gen::inRange<uint64_t>(1, 56));
        break;
      }
      case 8:
        out += fmt::format("DISK {{ sync(f{}@-1); {}; }} CPU {{ {}; --- f{}; }}\n", i,
                           RandomName(graph), RandomName(graph), i);
        break;
      default:
        out += fmt::format("before {}, {};\n", RandomName(graph), RandomName(graph));
    }
  }
  return out;
}

TEST(AnySchedule, IsObeyedOrRefusedWithItsPlace) {
  size_t obeyed = 0, refused = 0;
  const Graph plain = SmallGraph(), tied = SmallGraph(true);
  const uint64_t least = LeastBudget(plain, {.workers = 2, .context = 64});
  const bool held = rc::check([&] {
    const Graph& graph = *rc::gen::arbitrary<bool>() ? plain : tied;
    const std::string text = RandomSchedule(graph);
    PlanRequest request{.workers = *rc::gen::inRange(1u, 4u), .context = 64};
    request.budget_bytes = least + *rc::gen::inRange<uint64_t>(0, 6 * kMiB);
    const Outcome out = PlanBy(graph, text, request);
    if (!out.planned) {
      ++refused;
      const Error& error = out.planned.error();
      if (!error.key.starts_with("SCHEDULE_") && error.key != "BUDGET_INFEASIBLE") {
        RC_FAIL(text + Describe(error));
      }
      return;
    }
    ++obeyed;
    if (const Status status = CheckPlan(graph, out.planned->plan); !status) {
      RC_FAIL(text + Describe(status.error()));
    }
    RC_ASSERT(out.planned->report.predicted_peak_bytes <= request.budget_bytes);
    const auto fault = Disobeyed(graph, out.wanted->wishes, out.planned->plan);
    if (fault) RC_FAIL(*fault + ":\n" + text);
  });
  EXPECT_TRUE(held);
  EXPECT_GT(obeyed, 100u);
  EXPECT_GT(refused, 20u);
}

}  // namespace
}  // namespace tinyai
