// How fast plans are made: nets of 10^5 and 10^6 ops at the effort kFast, pass by pass and whole,
// against 10^6 ops/s; a plan for a model of 8B, alone and with all that people are shown, against
// 100 ms; the syncs of 10^6 ops on 4 queues against 0.5 s; long schedules; residency and
// prefetching of chains against the proved optimum. Prints CPU seconds, the best of some runs and
// their median, and ends with 1 if the best misses a figure.
//
//   plan_bench [RUNS [PART]]    PART: nets, large-nets, model, wishes, syncs, chains

#include <ctime>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <random>

#include "fmt/format.h"
#include "graph/build.h"
#include "graph/graph_test_support.h"
#include "plan/compile_net.h"
#include "plan/draft_net.h"
#include "plan/request.h"
#include "plan/resolve_schedule.h"
#include "solve/chain.h"
#include "solve/reduce_syncs.h"

namespace tinyai {
namespace {

constexpr uint32_t kNetOps = 100'000, kQueueOps = 1'000'000;
constexpr double kOpsPerSecond = 1e6, kModelSeconds = 0.1, kSyncSeconds = 0.5;
// Far from what it takes, and as far from what it would take if it were not linear.
constexpr double kSecondsPerWish = 20e-6;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Bench {
 public:
  explicit Bench(int runs) : runs_(runs) {}

  struct Seconds {
    double best, median;
  };
  Seconds Time(const std::function<void()>& work) const {
    std::vector<double> seconds;
    for (int run = 0; run < runs_; ++run) {
      const double start = CpuSeconds();
      work();
      seconds.push_back(CpuSeconds() - start);
    }
    std::sort(seconds.begin(), seconds.end());
    return {seconds.front(), seconds[seconds.size() / 2]};
  }
  void Pass(const char* name, size_t ops, const std::function<void()>& work) const {
    const Seconds seconds = Time(work);
    fmt::print("  {:<34} {:>8.1f} ms (median {:>6.1f}) {:>9.2f} M ops/s\n", name,
               seconds.best * 1e3, seconds.median * 1e3,
               static_cast<double>(ops) / seconds.best / 1e6);
  }
  void Figure(const char* name, double most_seconds, const std::function<void()>& work) {
    const Seconds seconds = Time(work);
    const bool reached = seconds.best <= most_seconds;
    fmt::print("{:<36} {:>8.1f} ms (median {:>6.1f}), figure {:>6.1f} ms, ratio {:.2f} {}\n", name,
               seconds.best * 1e3, seconds.median * 1e3, most_seconds * 1e3,
               seconds.best / most_seconds, reached ? "" : " MISSED");
    missed_ += !reached;
  }
  void Miss() { ++missed_; }
  int missed() const { return missed_; }

 private:
  const int runs_;
  int missed_ = 0;
};

TaskNet EmptyNet(uint32_t places) {
  TaskNet net;
  net.memories = {{"RAM", ~uint64_t{0}, 64}};
  for (uint32_t i = 0; i < places; ++i) {
    net.places.push_back({fmt::format("P{}", i), {}, i == 0});
  }
  net.regions = {{"all", {}, {}, true}};
  return net;
}

NetValueId AddOp(TaskNet& net, NetOperands ins, uint32_t place, double seconds, uint64_t bytes) {
  const NetValueId out = NetValueId(net.values.size());
  net.values.push_back({.name = fmt::format("v{}", net.values.size()), .bytes = bytes});
  NetOp op{.name = fmt::format("o{}", net.ops.size()), .ins = std::move(ins), .outs = {out}};
  op.choices = {{PlaceId(place), seconds}};
  net.ops.push_back(std::move(op));
  return out;
}

// Ops anywhere, each with two operands made not long before.
TaskNet TangledNet(uint32_t ops) {
  constexpr uint32_t kPlaces = 4, kReach = 64;
  std::mt19937_64 random(1);
  TaskNet net = EmptyNet(kPlaces);
  for (uint32_t i = 0; i < ops; ++i) {
    NetOperands ins;
    for (int k = 0; k < 2 && i > 0; ++k) {
      ins.push_back(NetValueId(i - 1 - random() % std::min(i, kReach)));
    }
    AddOp(net, std::move(ins), static_cast<uint32_t>(random() % kPlaces),
          1e-6 * static_cast<double>(1 + random() % 9), 64 * (1 + random() % 64));
  }
  return net;
}

// Layers like a model's, whose weights are loaded by a queue of their own.
TaskNet LayeredNet(uint32_t ops) {
  TaskNet net = EmptyNet(2);
  NetValueId hidden = AddOp(net, {}, 0, 1e-6, 16384);
  while (net.ops.size() + 16 <= ops) {
    const auto with_weight = [&](NetOperands ins, uint64_t bytes) {
      ins.push_back(AddOp(net, {}, 1, 5e-6, 1 << 20));
      return AddOp(net, std::move(ins), 0, 4e-6, bytes);
    };
    const NetValueId normed = AddOp(net, {hidden}, 0, 1e-6, 16384);
    const NetValueId q = with_weight({normed}, 16384), k = with_weight({normed}, 4096);
    const NetValueId v = with_weight({normed}, 4096);
    const NetValueId mixed = AddOp(net, {q, k, v}, 0, 1e-6, 16384);
    hidden = AddOp(net, {hidden, with_weight({mixed}, 16384)}, 0, 1e-6, 16384);
    net.ops.back().in_place = true;
    const NetValueId wide = with_weight({hidden}, 57344);
    hidden = with_weight({wide}, 16384);
  }
  return net;
}

void RunNet(const char* name, const TaskNet& net, Bench& bench) {
  const size_t ops = net.ops.size();
  const SearchLimits fast{.effort = Effort::kFast};
  NetDraft draft;
  for (const NetOp& op : net.ops) draft.place_of.push_back(op.choices[0].place);
  fmt::print("{}: {} ops, {} places\n", name, ops, net.places.size());
  bench.Pass("check net", ops, [&] { (void)CheckNet(net); });
  bench.Pass("needs", ops, [&] { (void)Needs(net); });
  std::vector<NetNeed> needs = Needs(net);
  bench.Pass("draft like the program", ops, [&] { draft.order = OrderLikeProgram(net, needs); });
  bench.Pass("draft for syncs", ops,
             [&] { (void)DraftForSyncs(net, needs, draft.place_of, fast); });
  NetPlan plan;
  bench.Pass("buffers", ops, [&] {
    (void)PlaceNetBuffers(net, draft.order, draft.place_of, Sharing::kWithinPlaces, plan);
  });
  std::vector<NetNeed> reuse;
  bench.Pass("needs of reuse", ops,
             [&] { reuse = ReuseNeeds(net, draft.order, draft.place_of, plan); });
  needs.insert(needs.end(), reuse.begin(), reuse.end());
  const QueueOrders queues = QueuesOf(net, draft);
  bench.Pass("syncs", ops, [&] { (void)DeriveSyncs(net, queues, {needs}, plan); });
  bench.Pass("check plan", ops, [&] { (void)CheckNetPlan(net, plan); });
  bench.Pass("simulate", ops, [&] { (void)Simulate(net, plan); });
  const auto whole = [&](const NetObjective& objective) {
    if (!CompileNet(net, objective, fast)) fmt::print("no plan\n");
  };
  const double most = static_cast<double>(ops) / kOpsPerSecond;
  bench.Figure("  whole, as a model's pass", most, [&] { whole(NetObjective::ForModels()); });
  bench.Figure("  whole, as a program", most, [&] { whole(NetObjective::ForPrograms()); });
}

// What kernel/quantized_rows.h says, nearly.
uint64_t QuantizedRowBytes(uint64_t cols) { return (cols * 3 / 2 + 63) / 64 * 64; }

void RunModel(Bench& bench) {
  const TestModel model({.width = 4096,
                         .layers = 32,
                         .feed_forward = 14336,
                         .heads = 32,
                         .kv_heads = 8,
                         .vocabulary = 128256,
                         .context = 8192,
                         .type = DType::kQ4_0,
                         .embedding_type = DType::kQ4_0});
  const Result<ModelFile> file = model.Read();
  const Result<Graph> graph = BuildGraph(*file, {.quantized_row_bytes = QuantizedRowBytes});
  for (const bool details : {false, true}) {
    for (const uint64_t megabytes : {512, 1024, 2048, 3072, 8192}) {
      PlanRequest request;
      request.budget_bytes = megabytes << 20;
      request.workers = 2;
      request.details = details;
      const std::string name =
          fmt::format("plan of an 8B model at {}M{}", megabytes, details ? ", shown" : "");
      bench.Figure(name.c_str(), kModelSeconds, [&] {
        if (!CompilePlan(*graph, request)) fmt::print("no plan\n");
      });
    }
  }
}

// Long schedules for a model: reading wishes takes time in proportion to their number.
void RunWishes(Bench& bench) {
  const TestModel model({.width = 256, .layers = 3, .feed_forward = 1536, .vocabulary = 512});
  const Result<ModelFile> file = model.Read();
  const Result<Graph> graph = BuildGraph(*file, {.quantized_row_bytes = QuantizedRowBytes});
  const auto read = [&](const std::string& text) {
    const SourceText source("wishes.sched", text);
    Diagnostics diagnostics(source);
    if (!ResolveSchedule(*graph, diagnostics)) fmt::print("{}", diagnostics.Text());
  };
  for (const uint32_t count : {10'000u, 100'000u}) {
    std::string pins = "CPU {", orders, fences;
    for (uint32_t i = 0; i < count; ++i) {
      pins += " pin blk.0..2.ffn_up; prefetch blk.1;";
      orders += "before blk.0, blk.1;";
      fences += fmt::format("CPU {{ --- f{}; }} DISK {{ sync(f{}); }}\n", i, i);
    }
    pins += " }";
    const double most = kSecondsPerWish * count;
    const auto figure = [&](const char* what, const std::string& text) {
      bench.Figure(fmt::format("{} {} of a schedule", count, what).c_str(), most,
                   [&] { read(text); });
    };
    figure("pins", pins);
    figure("orders", orders);
    figure("fences", fences);
  }
}

void RunSyncs(Bench& bench) {
  const TaskNet net = TangledNet(kQueueOps);
  const std::vector<NetNeed> needs = Needs(net);
  NetDraft draft;
  for (uint32_t i = 0; i < net.ops.size(); ++i) draft.order.push_back(NetOpId(i));
  for (const NetOp& op : net.ops) draft.place_of.push_back(op.choices[0].place);
  const QueueOrders queues = QueuesOf(net, draft);
  NetPlan plan;
  bench.Figure("syncs of 10^6 ops, DeriveSyncs", kSyncSeconds,
               [&] { (void)DeriveSyncs(net, queues, {needs}, plan); });
  std::vector<std::vector<uint32_t>> orders(queues.size());
  for (size_t place = 0; place < queues.size(); ++place) {
    for (const NetOpId op : queues[place]) orders[place].push_back(static_cast<uint32_t>(op));
  }
  const FixedQueues fixed(orders, kQueueOps);
  std::vector<WaitEdge> edges;
  for (const NetNeed& need : needs) {
    edges.push_back({static_cast<uint32_t>(need.earlier), static_cast<uint32_t>(need.later)});
  }
  bench.Figure("syncs of 10^6 ops, ReduceSyncs", kSyncSeconds,
               [&] { (void)ReduceSyncs(fixed, edges); });
}

// Layers whose weights differ up to `spread` times, with room for some of them.
ChainProblem RandomLayers(uint32_t layers, uint32_t spread, uint32_t seed) {
  std::mt19937_64 random(seed);
  ChainProblem out;
  uint64_t all = 0, largest = 0;
  for (uint32_t i = 0; i < layers; ++i) {
    const uint64_t bytes = 1'000'000 * (1 + random() % spread);
    const double compute = 0.25e-3 * static_cast<double>(1 + random() % (2 * spread));
    out.ops.push_back({bytes, static_cast<double>(bytes) * 1e-9, compute});
    all += bytes;
    largest = std::max(largest, bytes);
  }
  out.memory_bytes = largest + random() % (all - largest);
  return out;
}

// Of chains of so many layers: how many are solved to the proved optimum, and how far above the
// bound the quick choice and the best one end on average.
void RunChains(Bench& bench) {
  constexpr uint32_t kChains = 50;
  for (const uint32_t layers : {8u, 12u, 16u, 20u, 24u, 200u}) {
    uint32_t proved = 0;
    double quick = 0, best = 0, longest = 0;
    for (uint32_t seed = 0; seed < kChains; ++seed) {
      const ChainProblem chain = RandomLayers(layers, 8, seed);
      const double start = CpuSeconds();
      const ChainResult found = *SolveChain(chain, {});
      longest = std::max(longest, CpuSeconds() - start);
      const ChainResult fast = *SolveChain(chain, {.effort = Effort::kFast});
      proved += found.optimal();
      quick += fast.period_seconds / found.lower_bound_seconds - 1;
      best += found.period_seconds / found.lower_bound_seconds - 1;
    }
    fmt::print(
        "chains of {:>3} layers: {} of {} proved least; above the bound: spread evenly "
        "{:.2f} %, found {:.2f} %; longest {:.0f} ms\n",
        layers, proved, kChains, 100 * quick / kChains, 100 * best / kChains, longest * 1e3);
    if (layers <= 16 && proved < kChains) bench.Miss();
  }
}

int Main(int runs, std::string_view part) {
  Bench bench(runs);
  const auto wanted = [&](std::string_view name) { return part.empty() || part == name; };
  if (wanted("nets")) {
    RunNet("tangled", TangledNet(kNetOps), bench);
    RunNet("layered", LayeredNet(kNetOps), bench);
  }
  if (wanted("large-nets")) {
    RunNet("tangled", TangledNet(10 * kNetOps), bench);
    RunNet("layered", LayeredNet(10 * kNetOps), bench);
  }
  if (wanted("model")) RunModel(bench);
  if (wanted("wishes")) RunWishes(bench);
  if (wanted("syncs")) RunSyncs(bench);
  if (wanted("chains")) RunChains(bench);
  return bench.missed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tinyai

int main(int argc, char** argv) {
  int runs = 5;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), runs);
  return tinyai::Main(std::max(runs, 1), argc > 2 ? argv[2] : "");
}
