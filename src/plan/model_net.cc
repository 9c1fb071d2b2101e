#include "plan/model_net.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/checked.h"
#include "fmt/format.h"
#include "graph/spill.h"
#include "plan/model_machine.h"
#include "plan/pass_costs.h"

namespace tinyai {
namespace {

// Weights that stay are read in requests of this many bytes: large enough for the disk's full rate.
constexpr uint64_t kLoadBytes = uint64_t{4} << 20;
constexpr RegionId kLogits{1};
constexpr PlaceId kCpu{kCpuQueue}, kDisk{kDiskQueue}, kRows{kRowsQueue}, kDevice{kDeviceQueue},
    kSpill{kSpillQueue};

class Builder {
 public:
  Builder(const PlanDraft& draft, uint64_t resident_bytes, uint64_t tokens, bool weights)
      : draft_(draft),
        graph_(draft.graph),
        costs_(draft.graph, draft.request.rates, draft.plan.workers, tokens),
        device_costs_(PassCosts::OfDevice(draft.graph, draft.request, tokens)),
        tokens_(tokens),
        resident_bytes_(resident_bytes),
        stride_(StagingStride(draft.graph, draft.request.io_alignment)),
        weights_(weights),
        for_logits_(draft.graph.ops.size()) {
    bool behind = false;
    for (const OpId id : draft.order) {
      behind = behind || std::holds_alternative<op::TakeLast>(graph_.ops[Index(id)].kind);
      for_logits_[Index(id)] = behind;
    }
    for (size_t i = 0; i < draft.slices.size(); ++i) {
      slices_of_[Index(draft.slices[i].weight)].push_back(i);
    }
    for (const auto* runs : {&draft.runs, &draft.device_runs}) {
      for (const PlanDraft::ResidentRun& run : *runs) {
        first_piece_.push_back(pieces_.size());
        pieces_.resize(pieces_.size() + CeilDiv(run.file_end - run.file_begin, kLoadBytes));
      }
    }
    for (const OpId id : draft.order) {
      for (const ValueId in : graph_.ops[Index(id)].ins) readers_[Index(in)].push_back(id);
    }
  }

  ModelNet Build() {
    SetUpModelNet(draft_, resident_bytes_, out_);
    stored_ = out_.caches;
    for (size_t slot = 0; slot < draft_.ring_slots(); ++slot) free_slots_.push_back(slot);
    for (size_t i = 0; i < draft_.order.size(); ++i) {
      const OpId id = draft_.order[i];
      const Op& op = graph_.ops[Index(id)];
      if (weights_ && i < draft_.ahead.size()) LoadAhead(draft_.ahead[i]);
      if (std::holds_alternative<op::TakeLast>(op.kind)) region_ = kLogits;
      place_ = IsOnDevice(draft_.request, id) ? kDevice : kCpu;
      if (std::holds_alternative<op::Embed>(op.kind)) {
        AddEmbed(id, op);
      } else if (IsProduct(op.kind) && place_ == kDevice) {
        AddMatMulOnDevice(id, op);
      } else if (IsProduct(op.kind)) {
        AddMatMul(id, op);
      } else if (std::holds_alternative<op::Spill>(op.kind) ||
                 std::holds_alternative<op::Fetch>(op.kind)) {
        AddTransfer(id, op);
      } else {
        NetOp computed = Compute(op);
        for (const WeightId weight : op.weights) NeedWhole(weight, computed);
        AddRun(std::move(computed), {.op = id});
      }
      if (op.out) MoveForReaders(*op.out);
    }
    place_ = kCpu;  // who gives out what the pass is for
    if (weights_ && draft_.request.wishes != nullptr) AddMeetings(*draft_.request.wishes);
    for (const ValueId id : graph_.outputs) out_.net.values[Index(Here(id))].wanted = true;
    // The token whose rows are read is chosen from the logits of the pass before.
    const NetOpId last = NetOpId(out_.net.ops.size() - 1);
    if (rows_) out_.net.orders.push_back({last, *rows_, NetOrder::Kind::kEffect, 1});
    return std::move(out_);
  }

 private:
  NetValueId AddValue(NetValue value) { return AddNetValue(std::move(value), out_.net); }

  // --- a device ---

  MemoryId memory() const { return place_ == kDevice ? kDeviceMemory : kRam; }

