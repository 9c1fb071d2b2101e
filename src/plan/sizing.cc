#include "plan/sizing.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/budget.h"
#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"
#include "plan/compile_net.h"
#include "plan/model_net.h"

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
// Whether reading goes at the disk's full rate: what is on its way while one slice is in use covers
// the time of a request (Little's law), twice, since requests do not come evenly.
bool KeepsDiskBusy(const Ring& ring, const Rates& rates) {
  const double on_the_way = static_cast<double>((ring.slots - 1) * ring.slice_bytes);
  return on_the_way >= 2 * rates.disk_bytes_per_second * rates.request_seconds;
}
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
  reasons.Add("chunk",
              request.chunk != 0
                  ? fmt::format("{} tokens of the prompt per pass, as asked for", sizes.chunk)
                  : fmt::format("{} tokens of the prompt per pass: {} would keep the cores busy "
                                "while a pass is read, the activations of this many fit into 1/{} "
                                "of the memory beyond the least",
                                sizes.chunk, wanted, kBufferShare));
}

void ExplainResidentChunk(const PlanRequest& request, const Sizes& sizes, Reasons& reasons) {
  reasons.Add("chunk",
              request.chunk != 0
                  ? fmt::format("{} tokens of the prompt per pass, as asked for", sizes.chunk)
                  : fmt::format("{} tokens of the prompt per pass: the most up to {}, where "
                                "products reach their full speed, that fit beside the "
                                "weights",
                                sizes.chunk, kEnoughTokens));
}

// Whether some slices go through the ring by wish.
bool EvictsSomething(const Graph& graph, const PlanRequest& request) {
  if (request.wishes == nullptr) return false;
  return std::any_of(graph.ops.begin(), graph.ops.end(),
                     [&](const Op& op) {
                       return std::holds_alternative<op::MatMul>(op.kind) &&
                              request.wishes->StayOf(op.weights[0]) == ModelWishes::Stay::kStreamed;
                     }) ||
         std::any_of(request.wishes->stay_rows.begin(), request.wishes->stay_rows.end(),
                     [](const ModelWishes::StayRows& rows) {
                       return rows.stay == ModelWishes::Stay::kStreamed;
                     });
}

}  // namespace

uint64_t FixedBytes(const PlanRequest& request) {
  uint64_t bytes = 0;
  for (const Component& component : request.fixed) bytes += component.bytes;
  return bytes;
}

uint64_t MappingBytes(const PlanRequest& request, uint64_t arena_bytes) {
  if (request.arena_only) return 0;
  return CeilDiv(arena_bytes, request.page_table_divisor);
}

uint64_t RoomWithin(const PlanRequest& request, uint64_t bytes) {
  if (request.arena_only) return RoundDown(bytes, request.io_alignment);
  const uint64_t divisor = request.page_table_divisor;
  return RoundDown(bytes / (divisor + 1) * divisor, request.io_alignment);
}

uint64_t BytesForRoom(const PlanRequest& request, uint64_t room) {
  if (request.arena_only) return RoundUp(room, request.io_alignment);
  const uint64_t divisor = request.page_table_divisor;
  return CeilDiv(RoundUp(room, request.io_alignment), divisor) * (divisor + 1);
}

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

const std::vector<OpId>& Sizing::OrderFor(uint64_t chunk) {
  // Wishes about reading ahead take slots that depend on the order: one for all chunks.
  if (request_.wishes != nullptr) chunk = LeastChunk();
  const auto [known, added] = orders_.try_emplace(chunk);
  if (added) known->second = OrderOps(graph_, request_, chunk).ops;
  return known->second;
}

PlanDraft Sizing::NewDraft(const Sizes& sizes) {
  PlanDraft draft{.graph = graph_, .request = request_, .sizes = sizes};
  draft.order = OrderFor(sizes.chunk);
  SliceWeights(draft);
  draft.slot_bytes = SlotBytes(draft);
  ReadAhead(draft);
  draft.plan.workers = request_.workers;
  draft.plan.chunk = sizes.chunk;
  draft.plan.context = request_.context;
  draft.plan.key_type = request_.key_type;
  draft.plan.value_type = request_.value_type;
  draft.plan.io_alignment = request_.io_alignment;
  if (request_.arena_only) return draft;
  const size_t slices = draft.slices.size() + draft.device_slices.size();
  draft.plan.held_bytes = RoundUp(slices * kPlanBytesPerSlice, request_.io_alignment);
  return draft;
}

