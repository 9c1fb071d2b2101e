#include "run/op_runner.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/row_group.h"
#include "kernel/attention.h"
#include "kernel/elementwise.h"
#include "kernel/matmul.h"
#include "kernel/quantized_rows.h"
#include "run/layer_ops.h"
#include "run/weight_rows.h"

namespace tinyai {
namespace {

// Pieces per worker that a product is divided into: enough to even out disturbances, few enough
// that taking one costs nothing.
constexpr uint64_t kPiecesPerWorker = 8;

}  // namespace

OpRunner::OpRunner(const Graph& graph, const Plan& plan, RopeFrequencies frequencies,
                   const Tiling& tiling, std::byte* arena)
    : graph_(graph),
      plan_(plan),
      arena_(arena),
      frequencies_(std::move(frequencies)),
      tiling_(tiling),
      next_piece_(plan.queues[kCpuQueue].steps.size()) {
  for (const Step& step : plan.queues[kRowsQueue].steps) {
    const auto& rows = std::get<step::LoadRows>(step.work);
    staging_ = &plan.buffer(rows.staging);
    staging_stride_ = rows.stride;
  }
}

void OpRunner::Prepare(const Pass& pass) {
  for (std::atomic<uint32_t>& next : next_piece_) next.store(0, std::memory_order_relaxed);
  if (pass.position == 0) first_bad_layer_.store(-1, std::memory_order_relaxed);
  float* out = reinterpret_cast<float*>(arena_ + plan_.buffer(plan_.rope_buffer).offset);
  for (size_t row = 0; row < pass.tokens.size(); ++row) {
    const double position = static_cast<double>(pass.position + row);
    for (const double frequency : frequencies_.per_position) {
      const double angle = position * frequency;
      *out++ = static_cast<float>(std::cos(angle) * frequencies_.magnitude);
      *out++ = static_cast<float>(std::sin(angle) * frequencies_.magnitude);
    }
  }
}

void OpRunner::Run(size_t step, const step::Run& run, const Pass& pass, uint32_t worker) const {
  if (!graph_.is_text()) {
    const PlanBuffer& scratch = plan_.buffer(plan_.workspace_buffers[worker]);
    RunLayerOp({graph_,
                plan_,
                run,
                pass,
                arena_,
                next_piece_[step],
                {arena_ + scratch.offset, scratch.bytes},
                tiling_});
    return;
  }
  const Op& op = graph_.ops[Index(run.op)];
  const Job job{op, run, next_piece_[step], pass, worker};
  std::visit([&](const auto& kind) { Do(kind, job); }, op.kind);
}

std::span<float> OpRunner::Row(ValueId id, uint64_t row) const { return FloatRow(id, row); }

std::span<float> OpRunner::Logits() const { return FloatRow(graph_.logits(), 0); }

std::byte* OpRunner::ValueData(ValueId id) const {
  return arena_ + plan_.buffer(plan_.value_buffers[Index(id)]).offset;
}

std::span<float> OpRunner::FloatRow(ValueId id, uint64_t row) const {
  const Value& value = graph_.value(id);
  return {reinterpret_cast<float*>(ValueData(id) + row * value.row_bytes), value.width};
}

std::span<const float> OpRunner::Vector(WeightId id) const {
  const std::byte* data = arena_ + *plan_.weight_offsets[Index(id)];
  return {reinterpret_cast<const float*>(data), graph_.weight(id).cols};
}

uint64_t OpRunner::RowCount(ValueId id, const Pass& pass) const {
  return graph_.value(id).rows == Rows::kTokens ? pass.tokens.size() : 1;
}

OpRunner::Share OpRunner::RowShare(uint64_t rows, uint32_t worker) const {
  return {rows * worker / plan_.workers, rows * (worker + 1) / plan_.workers};
}

std::span<float> OpRunner::OutRow(const Job& job, uint64_t row) const {
  const std::span<float> in = FloatRow(job.op.ins[0], row);
  const std::span<float> out = FloatRow(*job.op.out, row);
  if (out.data() != in.data()) std::copy(in.begin(), in.end(), out.begin());
  return out;
}

void OpRunner::Do(const op::Embed&, const Job& job) const {
  const WeightId id = job.op.weights[0];
  const Weight& table = graph_.weight(id);
  const Share share = RowShare(job.pass.tokens.size(), job.worker);
  for (uint64_t row = share.begin; row < share.end; ++row) {
    const uint64_t in_table = static_cast<uint64_t>(job.pass.tokens[row]) * table.row_bytes();
    const std::byte* data = staging_ != nullptr
                                ? arena_ + staging_->offset + row * staging_stride_ +
                                      (table.offset + in_table) % plan_.io_alignment
                                : arena_ + *plan_.weight_offsets[Index(id)] + in_table;
    DecodeRow(table.type, data, FloatRow(*job.op.out, row));
  }
}

void OpRunner::Do(const op::RmsNorm& norm, const Job& job) const {
  const std::span<const float> weight = Vector(job.op.weights[0]);
  const Share share = RowShare(RowCount(job.op.ins[0], job.pass), job.worker);
  for (uint64_t row = share.begin; row < share.end; ++row) {
    const std::span<float> in = FloatRow(job.op.ins[0], row);
    const std::span<float> out = FloatRow(*job.op.out, row);
    for (uint64_t at = 0; at < in.size(); at += norm.group) {
      RmsNorm(in.subspan(at, norm.group), weight, norm.epsilon, out.subspan(at, norm.group));
    }
  }
}

void OpRunner::Do(const op::Quantize&, const Job& job) const {
  const uint64_t row_bytes = graph_.value(*job.op.out).row_bytes;
  const Share share = RowShare(RowCount(job.op.ins[0], job.pass), job.worker);
  for (uint64_t row = share.begin; row < share.end; ++row) {
    QuantizeRow(FloatRow(job.op.ins[0], row), ValueData(*job.op.out) + row * row_bytes);
  }
}

void OpRunner::Do(const op::MatMul&, const Job& job) const {
  const uint64_t rows = job.run.row_end - job.run.row_begin;
  const uint64_t pieces = plan_.workers * kPiecesPerWorker;
  const uint64_t piece_rows = RoundUp(CeilDiv(rows, pieces), kRowGroup);
  for (;;) {
    const uint64_t piece = job.next_piece.fetch_add(1, std::memory_order_relaxed);
    if (piece * piece_rows >= rows) return;
    Multiply(job, piece * piece_rows, std::min(rows, (piece + 1) * piece_rows));
  }
}

void OpRunner::Multiply(const Job& job, uint64_t begin, uint64_t end) const {
  const Weight& weight = graph_.weight(job.op.weights[0]);
  const WeightRows slice =
      RowsAt(weight, arena_ + job.run.weights_offset + begin * weight.row_bytes(), end - begin);
  const Value& in = graph_.value(job.op.ins[0]);
  const uint64_t tokens = RowCount(job.op.ins[0], job.pass);
  const uint64_t out_stride = graph_.value(*job.op.out).row_bytes / sizeof(float);
  const uint64_t first_row = job.run.row_begin + begin;
  float* out = FloatRow(*job.op.out, 0).data() + first_row;
  if (in.element == Element::kQuantized) {
    MatMulQ8(slice, ValueData(job.op.ins[0]), in.row_bytes, tokens, out, out_stride, tiling_);
  } else {
    MatMulF32(slice, FloatRow(job.op.ins[0], 0).data(), in.row_bytes / sizeof(float), tokens, out,
              out_stride, tiling_);
  }
  if (job.op.weights.size() < 2) return;
  const std::span<const float> bias = Vector(job.op.weights[1]).subspan(first_row, end - begin);
  for (uint64_t token = 0; token < tokens; ++token) {
    AddInto(bias, {out + token * out_stride, bias.size()});
  }
}

void OpRunner::Do(const op::Rope& rope, const Job& job) const {
  const uint64_t dims = graph_.rope.dims;
  const float* angles =
      reinterpret_cast<const float*>(arena_ + plan_.buffer(plan_.rope_buffer).offset);
  const Share share = RowShare(RowCount(job.op.ins[0], job.pass), job.worker);
  for (uint64_t row = share.begin; row < share.end; ++row) {
    const std::span<float> out = OutRow(job, row);
    const uint64_t head_dim = out.size() / rope.heads;
    for (uint64_t head = 0; head < rope.heads; ++head) {
      Rope(out.subspan(head * head_dim, head_dim), {angles + row * dims, dims},
           graph_.rope.adjacent);
    }
  }
}

void OpRunner::Do(const op::StoreKv& store, const Job& job) const {
  const AttentionShape& shape = graph_.attention;
  std::byte* keys = arena_ + plan_.buffer(plan_.cache_buffers[store.layer]).offset;
  std::byte* values = keys + KeyCacheBytes(shape, plan_.key_type, plan_.context);
  const uint64_t key_bytes = RowBytes(plan_.key_type, shape.head_dim);
  const uint64_t value_bytes = RowBytes(plan_.value_type, shape.value_head_dim);
  const Share share = RowShare(job.pass.tokens.size(), job.worker);
  for (uint64_t row = share.begin; row < share.end; ++row) {
    const float* k = FloatRow(job.op.ins[0], row).data();
    const float* v = FloatRow(job.op.ins[1], row).data();
    for (uint64_t head = 0; head < shape.kv_heads; ++head) {
      const uint64_t slot = head * plan_.context + job.pass.position + row;
      EncodeRow(k + head * shape.head_dim, shape.head_dim, plan_.key_type, keys + slot * key_bytes);
      EncodeRow(v + head * shape.value_head_dim, shape.value_head_dim, plan_.value_type,
                values + slot * value_bytes);
    }
  }
}

// Pairs of a token and a key/value head are dealt out in turn: later tokens see more positions.
void OpRunner::Do(const op::Attention& attention, const Job& job) const {
  const AttentionShape& shape = graph_.attention;
  const std::byte* keys = arena_ + plan_.buffer(plan_.cache_buffers[attention.layer]).offset;
  const std::byte* values = keys + KeyCacheBytes(shape, plan_.key_type, plan_.context);
  const uint64_t key_bytes = plan_.context * RowBytes(plan_.key_type, shape.head_dim);
  const uint64_t value_bytes = plan_.context * RowBytes(plan_.value_type, shape.value_head_dim);
  const uint64_t group = shape.heads / shape.kv_heads;
  float* scores =
      reinterpret_cast<float*>(arena_ + plan_.buffer(plan_.workspace_buffers[job.worker]).offset);
  const uint64_t items = job.pass.tokens.size() * shape.kv_heads;
  for (uint64_t item = job.worker; item < items; item += plan_.workers) {
    const uint64_t row = item / shape.kv_heads, head = item % shape.kv_heads;
    const uint64_t end = job.pass.position + row + 1;
    const uint64_t first = shape.window != 0 && end > shape.window ? end - shape.window : 0;
    const KvHead cache{plan_.key_type, plan_.value_type, keys + head * key_bytes,
                       values + head * value_bytes};
    Attend(FloatRow(job.op.ins[0], row).data() + head * group * shape.head_dim, group,
           shape.head_dim, cache, first, end, shape.scale, scores,
           FloatRow(*job.op.out, row).data() + head * group * shape.value_head_dim);
  }
}

void OpRunner::Do(const op::SiluMul&, const Job& job) const {
  const Share share = RowShare(RowCount(job.op.ins[0], job.pass), job.worker);
  for (uint64_t row = share.begin; row < share.end; ++row) {
    SiluMul(OutRow(job, row), FloatRow(job.op.ins[1], row));
  }
}

void OpRunner::Do(const op::Add&, const Job& job) const {
  const Share share = RowShare(RowCount(job.op.ins[0], job.pass), job.worker);
  for (uint64_t row = share.begin; row < share.end; ++row) {
    const std::span<float> out = OutRow(job, row);
    AddInto(FloatRow(job.op.ins[1], row), out);
    if (AllFinite(out)) continue;
    int32_t first = first_bad_layer_.load(std::memory_order_relaxed);
    while ((first < 0 || job.op.layer < first) &&
           !first_bad_layer_.compare_exchange_weak(first, job.op.layer)) {
    }
  }
}

void OpRunner::Do(const op::TakeLast&, const Job& job) const {
  if (job.worker + 1 != plan_.workers) return;  // whose row 0 is where there is one row
  const std::span<float> in = FloatRow(job.op.ins[0], job.pass.tokens.size() - 1);
  std::copy(in.begin(), in.end(), FloatRow(*job.op.out, 0).begin());
}

}  // namespace tinyai
