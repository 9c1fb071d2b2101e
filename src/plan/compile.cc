#include <algorithm>
#include <array>
#include <vector>

#include "base/budget.h"
#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"
#include "plan/check_plan.h"
#include "plan/compile_net.h"
#include "plan/details.h"
#include "plan/draft.h"
#include "plan/model_net.h"
#include "plan/request.h"

namespace tinyai {
namespace {

struct Ring {
  uint64_t slice_bytes;
  uint32_t slots;
};
// From what a disk reads at its full rate (docs/io.md) down to the least that still overlaps
// reading with computing.
constexpr std::array kRings = {Ring{2 * kMiB, 4},  Ring{kMiB, 4},       Ring{512 * kKiB, 4},
                               Ring{kMiB, 2},      Ring{512 * kKiB, 2}, Ring{256 * kKiB, 3},
                               Ring{256 * kKiB, 2}};
// Held by the plan itself for each slice: a load, a run, their syncs and fences.
constexpr uint64_t kPlanBytesPerSlice = 2 * (sizeof(Step) + sizeof(Fence) + 4 * sizeof(Sync)) + 16;
constexpr std::array<uint64_t, 10> kChunks = {512, 256, 128, 64, 32, 16, 8, 4, 2, 1};
// Products reach their full speed with this many tokens; a larger chunk only pays off by fewer
// passes over what is streamed.
constexpr uint64_t kEnoughTokens = 128;
// A fully resident plan is worth a chunk down to this.
constexpr uint64_t kLeastUsefulChunk = 16;
// Of the memory beyond the least, ring and chunk may take one part in this each: they pay off only
// while small beside the weights they displace.
constexpr uint64_t kBufferShare = 24;

PlanDraft NewDraft(const Graph& graph, const PlanRequest& request, const Sizes& sizes) {
  PlanDraft draft{.graph = graph, .request = request, .sizes = sizes};
  draft.order = OrderOps(graph, sizes.chunk).ops;
  SliceWeights(draft);
  draft.slot_bytes = SlotBytes(draft);
  draft.plan.workers = request.workers;
  draft.plan.chunk = sizes.chunk;
  draft.plan.context = request.context;
  draft.plan.key_type = request.key_type;
  draft.plan.value_type = request.value_type;
  draft.plan.io_alignment = request.io_alignment;
  draft.plan.held_bytes = RoundUp(draft.slices.size() * kPlanBytesPerSlice, request.io_alignment);
  return draft;
}

std::vector<NetOpId> InOrder(const TaskNet& net) {
  std::vector<NetOpId> order;
  order.reserve(net.ops.size());
  for (size_t i = 0; i < net.ops.size(); ++i) order.push_back(NetOpId(i));
  return order;
}
std::vector<PlaceId> OnlyPlaces(const TaskNet& net) {
  std::vector<PlaceId> places;
  places.reserve(net.ops.size());
  for (const NetOp& op : net.ops) places.push_back(op.choices.front().place);
  return places;
}

// Bytes of everything but resident weights: the other buffers, and the plan itself.
uint64_t BufferBytes(const Graph& graph, const PlanRequest& request, const Sizes& sizes) {
  const PlanDraft draft = NewDraft(graph, request, sizes);
  const TaskNet net = BuildModelNetWithoutWeights(draft).net;
  NetPlan plan;
  PlaceNetBuffers(net, InOrder(net), OnlyPlaces(net), Sharing::kAll, plan);
  return plan.heights[0] + draft.plan.held_bytes;
}

// Arena bytes of the weights that must be resident.
uint64_t LeastResidentBytes(const Graph& graph, const PlanRequest& request, const Sizes& sizes) {
  PlanDraft draft = NewDraft(graph, request, sizes);
  return ChooseResident(draft, 0);
}

std::vector<uint64_t> ChunkCandidates(const PlanRequest& request) {
  if (request.chunk != 0) return {std::min(request.chunk, request.context)};
  std::vector<uint64_t> chunks;
  for (const uint64_t chunk : kChunks) {
    if (chunk <= request.context) chunks.push_back(chunk);
  }
  return chunks;
}

// What the system adds to map an arena: page tables.
uint64_t MappingBytes(const PlanRequest& request, uint64_t arena_bytes) {
  return CeilDiv(arena_bytes, request.page_table_divisor);
}

// Room for arena and plan in `bytes`, beside the page tables.
uint64_t RoomWithin(const PlanRequest& request, uint64_t bytes) {
  const uint64_t divisor = request.page_table_divisor;
  return RoundDown(bytes / (divisor + 1) * divisor, request.io_alignment);
}

uint64_t FixedBytes(const PlanRequest& request) {
  uint64_t bytes = 0;
  for (const Component& component : request.fixed) bytes += component.bytes;
  return bytes;
}

struct Least {
  Sizes sizes;
  uint64_t buffers, resident;
  uint64_t room() const { return buffers + resident; }  // for arena and plan
};

// Small slices need a small ring but make a long plan.
Least FindLeast(const Graph& graph, const PlanRequest& request) {
  Least least{{}, Budget::kUnlimited, 0};
  for (const Ring& ring : kRings) {
    const Sizes sizes{.chunk = ChunkCandidates(request).back(),
                      .slice_bytes = ring.slice_bytes,
                      .ring_slots = ring.slots};
    const uint64_t buffers = BufferBytes(graph, request, sizes);
    if (buffers >= least.buffers) continue;
    least = {sizes, buffers, LeastResidentBytes(graph, request, sizes)};
  }
  return least;
}

// Tokens whose computation takes as long as reading what does not fit in so many bytes.
uint64_t TokensPerStreamedPass(const Graph& graph, const PlanRequest& request, uint64_t room) {
  uint64_t macs = 1;
  for (const Weight& weight : graph.weights) macs += weight.rows * weight.cols;
  const uint64_t pass = graph.PassBytes();
  const double read_seconds =
      static_cast<double>(pass - std::min(pass, room)) / request.rates.disk_bytes_per_second;
  const double tokens =
      read_seconds * request.rates.compute_macs_per_second / static_cast<double>(macs);
  return static_cast<uint64_t>(std::min(tokens, static_cast<double>(kChunks.front())));
}

// Everything resident, with the largest chunk that allows it; chunk 0 if none does.
Sizes TryFullyResident(const Graph& graph, const PlanRequest& request, uint64_t room) {
  for (const uint64_t chunk : ChunkCandidates(request)) {
    if (request.chunk == 0 && chunk < std::min(kLeastUsefulChunk, request.context)) break;
    if (request.chunk == 0 && chunk > kEnoughTokens) continue;
    const Sizes sizes{.chunk = chunk, .slice_bytes = kRings[0].slice_bytes, .ring_slots = 0};
    const uint64_t buffers = BufferBytes(graph, request, sizes);
    if (buffers >= room) continue;
    PlanDraft draft = NewDraft(graph, request, sizes);
    ChooseResident(draft, room - buffers);
    if (std::all_of(draft.slices.begin(), draft.slices.end(),
                    [](const Slice& slice) { return slice.resident; })) {
      return sizes;
    }
  }
  return {.chunk = 0};
}

void ExplainRing(const Sizes& sizes, uint64_t more_bytes, uint64_t share, Reasons& reasons) {
  if (!reasons.wanted()) return;
  reasons.Add("ring",
              fmt::format("{} slots for slices of at most {}: the fastest ring that takes no more "
                          "than 1/{} of the memory beyond the least ({}; it takes {})",
                          sizes.ring_slots, FormatByteSize(sizes.slice_bytes), kBufferShare,
                          FormatByteSize(share), FormatByteSize(more_bytes)));
}

void ExplainChunk(const PlanRequest& request, const Sizes& sizes, uint64_t wanted,
                  Reasons& reasons) {
  if (!reasons.wanted()) return;
  reasons.Add("chunk",
              request.chunk != 0
                  ? fmt::format("{} tokens of the prompt per pass, as asked for", sizes.chunk)
                  : fmt::format("{} tokens of the prompt per pass: {} would keep the cores busy "
                                "while a pass is read, the activations of this many fit into 1/{} "
                                "of the memory beyond the least",
                                sizes.chunk, wanted, kBufferShare));
}

void ExplainResident(const PlanRequest& request, const Sizes& sizes, Reasons& reasons) {
  if (!reasons.wanted()) return;
  reasons.Add("ring", "none: every weight fits and stays");
  reasons.Add("chunk",
              request.chunk != 0
                  ? fmt::format("{} tokens of the prompt per pass, as asked for", sizes.chunk)
                  : fmt::format("{} tokens of the prompt per pass: the most up to {}, where "
                                "products reach their full speed, that fit beside the "
                                "weights",
                                sizes.chunk, kEnoughTokens));
}

Sizes ChooseSizes(const Graph& graph, const PlanRequest& request, const Least& least, uint64_t room,
                  Reasons& reasons) {
  const Sizes resident = TryFullyResident(graph, request, room);
  if (resident.chunk != 0) {
    ExplainResident(request, resident, reasons);
    return resident;
  }
  const uint64_t share = (room - least.room()) / kBufferShare;
  Sizes sizes = least.sizes;
  for (const Ring& ring : kRings) {
    Sizes tried = sizes;
    tried.slice_bytes = ring.slice_bytes;
    tried.ring_slots = ring.slots;
    if (BufferBytes(graph, request, tried) <= least.buffers + share) {
      sizes = tried;
      break;
    }
  }
  const uint64_t with_ring = BufferBytes(graph, request, sizes);
  ExplainRing(sizes, with_ring - std::min(with_ring, least.buffers), share, reasons);
  const uint64_t wanted =
      std::max(kEnoughTokens, TokensPerStreamedPass(graph, request, room - with_ring));
  for (const uint64_t chunk : ChunkCandidates(request)) {
    if (request.chunk == 0 && chunk / 2 >= wanted) continue;
    Sizes tried = sizes;
    tried.chunk = chunk;
    if (BufferBytes(graph, request, tried) > with_ring + share) continue;
    sizes = tried;
    break;
  }
  ExplainChunk(request, sizes, wanted, reasons);
  return sizes;
}

// Bytes of memory that activations take: they share it.
uint64_t SharedBytes(const Plan& plan) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (buffer.kind != BufferKind::kActivation) continue;
    ranges.emplace_back(buffer.offset, buffer.offset + buffer.bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  uint64_t bytes = 0, end = 0;
  for (const auto& [from, to] : ranges) {
    bytes += to - std::min(to, std::max(from, end));
    end = std::max(end, to);
  }
  return bytes;
}

PlanReport Report(const Graph& graph, const PlanRequest& request, const Plan& plan) {
  PlanReport report;
  report.pass_bytes = graph.PassBytes();
  report.components = request.fixed;
  std::array<uint64_t, 6> by_kind{};
  uint64_t sum = 0;
  for (const PlanBuffer& buffer : plan.buffers) {
    if (buffer.kind != BufferKind::kActivation) {
      by_kind[static_cast<size_t>(buffer.kind)] += buffer.bytes;
    }
  }
  by_kind[static_cast<size_t>(BufferKind::kActivation)] = SharedBytes(plan);
  for (size_t kind = 0; kind < by_kind.size(); ++kind) {
    if (by_kind[kind] == 0) continue;
    report.components.push_back({std::string(Name(BufferKind(kind))), by_kind[kind], true});
    sum += by_kind[kind];
  }
  report.components.push_back({"alignment", plan.memory.arena_bytes - sum, true});
  report.components.push_back({"plan", plan.held_bytes});
  report.components.push_back({"page tables", MappingBytes(request, plan.memory.arena_bytes)});
  report.predicted_peak_bytes = 0;
  for (const Component& component : report.components) {
    report.predicted_peak_bytes += component.bytes;
  }
  report.compute_seconds_per_token =
      static_cast<double>(report.pass_bytes) / request.rates.memory_bytes_per_second;
  report.disk_seconds_per_token =
      static_cast<double>(plan.streamed_read_bytes) / request.rates.disk_bytes_per_second;
  report.predicted_tokens_per_second =
      1 / std::max(report.compute_seconds_per_token, report.disk_seconds_per_token);
  return report;
}

void ExplainOrder(const Graph& graph, const Sizes& sizes, Reasons& reasons) {
  const OpOrder order = OrderOps(graph, sizes.chunk);
  const bool own = std::is_sorted(order.ops.begin(), order.ops.end());
  reasons.Add("order", fmt::format("the ops run in {}: activations of {} at once, {}",
                                   own ? "the model's own order" : "an order of our own",
                                   FormatByteSize(order.peak_bytes),
                                   order.peak_bytes == order.lower_bound_bytes
                                       ? "proved to be the least of any order"
                                       : fmt::format("where no order needs less than {}",
                                                     FormatByteSize(order.lower_bound_bytes))));
}

// With so many bytes for the arena and the plan.
Result<Planned> Build(const Graph& graph, const PlanRequest& request, const Sizes& sizes,
                      uint64_t room, Reasons reasons) {
  PlanDraft draft = NewDraft(graph, request, sizes);
  draft.reasons = std::move(reasons);
  const uint64_t buffers = BufferBytes(graph, request, sizes);
  const uint64_t resident = ChooseResident(draft, room - buffers);
  ModelNet model = BuildModelNet(draft, resident);
  TRY_ASSIGN(PlannedNet planned,
             PlanInOrder(model.net, {InOrder(model.net), OnlyPlaces(model.net), {}}));
  Planned out{LowerPlan(draft, model, planned.plan), {}, {}};
  DeriveJoins(graph, out.plan);
  TRY(CheckPlan(graph, out.plan));
  out.report = Report(graph, request, out.plan);
  if (!request.details) return out;
  ExplainOrder(graph, sizes, draft.reasons);
  out.details = std::make_shared<const PlanDetails>(
      PlanDetails{std::move(model), std::move(planned), draft.reasons.list(), sizes.ring_slots,
                  draft.slot_bytes});
  return out;
}

tl::unexpected<Error> Infeasible(const PlanRequest& request, const PlanReport& least) {
  std::string parts;
  for (const Component& component : least.components) {
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", component.name,
                         FormatByteSize(component.bytes));
  }
  return Fail(
      ErrorCode::kBudget, "BUDGET_INFEASIBLE",
      fmt::format("a budget of {} ({} bytes) cannot work; need={} ({}): {}",
                  FormatByteSize(request.budget_bytes), request.budget_bytes,
                  least.least_budget_bytes, FormatByteSize(least.least_budget_bytes), parts));
}

// Sizes are computed in 64 bits without checks once this has passed: everything a plan may hold,
// in floating point, is below 2^60.
Status CheckSizes(const Graph& graph, const PlanRequest& request) {
  const AttentionShape& shape = graph.attention;
  const double context = static_cast<double>(request.context);
  const double chunk = std::min(context, static_cast<double>(std::max(request.chunk, kChunks[0])));
  double values = static_cast<double>(graph.rope.dims * sizeof(float));
  for (const Value& value : graph.values) values += static_cast<double>(value.row_bytes);
  for (const Weight& weight : graph.weights) {  // the longest row may be one of the embedding
    values = std::max(values, static_cast<double>(weight.row_bytes() + 2 * request.io_alignment));
  }
  const double cache = static_cast<double>(shape.layers) *
                       static_cast<double>(shape.kv_width() + shape.value_width()) * sizeof(float) *
                       context;
  const double scores =
      static_cast<double>(shape.heads * sizeof(float)) * request.workers * context;
  if (cache + scores + chunk * values < 0x1p60) return {};
  return Fail(ErrorCode::kBudget, "BUDGET_INFEASIBLE",
              fmt::format("a context of {} tokens needs more memory than any machine has",
                          request.context));
}

// In whole pages: the limit of a cgroup is counted in them.
uint64_t LeastBudget(const PlanRequest& request, const PlanReport& report) {
  return RoundUp(report.predicted_peak_bytes, request.page_bytes);
}

Reasons LeastReasons(const PlanRequest& request) {
  Reasons reasons(request.details);
  reasons.Add("ring and chunk", "the smallest there are: this is the least budget that works");
  return reasons;
}

}  // namespace