const Sizing::Sliced& Sizing::SlicedBy(uint64_t slice_bytes) {
  const auto [known, added] = sliced_.try_emplace(slice_bytes);
  if (!added) return known->second;
  PlanDraft draft = NewDraft({.chunk = LeastChunk(), .slice_bytes = slice_bytes});
  Sliced& sliced = known->second;
  sliced.slot_bytes = draft.slot_bytes;
  sliced.plan_bytes = draft.plan.held_bytes;
  sliced.ahead_slots = draft.ahead_slots;
  sliced.least_resident = ChooseResident(draft, 0);
  sliced.all_resident = ResidentBytesOfAll(draft);
  for (const Op& op : graph_.ops) {
    sliced.has_embedding =
        sliced.has_embedding ||
        (std::holds_alternative<op::Embed>(op.kind) &&
         std::any_of(draft.slices.begin(), draft.slices.end(),
                     [&](const Slice& slice) { return slice.weight == op.weights[0]; }));
  }
  return sliced;
}

const Sizing::Packed& Sizing::PackedBytes(uint64_t chunk) {
  const auto [known, added] = packed_.try_emplace(chunk);
  if (!added) return known->second;
  const Sizes sizes{.chunk = chunk, .slice_bytes = kRings[0].slice_bytes};
  const TaskNet net = BuildModelNetWithoutWeights(NewDraft(sizes)).net;
  NetPlan plan;
  PlaceNetBuffers(net, InOrder(net), OnlyPlaces(net), Sharing::kAll, plan);
  const NetMemory& memory = net.memories[0];
  known->second.ram_bytes = plan.heights[0] - RoundUp(memory.reserved_bytes, memory.alignment);
  if (net.memories.size() > 1) known->second.device_bytes = plan.heights[1];
  return known->second;
}

uint64_t Sizing::BufferBytes(const Sizes& sizes) {
  const Sliced& sliced = SlicedBy(sizes.slice_bytes);
  // Where every slice stays, so do the embedding rows that are slices too.
  const bool rows_stay = sizes.ring_slots == 0 && sliced.has_embedding;
  const uint64_t stride = rows_stay ? 0 : StagingStride(graph_, request_.io_alignment);
  const uint64_t slots = sizes.ring_slots == 0 ? 0 : sizes.ring_slots + sliced.ahead_slots;
  const uint64_t reserved = slots * sliced.slot_bytes + sizes.chunk * stride;
  const Packed& packed = PackedBytes(sizes.chunk);
  if (request_.device && packed.device_bytes > request_.device->memory_bytes) return kTooMuch;
  return RoundUp(reserved, BufferAlignment(graph_, request_)) + packed.ram_bytes +
         sliced.plan_bytes + RoundUp(packed.device_bytes, request_.io_alignment);
}

std::vector<uint64_t> Sizing::Chunks() const {
  if (request_.chunk != 0) return {std::min(request_.chunk, request_.context)};
  std::vector<uint64_t> chunks;
  for (const uint64_t chunk : kChunks) {
    if (chunk <= request_.context) chunks.push_back(chunk);
  }
  return chunks;
}

// Small slices need a small ring but make a long plan; what is smaller than any ring stays whole.
Sizing::Least Sizing::FindLeast(uint64_t chunk) {
  const Sizes whole{.chunk = chunk, .slice_bytes = kRings[0].slice_bytes, .ring_slots = 0};
  Least least{whole, BufferBytes(whole), SlicedBy(whole.slice_bytes).all_resident};
  if (!MayAllStay()) least.buffers = Budget::kUnlimited - least.resident;
  for (const Ring& ring : kRings) {
    const Sizes sizes{chunk, ring.slice_bytes, ring.slots};
    const Least tried{sizes, BufferBytes(sizes), SlicedBy(ring.slice_bytes).least_resident};
    if (tried.room() < least.room()) least = tried;
  }
  return least;
}