  // A value in the memory of the place that works now; moved there if it was not yet.
  NetValueId Here(ValueId id) {
    const NetValueId home = out_.values[Index(id)];
    if (out_.net.value(home).memory == memory()) return home;
    std::optional<NetValueId>& moved = out_.moved[Index(id)];
    if (moved) return *moved;
    const RequestDevice& device = *draft_.request.device;
    const bool to_device = place_ == kDevice;
    const NetValue& value = out_.net.value(home);
    const std::string& there = to_device ? device.memory : out_.net.memories[0].name;
    NetOp move{
        .name = fmt::format("move {} -> {}", value.name, there), .ins = {home}, .region = region_};
    const Value& moving = graph_.value(id);
    move.moved_bytes = moving.row_bytes * (moving.rows == Rows::kTokens ? tokens_ : 1);
    const RequestDevice::Way& way = to_device ? device.to : device.from;
    move.choices = {{kDevice, way.Seconds(move.moved_bytes)}};
    moved = AddValue({.name = fmt::format("{} in {}", value.name, there),
                      .bytes = value.bytes,
                      .memory = memory()});
    move.outs = {*moved};
    out_.net.ops.push_back(std::move(move));
    out_.work.emplace_back(step::Move{id, to_device});
    return *moved;
  }

  // As soon as it is there, to where it is needed too; unless only the logits need it there.
  void MoveForReaders(ValueId id) {
    for (const OpId reader : readers_[Index(id)]) {
      const bool there = IsOnDevice(draft_.request, reader);
      if (there == (place_ == kDevice)) continue;
      if (for_logits_[Index(reader)] != (region_ == kLogits)) continue;
      const PlaceId maker = std::exchange(place_, there ? kDevice : kCpu);
      Here(id);
      place_ = maker;
      return;
    }
  }

  // All of it in one go: a device's weights stay.
  void AddMatMulOnDevice(OpId id, const Op& op) {
    NetOp product = Compute(op);
    product.choices = {{kDevice, device_costs_.ProductSeconds(op, graph_.weight(op.weights[0]).rows,
                                                              region_ == kLogits)}};
    for (const WeightId weight : op.weights) NeedWhole(weight, product);
    const Slice* const matrix = FindOnDevice(op.weights[0]);
    AddRun(std::move(product), {id, 0, graph_.weight(op.weights[0]).rows, matrix->arena_offset});
  }
  const Slice* FindOnDevice(WeightId id) const {
    const auto found = std::find_if(draft_.device_slices.begin(), draft_.device_slices.end(),
                                    [id](const Slice& slice) { return slice.weight == id; });
    return &*found;
  }
  void NeedOnDevice(WeightId id, NetOp& op) {
    const Slice& slice = *FindOnDevice(id);
    for (size_t i = 0; i < draft_.device_runs.size(); ++i) {
      const PlanDraft::ResidentRun& run = draft_.device_runs[i];
      if (slice.arena_offset - run.arena_offset < run.file_end - run.file_begin) {
        NeedRange(draft_.runs.size() + i, slice.file_begin, slice.file_end(), op);
        break;
      }
    }
    if (!std::exchange(counted_on_device_[Index(id)], true)) out_.resident_bytes += slice.bytes;
  }

  NetOp Compute(const Op& op) {
    NetOp out{.name = op.name, .region = region_};
    out.in_place = draft_.request.in_place && WorksInPlace(op.kind) &&
                   std::count(op.ins.begin(), op.ins.end(), op.ins[0]) == 1;
    const bool on_device = place_ == kDevice;
    for (const ValueId in : op.ins) out.ins.push_back(Here(in));
    if (op.out) out.outs.push_back(out_.values[Index(*op.out)]);
    if (std::holds_alternative<op::Rope>(op.kind)) {
      out.ins.push_back(on_device ? *out_.device_rope : out_.rope);
    }
    if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) AddStore(store->layer, out);
    if (const auto* attention = std::get_if<op::Attention>(&op.kind)) {
      out.ins.push_back(stored_[attention->layer]);
    }
    if (std::holds_alternative<op::Attention>(op.kind) || op.scratch_bytes != 0) {
      if (on_device) {
        out.ins.push_back(*out_.device_scores);
      } else {
        for (const NetValueId scores : out_.scores) out.ins.push_back(scores);
      }
    }
    out.choices = {{place_, (on_device ? device_costs_ : costs_).OpSeconds(op)}};
    return out;
  }

  // The cache with this pass's rows in it goes on into the next pass.
  void AddStore(uint32_t layer, NetOp& out) {
    const NetValueId before = out_.caches[layer];
    const NetValue& value = out_.net.value(before);
    stored_[layer] =
        AddValue({.name = value.name + ", stored", .bytes = value.bytes, .memory = value.memory});
    out_.net.values[Index(before)].carried_from = stored_[layer];
    out.ins.insert(out.ins.begin(), before);
    out.outs.push_back(stored_[layer]);
    out.in_place = true;
  }