PlanReport ReportPlan(const Graph& graph, const PlanRequest& request, const Plan& plan) {
  PlanReport report = Report(graph, request, plan);
  report.least_budget_bytes = LeastBudget(request, report);
  return report;
}

Result<Planned> CompileLeast(const Graph& graph, const PlanRequest& request) {
  TRY(CheckSizes(graph, request));
  const Least least = FindLeast(graph, request);
  TRY_ASSIGN(Planned planned, Build(graph, request, least.sizes,
                                    least.room() + request.io_alignment, LeastReasons(request)));
  planned.report.least_budget_bytes = LeastBudget(request, planned.report);
  return planned;
}

Result<Planned> CompilePlan(const Graph& graph, const PlanRequest& request) {
  TRY(CheckSizes(graph, request));
  const Least least = FindLeast(graph, request);
  const uint64_t least_room = least.room() + request.io_alignment;
  TRY_ASSIGN(Planned least_planned,
             Build(graph, request, least.sizes, least_room, LeastReasons(request)));
  PlanReport& least_report = least_planned.report;
  least_report.least_budget_bytes = LeastBudget(request, least_report);
  if (request.budget_bytes < least_report.least_budget_bytes) {
    return Infeasible(request, least_report);
  }
  const uint64_t room = RoomWithin(request, request.budget_bytes - FixedBytes(request));
  if (room < least_room) return least_planned;
  Reasons reasons(request.details);
  const Sizes sizes = ChooseSizes(graph, request, least, room, reasons);
  TRY_ASSIGN(Planned planned, Build(graph, request, sizes, room, std::move(reasons)));
  planned.report.least_budget_bytes = least_report.least_budget_bytes;
  return planned;
}

}  // namespace tinyai