// Tokens whose computation takes as long as reading what does not fit in so many bytes.
uint64_t Sizing::TokensPerStreamedPass(uint64_t room) const {
  uint64_t macs = 1;
  for (const Weight& weight : graph_.weights) macs += weight.rows * weight.cols;
  const uint64_t pass = graph_.PassBytes();
  const double read_seconds =
      static_cast<double>(pass - std::min(pass, room)) / request_.rates.disk_bytes_per_second;
  const double tokens =
      read_seconds * request_.rates.compute_macs_per_second / static_cast<double>(macs);
  return static_cast<uint64_t>(std::min(tokens, static_cast<double>(kChunks.front())));
}

uint64_t Sizing::RoomForAll(uint64_t chunk) {
  const Sizes sizes{.chunk = chunk, .slice_bytes = kRings[0].slice_bytes, .ring_slots = 0};
  return BufferBytes(sizes) + SlicedBy(sizes.slice_bytes).all_resident;
}

bool Sizing::MayAllStay() {
  return !EvictsSomething(graph_, request_) &&
         SlicedBy(kRings[0].slice_bytes).all_resident <= request_.resident_bytes;
}

Sizes Sizing::AllResident(uint64_t room, uint64_t least_chunk) {
  if (!MayAllStay()) return {.chunk = 0};
  for (const uint64_t chunk : Chunks()) {
    if (request_.chunk == 0 && chunk < std::min(least_chunk, request_.context)) break;
    if (request_.chunk == 0 && chunk > kEnoughTokens) continue;
    if (RoomForAll(chunk) > room) continue;
    return {.chunk = chunk, .slice_bytes = kRings[0].slice_bytes, .ring_slots = 0};
  }
  return {.chunk = 0};
}

uint64_t Sizing::FullSpeedChunk(uint64_t room) {
  for (const uint64_t chunk : Chunks()) {
    if (request_.chunk == 0 && chunk > kEnoughTokens) continue;
    if (FindLeast(chunk).room() <= room) return chunk;
  }
  return LeastChunk();
}

// The least room grows with the chunk, so bisection finds the last that fits.
uint64_t Sizing::LargestChunk(uint64_t room) {
  uint64_t fits = 0, too_large = request_.context + 1;
  while (too_large - fits > 1) {
    const uint64_t middle = fits + (too_large - fits) / 2;
    (FindLeast(middle).room() <= room ? fits : too_large) = middle;
  }
  return fits;
}

// The largest ring within the share; if the disk would idle with that, the smallest with which it
// does not.
Sizes Sizing::ChooseRing(const Least& least, uint64_t room, uint64_t share) {
  std::optional<Sizes> busy;  // the smallest so far that keeps the disk busy
  for (const Ring& ring : kRings) {
    const Sizes tried{least.sizes.chunk, ring.slice_bytes, ring.slots};
    const uint64_t bytes = BufferBytes(tried);
    const bool keeps_busy = KeepsDiskBusy(ring, request_.rates);
    if (keeps_busy && bytes + least.resident < room) busy = tried;
    if (bytes <= least.buffers + share) return keeps_busy || !busy ? tried : *busy;
  }
  return busy.value_or(least.sizes);
}

Sizes Sizing::Choose(const Least& least, uint64_t room, Reasons& reasons) {
  const Sizes resident = AllResident(room, kLeastUsefulChunk);
  if (resident.chunk != 0) {
    if (reasons.wanted()) reasons.Add("ring", "none: every weight fits and stays");
    if (reasons.wanted() && graph_.is_text()) ExplainResidentChunk(request_, resident, reasons);
    return resident;
  }
  const uint64_t share = (room - least.room()) / kBufferShare;
  Sizes sizes = ChooseRing(least, room, share);
  const uint64_t with_ring = BufferBytes(sizes);
  ExplainRing(sizes, with_ring - std::min(with_ring, least.buffers), share, reasons);
  const uint64_t wanted = std::max(kEnoughTokens, TokensPerStreamedPass(room - with_ring));
  for (const uint64_t chunk : Chunks()) {
    if (request_.chunk == 0 && chunk / 2 >= wanted) continue;
    const Sizes tried{chunk, sizes.slice_bytes, sizes.ring_slots};
    if (BufferBytes(tried) > with_ring + share) continue;
    sizes = tried;
    break;
  }
  if (reasons.wanted() && graph_.is_text()) ExplainChunk(request_, sizes, wanted, reasons);
  return sizes;
}

}  // namespace tinyai
