#include "plan/compile_net.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "plan/net_test_support.h"

namespace tinyai {
namespace {

using testing::HasSubstr;
using Term = NetObjective::Term;

constexpr uint32_t kCpu = 1, kGpu = 2;  // masks of places

// A program: ops by name, with the ops they take values from, and where each may run.
class Program {
 public:
  Program() {
    net_.memories = {{"RAM", ~uint64_t{0}, 4}};
    net_.places = {{"CPU", {}, true}, {"GPU", {}, false}};
    net_.regions = {{"all"}};
  }
  Program& Add(const std::string& name, std::vector<std::string> from, uint32_t places,
               NetEffect effect = NetEffect::kNone) {
    NetOp op{.name = name, .effect = effect};
    for (const std::string& other : from) op.ins.push_back(net_.op(Find(other)).outs[0]);
    for (uint32_t place = 0; place < 2; ++place) {
      if ((places >> place & 1) != 0) op.choices.push_back({PlaceId(place), 1});
    }
    op.outs = {NetValueId(net_.values.size())};
    net_.values.push_back({.name = name, .bytes = 4});
    net_.ops.push_back(op);
    return *this;
  }
  Program& Before(const std::string& earlier, const std::string& later) {
    net_.orders.push_back({Find(earlier), Find(later)});
    return *this;
  }
  const TaskNet& net() const { return net_; }