  void AddRun(NetOp op, const step::Run& run) {
    const auto id = static_cast<NetOpId>(out_.net.ops.size());
    runs_of_.try_emplace(Index(run.op), id, id).first->second.second = id;
    out_.net.ops.push_back(std::move(op));
    out_.work.emplace_back(run);
  }
  void AddTransfer(OpId id, const Op& op) {
    const NetValueId from = out_.values[Index(op.ins[0])], to = out_.values[Index(*op.out)];
    const uint64_t bytes = out_.net.value(from).bytes;
    NetOp transfer{.name = op.name, .ins = {from}, .outs = {to}, .region = region_};
    transfer.moved_bytes = bytes;
    transfer.choices = {{kSpill, costs_.TransferSeconds(op)}};
    out_.net.ops.push_back(std::move(transfer));
    out_.work.emplace_back(step::Transfer{id, 0});
  }
  NetValueId AddLoad(NetValue value, const step::Load& load) {
    NetOp op{.name = fmt::format("load {}", value.name),
             .region = load.once ? RegionId{} : region_,
             .once = load.once,
             .moved_bytes = load.bytes};
    op.choices = {{kDisk, costs_.LoadSeconds(load.bytes)}};
    const NetValueId id = AddValue(std::move(value));
    op.outs = {id};
    out_.net.ops.push_back(std::move(op));
    out_.work.emplace_back(load);
    return id;
  }

  // The pieces of a run of resident blocks that hold these bytes of the file, loaded where they
  // were not yet.
  void NeedRange(size_t run_index, uint64_t file_begin, uint64_t file_end, NetOp& op) {
    const bool on_device = run_index >= draft_.runs.size();
    const PlanDraft::ResidentRun& run =
        on_device ? draft_.device_runs[run_index - draft_.runs.size()] : draft_.runs[run_index];
    const uint64_t first = (file_begin - run.file_begin) / kLoadBytes;
    const uint64_t last = (file_end - 1 - run.file_begin) / kLoadBytes;
    for (uint64_t piece = first; piece <= last; ++piece) {
      std::optional<NetValueId>& value = pieces_[first_piece_[run_index] + piece];
      if (!value) {
        const uint64_t begin = run.file_begin + piece * kLoadBytes;
        const uint64_t bytes = std::min(run.file_end - begin, kLoadBytes);
        const uint64_t offset = run.arena_offset + (begin - run.file_begin);
        value = AddLoad({.name = fmt::format("part{}[{}..{}]", run.part, begin, begin + bytes),
                         .bytes = bytes,
                         .offset = offset,
                         .memory = on_device ? kDeviceMemory : kRam},
                        {run.part, begin, bytes, offset, true});
        out_.once_read_bytes += bytes;
      }
      if (std::find(op.ins.begin(), op.ins.end(), *value) == op.ins.end()) {
        op.ins.push_back(*value);
      }
    }
  }
  void NeedResident(uint64_t arena_offset, uint64_t bytes, NetOp& op) {
    const auto run = std::upper_bound(
        draft_.runs.begin(), draft_.runs.end(), arena_offset,
        [](uint64_t at, const PlanDraft::ResidentRun& r) { return at < r.arena_offset; });
    const size_t index = static_cast<size_t>(run - draft_.runs.begin()) - 1;
    const uint64_t begin =
        draft_.runs[index].file_begin + (arena_offset - draft_.runs[index].arena_offset);
    NeedRange(index, begin, begin + bytes, op);
  }
  void NeedWhole(WeightId id, NetOp& op) {
    if (!weights_) return;
    if (place_ == kDevice) return NeedOnDevice(id, op);
    for (const size_t index : slices_of_[Index(id)]) {
      const Slice& slice = draft_.slices[index];
      NeedResident(slice.arena_offset, slice.bytes, op);
      if (!std::exchange(counted_[index], true)) out_.resident_bytes += slice.bytes;
    }
  }

  void AddEmbed(OpId id, const Op& op) {
    NetOp embed = Compute(op);
    const WeightId table = op.weights[0];
    if (draft_.embedding_resident) {
      if (weights_) NeedResident(draft_.embedding_offset, graph_.weight(table).bytes, embed);
    } else {
      NetOp load{.name = "load embedding rows", .outs = {*out_.staging}};
      load.choices = {{kRows, costs_.RowsSeconds(stride_)}};
      load.moved_bytes = draft_.request.io_alignment;
      rows_ = NetOpId(out_.net.ops.size());
      out_.net.ops.push_back(std::move(load));
      out_.work.emplace_back(step::LoadRows{table, {}, stride_});
      embed.ins.push_back(*out_.staging);
    }
    AddRun(std::move(embed), {.op = id});
  }

  // A product is computed slice by slice; resident neighbours are one piece.
  void AddMatMul(OpId id, const Op& op) {
    const NetValueId result = out_.values[Index(*op.out)];
    const std::vector<size_t>& slices = slices_of_[Index(op.weights[0])];
    const Weight& weight = graph_.weight(op.weights[0]);
    std::optional<NetValueId> before;  // with the rows so far
    for (size_t i = 0; i < slices.size();) {
      const Slice& first = draft_.slices[slices[i]];
      size_t end = i + 1;
      if (first.resident || !weights_) {
        while (end < slices.size() && (!weights_ || draft_.slices[slices[end]].resident)) ++end;
      }
      NetOp piece = Compute(op);
      if (before) piece.ins.insert(piece.ins.begin(), *before);
      piece.in_place = before.has_value();
      if (end < slices.size()) {
        before = AddValue({.name = fmt::format("{} to row {}", out_.net.value(result).name,
                                               draft_.slices[slices[end - 1]].row_end),
                           .bytes = out_.net.value(result).bytes});
        piece.outs = {*before};
      }
      for (size_t w = 1; w < op.weights.size(); ++w) NeedWhole(op.weights[w], piece);
      step::Run run{id, first.row_begin, draft_.slices[slices[end - 1]].row_end, 0};
      piece.choices = {
          {kCpu, costs_.ProductSeconds(op, run.row_end - run.row_begin, region_ == kLogits)}};
      if (weights_) run.weights_offset = NeedSlices(slices, i, end, piece);
      if (run.row_end - run.row_begin != weight.rows)
        piece.name += fmt::format("[{}..{}]", run.row_begin, run.row_end);
      AddRun(std::move(piece), run);
      i = end;
    }
  }

  // Where the first of these slices lies in memory when the op runs.
  uint64_t NeedSlices(const std::vector<size_t>& slices, size_t begin, size_t end, NetOp& op) {
    const Slice& first = draft_.slices[slices[begin]];
    if (!first.resident) return NeedStreamed(slices[begin], op);
    for (size_t i = begin; i < end; ++i) {
      const Slice& slice = draft_.slices[slices[i]];
      NeedResident(slice.arena_offset, slice.bytes, op);
      if (!std::exchange(counted_[slices[i]], true)) out_.resident_bytes += slice.bytes;
    }
    return first.arena_offset;
  }
  // The slot that was given back longest ago is the next one taken: loads are as far ahead as the
  // ring lets them be.
  uint64_t NeedStreamed(size_t index, NetOp& op) {
    const auto waiting = waiting_.find(index);
    const Streamed streamed = waiting != waiting_.end() ? waiting->second : LoadSlice(index);
    op.ins.push_back(streamed.value);
    free_slots_.push_back(streamed.slot);
    const uint64_t begin = draft_.slices[index].file_begin;
    return SlotOffset(streamed.slot) + (begin - RoundDown(begin, draft_.request.io_alignment));
  }
  uint64_t SlotOffset(size_t slot) const { return out_.ring_offset + slot * draft_.slot_bytes; }

  struct Streamed {
    NetValueId value{};
    size_t slot = 0;
  };
  Streamed LoadSlice(size_t index) {
    const Slice& slice = draft_.slices[index];
    const uint64_t block = draft_.request.io_alignment;
    const uint64_t begin = RoundDown(slice.file_begin, block);
    const uint64_t end = RoundUp(slice.file_end(), block);
    const size_t slot = free_slots_.front();
    free_slots_.pop_front();
    const NetValueId value =
        AddLoad({.name = fmt::format("{}[{}..{}]", graph_.weight(slice.weight).name,
                                     slice.row_begin, slice.row_end),
                 .bytes = end - begin,
                 .offset = SlotOffset(slot)},
                {slice.part, begin, end - begin, SlotOffset(slot), false});
    out_.streamed_bytes += slice.bytes;
    out_.streamed_read_bytes += end - begin;
    slice_values_[index] = value;
    return {value, slot};
  }

  // --- wishes ---