 private:
  NetOpId Find(const std::string& name) const {
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      if (net_.ops[i].name == name) return NetOpId(i);
    }
    ADD_FAILURE() << name;
    return {};
  }
  TaskNet net_;
};

void ExpectCounts(const TaskNet& net, uint64_t fences, uint64_t syncs) {
  const Result<PlannedNet> planned = CompileNet(net, NetObjective::ForPrograms(), {});
  ASSERT_TRUE(planned) << Describe(planned.error());
  EXPECT_EQ(planned->syncs.value, syncs);
  EXPECT_EQ(planned->fences.value, fences);
  EXPECT_TRUE(planned->syncs.optimal());
  EXPECT_FALSE(TimingOracle(net, planned->plan).FindsHarm(20, 1));
}

// The second program of the specification: a = x + y and b = x * y on the GPU, c = y + z and d = a
// * z on the CPU, and a printed before d is computed.
Program SecondExample(uint32_t c_and_d) {
  Program program;
  program.Add("x", {}, kCpu, NetEffect::kInput).Add("y", {}, kCpu, NetEffect::kInput);
  program.Add("z", {}, kCpu, NetEffect::kInput);
  program.Add("a", {"x", "y"}, kGpu).Add("b", {"x", "y"}, kGpu);
  program.Add("c", {"y", "z"}, c_and_d).Add("print(a)", {"a"}, kCpu, NetEffect::kPrint);
  return program.Add("d", {"a", "z"}, c_and_d).Before("print(a)", "d");
}

// scheduling.md 2.7, as far as nets go.
TEST(CompileNet, ReachesTheCountsOfTheSpecification) {
  ExpectCounts(SecondExample(kCpu).net(), 2, 2);  // T5
  ExpectCounts(SecondExample(kGpu).net(), 3, 3);  // T7
  Program t9;
  t9.Add("x", {}, kCpu, NetEffect::kInput).Add("y", {"x"}, kGpu).Add("z", {"y"}, kCpu);
  ExpectCounts(t9.Add("print(z)", {"z"}, kCpu, NetEffect::kPrint).net(), 2, 2);
  Program chain;  // T15
  chain.Add("0", {}, kCpu);
  for (int i = 1; i < 12; ++i) {
    chain.Add(std::to_string(i), {std::to_string(i - 1)}, i % 2 == 0 ? kCpu : kGpu);
  }
  ExpectCounts(chain.net(), 11, 11);
  Program chains;  // T16
  for (int i = 0; i < 9; ++i) {
    const std::string n = std::to_string(i);
    chains.Add("x" + n, {}, kCpu).Add("y" + n, {"x" + n}, kGpu).Add("z" + n, {"y" + n}, kCpu);
  }
  ExpectCounts(chains.net(), 2, 2);
  Program both;  // T17
  for (int i = 0; i < 9; ++i) {
    const std::string n = std::to_string(i);
    both.Add("x" + n, {}, kCpu).Add("y" + n, {"x" + n}, kGpu);
    both.Add("u" + n, {}, kGpu).Add("v" + n, {"u" + n}, kCpu);
  }
  ExpectCounts(both.net(), 2, 2);
}

TEST(CompileNet, NeedsNoSyncWhereOnePlaceCanDoAll) {
  Program program;
  program.Add("x", {}, kCpu).Add("y", {"x"}, kCpu | kGpu).Add("z", {"y"}, kCpu | kGpu);
  ExpectCounts(program.net(), 0, 0);
}

// Every op can be anywhere and times differ: all placements, and for each all orders, tried out.
double LeastMakespanByTrying(const TaskNet& net) {
  const size_t n = net.ops.size(), places = net.places.size();
  double least = 1e9;
  size_t placements = 1;
  for (size_t i = 0; i < n; ++i) placements *= places;
  std::vector<NetOpId> order = ProgramOrder(net);
  do {
    std::vector<size_t> at(n);
    for (size_t i = 0; i < n; ++i) at[Index(order[i])] = i;
    bool possible = true;
    for (const NetNeed& need : Needs(net)) {
      possible = possible && at[Index(need.earlier)] < at[Index(need.later)];
    }
    for (size_t code = 0; possible && code < placements; ++code) {
      std::vector<double> end(n, 0), free_at(places, 0);
      double makespan = 0;
      for (const NetOpId id : order) {
        size_t rest = code;
        for (size_t i = 0; i < Index(id); ++i) rest /= places;
        const size_t place = rest % places;
        double start = free_at[place];
        for (const NetNeed& need : Needs(net)) {
          if (need.later == id) start = std::max(start, end[Index(need.earlier)]);
        }
        end[Index(id)] = free_at[place] = start + net.op(id).choices[place].seconds;
        makespan = std::max(makespan, end[Index(id)]);
      }
      least = std::min(least, makespan);
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return least;
}

TEST(CompileNet, EndsAsSoonAsTryingEverythingDoes) {
  int as_soon = 0, all = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    TaskNet net = RandomNet({.ops = 6, .places = 2, .in_place = false}, seed).Take();
    std::mt19937_64 random(seed);
    for (NetOp& op : net.ops) {
      op.choices = {{PlaceId(0), static_cast<double>(1 + random() % 9)},
                    {PlaceId(1), static_cast<double>(1 + random() % 9)}};
    }
    const auto planned = CompileNet(net, {{Term::kMakespan}}, {.effort = Effort::kExact});
    ASSERT_TRUE(planned) << Describe(planned.error());
    const double least = LeastMakespanByTrying(net);
    EXPECT_GE(planned->simulation.makespan, least * (1 - 1e-9));
    EXPECT_LE(planned->least_makespan, least * (1 + 1e-9));
    // Memory that is shared may cost time.
    as_soon += planned->simulation.makespan <= least * (1 + 1e-9);
    ++all;
  }
  EXPECT_GE(as_soon, all * 9 / 10);
}

// Whatever the objective, plans are right, and no worse than what is proved to be least.
TEST(CompileNet, StaysWithinItsBounds) {
  for (const NetObjective& objective :
       {NetObjective::ForPrograms(), NetObjective::ForModels(), NetObjective{{Term::kPeak}}}) {
    for (uint64_t seed = 0; seed < 60; ++seed) {
      for (const bool loops : {false, true}) {
        const TaskNet net =
            RandomNet({.ops = 10, .places = 3, .loops = loops, .density = 0.2}, seed).Take();
        for (const Effort effort : {Effort::kFast, Effort::kNormal}) {
          const auto planned = CompileNet(net, objective, {.effort = effort});
          ASSERT_TRUE(planned) << Describe(planned.error()) << seed;
          EXPECT_GE(planned->syncs.value, planned->syncs.lower_bound);
          EXPECT_GE(planned->simulation.makespan, planned->least_makespan * (1 - 1e-9));
          EXPECT_FALSE(TimingOracle(net, planned->plan).FindsHarm(3, seed));
        }
      }
    }
  }
}

TEST(CompileNet, TakesTheOrderThatFitsTheBudget) {
  // Breadth first all four values live at once; depth first two.
  TaskNet net;
  net.memories = {{"RAM", ~uint64_t{0}, 1}};
  net.places = {{"CPU", {}, true}};
  net.regions = {{"all"}};
  const auto add = [&](NetOperands ins, uint64_t bytes) {
    const NetValueId out = NetValueId(net.values.size());
    net.values.push_back({.name = fmt::format("v{}", net.values.size()), .bytes = bytes});
    net.ops.push_back({.name = fmt::format("o{}", net.ops.size()),
                       .ins = std::move(ins),
                       .outs = {out},
                       .choices = {{PlaceId(0), 1}}});
    return out;
  };
  NetOperands wide, small;
  for (int i = 0; i < 4; ++i) wide.push_back(add({}, 100));
  for (int i = 0; i < 4; ++i) small.push_back(add({wide[static_cast<size_t>(i)]}, 1));
  add(small, 1);
  EXPECT_FALSE(PlanInOrder(net, {ProgramOrder(net), FirstPlaces(net), {}})->peaks.empty());
  net.memories[0].budget_bytes = 104;
  EXPECT_FALSE(PlanInOrder(net, {ProgramOrder(net), FirstPlaces(net), {}}));
  const auto planned = CompileNet(net, NetObjective::ForModels(), {.effort = Effort::kFast});
  ASSERT_TRUE(planned) << Describe(planned.error());
  EXPECT_LE(planned->peaks[0].value, 104u);
  net.memories[0].budget_bytes = 102;
  const auto refused = CompileNet(net, NetObjective::ForModels(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().key, "BUDGET_INFEASIBLE");
  EXPECT_THAT(refused.error().message, HasSubstr("need=104"));
  EXPECT_THAT(refused.error().message, HasSubstr("no order needs less than 101"));
}

TEST(CompileNet, AlwaysHasAPlanWhenTheTimeIsOver) {
  TaskNet nothing;
  nothing.regions = {{"all"}};
  TaskNet many = RandomNet({.ops = 0, .places = 4}, 1).Take();
  for (uint32_t i = 0; i < 100'000; ++i) {
    const NetValueId out = NetValueId(many.values.size());
    many.values.push_back({.name = "v", .bytes = 8});
    many.ops.push_back({.name = "o",
                        .ins = {NetValueId(Index(out) - 1), NetValueId(Index(out) / 2)},
                        .outs = {out},
                        .choices = {{PlaceId(i % 4), 1}}});
  }
  TaskNet anywhere = many;
  anywhere.ops.resize(20'000);
  anywhere.values.resize(many.values.size() - 80'000);
  for (NetOp& op : anywhere.ops) op.choices = {{PlaceId(0), 1}, {PlaceId(1), 2}};
  for (const TaskNet& net :
       {RandomNet({.ops = 60, .places = 4, .density = 0.05}, 1).Take(),
        RandomNet({.ops = 1, .places = 1}, 1).Take(), nothing, many, anywhere}) {
    for (const NetObjective& objective : {NetObjective::ForPrograms(), NetObjective::ForModels()}) {
      for (const int milliseconds : {0, 1}) {
        SearchLimits limits{.effort = Effort::kExact};
        limits.deadline = SearchLimits::Clock::now() + std::chrono::milliseconds(milliseconds);
        const auto planned = CompileNet(net, objective, limits);
        ASSERT_TRUE(planned) << Describe(planned.error());
        EXPECT_EQ(planned->order.size(), net.ops.size());
      }
    }
  }
}

}  // namespace
}  // namespace tinyai