  // Loads for ops that come later; passes that leave out the op leave them out too.
  void LoadAhead(const std::vector<WeightId>& weights) {
    const RegionId here = region_;
    for (const WeightId id : weights) {
      for (const size_t index : slices_of_[Index(id)]) {
        const Slice& slice = draft_.slices[index];
        region_ = for_logits_[Index(slice.op)] ? kLogits : here;
        NetOp nobody;
        if (slice.resident) {
          NeedResident(slice.arena_offset, slice.bytes, nobody);
        } else {
          waiting_[index] = LoadSlice(index);
        }
      }
    }
    region_ = here;
  }

  // What the loads of a weight make, as far as they are made.
  NetOperands LoadedOf(WeightId id, bool resident) {
    NetOp reader;
    for (const size_t index : slices_of_[Index(id)]) {
      const Slice& slice = draft_.slices[index];
      if (!slice.resident) reader.ins.push_back(slice_values_.at(index));
      if (slice.resident && resident) NeedResident(slice.arena_offset, slice.bytes, reader);
    }
    return reader.ins;
  }
  void AddMeetings(const ModelWishes& wishes) {
    if (wishes.loads_after.empty() && wishes.loads_before.empty()) return;
    const std::vector<std::optional<NetOpId>> makers = Makers(out_.net);
    // CPU goes through its ops in order: who waits with the first waits with all, and the last ends
    // last.
    for (const ModelWishes::Meeting& meeting : wishes.loads_before) {
      NetOpId first = runs_of_.at(Index(wishes.groups[meeting.group][0])).first;
      for (const OpId op : wishes.groups[meeting.group]) {
        first = std::min(first, runs_of_.at(Index(op)).first);
      }
      const bool resident = meeting.distance == 0;  // before that it was there long ago
      for (const NetValueId value : LoadedOf(meeting.weight, resident)) {
        out_.net.orders.push_back(
            {*makers[Index(value)], first, NetOrder::Kind::kUser, meeting.distance});
      }
    }
    for (const ModelWishes::Meeting& meeting : wishes.loads_after) {
      NetOpId last = runs_of_.at(Index(wishes.groups[meeting.group][0])).second;
      for (const OpId op : wishes.groups[meeting.group]) {
        last = std::max(last, runs_of_.at(Index(op)).second);
      }
      for (const NetValueId value : LoadedOf(meeting.weight, false)) {
        out_.net.orders.push_back(
            {last, *makers[Index(value)], NetOrder::Kind::kUser, meeting.distance});
      }
    }
  }

  const PlanDraft& draft_;
  const Graph& graph_;
  const PassCosts costs_, device_costs_;
  const uint64_t tokens_;
  const uint64_t resident_bytes_, stride_;
  const bool weights_;
  ModelNet out_;
  std::unordered_map<size_t, std::vector<size_t>> slices_of_;  // by weight
  std::unordered_map<size_t, bool> counted_;                   // by slice
  std::unordered_map<size_t, bool> counted_on_device_;         // by weight
  std::unordered_map<size_t, std::vector<OpId>> readers_;      // by value, in order
  std::vector<size_t> first_piece_;                            // by run
  std::vector<std::optional<NetValueId>> pieces_;
  std::vector<NetValueId> stored_;  // by layer
  PlaceId place_ = kCpu;            // of the op that is added
  std::optional<NetOpId> rows_;     // what reads the embedding rows
  std::deque<size_t> free_slots_;
  std::unordered_map<size_t, Streamed> waiting_;                     // by slice: loaded ahead
  std::unordered_map<size_t, NetValueId> slice_values_;              // by slice: as loaded
  std::unordered_map<size_t, std::pair<NetOpId, NetOpId>> runs_of_;  // by op: first and last piece
  std::vector<bool> for_logits_;                                     // by op
  RegionId region_{};
};

}  // namespace

ModelNet BuildModelNet(const PlanDraft& draft, uint64_t resident_bytes, uint64_t tokens) {
  return Builder(draft, resident_bytes, tokens, true).Build();
}

ModelNet BuildModelNetWithoutWeights(const PlanDraft& draft) {
  return Builder(draft, 0, 1, false).Build();
}

uint64_t BufferAlignment(const Graph& graph, const PlanRequest& request) {
  return Spills(graph) ? std::max(kCacheLine, request.io_alignment) : kCacheLine;
}

uint64_t StagingStride(const Graph& graph, uint64_t block) {
  for (const Op& op : graph.ops) {
    if (!std::holds_alternative<op::Embed>(op.kind)) continue;
    return RoundUp(graph.weight(op.weights[0]).row_bytes() + block - 1, block);
  }
  return 0;
}

}  // namespace tinyai
