#include <cmath>

#include "base/row_group.h"
#include "kernel/attend.h"
#include "kernel/conv_pieces.h"
#include "kernel/elementwise.h"
#include "kernel/matmul.h"
#include "kernel/recurrent.h"
#include "run/layer_pieces.h"
#include "run/weight_rows.h"

namespace tinyai {
namespace {

WeightRows RowsOf(const LayerJob& job, uint64_t begin, uint64_t end) {
  const Weight& weight = job.graph.weight(job.op().weights[0]);
  const uint64_t skipped = (begin - job.run.row_begin) * weight.row_bytes();
  return RowsAt(weight, job.arena + job.run.weights_offset + skipped, end - begin);
}

ConvShape ShapeOf(const Shape& in, const Shape& out, const op::Window& window, uint64_t groups,
                  bool transposed) {
  const auto axis = [&](size_t i, uint64_t from, uint64_t to) {
    return WindowAxis{
        from, to, window.size[i], window.stride[i], window.dilation[i], window.pad_begin[i]};
  };
  const bool image = in.size() == 3;
  return {.in_channels = in[0],
          .out_channels = out[0],
          .groups = groups,
          .rows = axis(0, image ? in[1] : 1, image ? out[1] : 1),
          .cols = axis(1, in.back(), out.back()),
          .transposed = transposed};
}

// Into which pieces a step is cut never changes a bit, so it is no part of the plan: the kernel
// says what it does best.
void DoConv(const ConvShape& shape, const LayerJob& job) {
  const uint64_t rows = shape.rows.out, cols = shape.cols.out;
  const uint64_t samples = job.pass.rows();
  const ConvPieces pieces =
      DivideConv(shape, {job.run.row_begin, job.run.row_end}, job.plan.workers,
                 CeilDiv(kPiecesPerWorker * job.plan.workers, samples));
  for (;;) {
    const uint64_t next = job.next_piece.fetch_add(1, std::memory_order_relaxed);
    if (next >= pieces.count() * samples) return;
    const uint64_t sample = next / pieces.count();
    const MapPart part = pieces.Piece(next % pieces.count());
    const uint64_t channel = part.channels.first;
    const std::span<const float> bias = job.vector(1);
    Conv(shape, {job.in(0, sample), shape.rows.in * shape.cols.in},
         RowsOf(job, channel, part.channels.end), bias.empty() ? nullptr : bias.data() + channel,
         part, job.scratch,
         {job.out(sample) + (channel * rows + part.rows.first) * cols, rows * cols});
  }
}

AttendShape ShapeOf(const op::Attend& attend, const Shape& q, const Shape& k, const Shape& v) {
  const uint64_t head_dim = q[1] / attend.heads;
  const uint64_t value_dim = v[1] / attend.kv_heads;
  const float scale =
      attend.scale != 0 ? attend.scale : 1 / std::sqrt(static_cast<float>(head_dim));
  return {.queries = q[0],
          .keys = k[0],
          .heads = attend.heads,
          .kv_heads = attend.kv_heads,
          .head_dim = head_dim,
          .value_dim = value_dim,
          .q_stride = q[1],
          .k_stride = k[1],
          .v_stride = v[1],
          .out_stride = attend.heads * value_dim,
          .scale = scale,
          .causal = attend.causal};
}

uint64_t Gates(op::Cell cell) { return cell == op::Cell::kLstm ? 4 : 3; }

// One sample's way through the cell. Scratch: the gates, then h, then c.
class Sequence {
 public:
  Sequence(const op::Recurrent& recurrent, const LayerJob& job, uint64_t sample)
      : recurrent_(recurrent),
        job_(job),
        matrix_(job.graph.weight(job.op().weights[0])),
        size_(matrix_.cols),
        steps_(job.shape(0)[0]),
        in_(job.in(0, sample)),
        out_(job.out(sample)),
        gates_(reinterpret_cast<float*>(job.scratch.data()), matrix_.rows),
        h_(gates_.data() + gates_.size(), size_),
        c_(h_.data() + size_, size_) {
    const auto begin = [&](size_t operand, std::span<float> state) {
      const bool there = operand < job.op().ins.size();
      if (there) std::copy_n(job.in(operand, sample), size_, state.begin());
      if (!there) std::fill(state.begin(), state.end(), 0.0F);
    };
    begin(1, h_);
    begin(2, c_);
  }

  void Run() {
    for (uint64_t i = 0; i < steps_; ++i) Step(recurrent_.reverse ? steps_ - 1 - i : i);
  }

 private:
  std::span<float> Gate(uint64_t index) const { return gates_.subspan(index * size_, size_); }

  void Step(uint64_t at) {
    const WeightRows weights{matrix_.type, job_.weight(0), matrix_.cols, matrix_.rows};
    MatMulF32(weights, h_.data(), size_, 1, gates_.data(), matrix_.rows, job_.tiling);
    if (job_.op().weights.size() > 1) AddInto(job_.vector(1), gates_);
    const std::span<const float> in(in_ + at * gates_.size(), gates_.size());
    if (recurrent_.cell == op::Cell::kLstm) {
      AddInto(in, gates_);
      LstmCell({Gate(0), Gate(1), Gate(2), Gate(3)}, c_, c_, h_);
    } else {
      AddInto(in.first(2 * size_), gates_.first(2 * size_));
      GruCell({Gate(0), Gate(1), in.subspan(2 * size_), Gate(2)}, h_, h_);
    }
    const bool both = recurrent_.state && recurrent_.cell == op::Cell::kLstm;
    float* const out = out_ + at * (both ? 2 : 1) * size_;
    std::copy(h_.begin(), h_.end(), out);
    if (both) std::copy(c_.begin(), c_.end(), out + size_);
  }

  const op::Recurrent& recurrent_;
  const LayerJob& job_;
  const Weight& matrix_;
  const uint64_t size_, steps_;
  const float* const in_;
  float* const out_;
  const std::span<float> gates_, h_, c_;
};

}  // namespace

void RunLayerProduct(const op::MatMul&, const LayerJob& job) {
  const Weight& weight = job.graph.weight(job.op().weights[0]);
  const uint64_t rows = job.size(0) / weight.cols;  // of the operand, in a sample
  ForPieces(job, job.run.row_end - job.run.row_begin, kRowGroup,
            [&](uint64_t sample, uint64_t begin, uint64_t end) {
              const uint64_t first = job.run.row_begin + begin;
              float* const out = job.out(sample) + first;
              MatMulF32(RowsOf(job, first, job.run.row_begin + end), job.in(0, sample), weight.cols,
                        rows, out, weight.rows, job.tiling);
              if (job.op().weights.size() < 2) return;
              const std::span<const float> bias = job.vector(1).subspan(first, end - begin);
              for (uint64_t row = 0; row < rows; ++row) {
                AddInto(bias, {out + row * weight.rows, bias.size()});
              }
            });
}

void RunLayerProduct(const op::Conv& conv, const LayerJob& job) {
  DoConv(ShapeOf(job.shape(0), job.out_shape(), conv.window, conv.groups, false), job);
}
void RunLayerProduct(const op::ConvTranspose& conv, const LayerJob& job) {
  DoConv(ShapeOf(job.shape(0), job.out_shape(), conv.window, conv.groups, true), job);
}

// Divided by heads, and by rows where there are more workers.
void RunLayerProduct(const op::Attend& attend, const LayerJob& job) {
  const AttendShape shape = ShapeOf(attend, job.shape(0), job.shape(1), job.shape(2));
  const uint64_t parts = std::min<uint64_t>(shape.queries, job.plan.workers == 1 ? 1 : 4);
  ForPieces(job, shape.heads * parts, 1, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i) {
      const uint64_t head = i / parts, part = i % parts;
      AttendRows(shape, {job.in(0, sample), job.in(1, sample), job.in(2, sample)},
                 {shape.queries * part / parts, shape.queries * (part + 1) / parts},
                 {head, head + 1}, job.scratch, job.out(sample));
    }
  });
}

// Steps follow each other, so a sample is one worker's.
void RunLayerProduct(const op::Recurrent& recurrent, const LayerJob& job) {
  ForPieces(job, 1, 1,
            [&](uint64_t sample, uint64_t, uint64_t) { Sequence(recurrent, job, sample).Run(); });
}

uint64_t ScratchBytes(const Graph& graph, const Op& op) {
  const auto shape = [&](size_t i) -> const Shape& { return graph.value(op.ins[i]).shape; };
  const auto conv_bytes = [&](const auto& conv, bool transposed) {
    return ConvWorkspaceBytes(
        ShapeOf(shape(0), graph.value(*op.out).shape, conv.window, conv.groups, transposed),
        graph.weight(op.weights[0]).type);
  };
  if (const auto* conv = std::get_if<op::Conv>(&op.kind)) return conv_bytes(*conv, false);
  if (const auto* conv = std::get_if<op::ConvTranspose>(&op.kind)) return conv_bytes(*conv, true);
  if (const auto* attend = std::get_if<op::Attend>(&op.kind)) {
    return AttendWorkspaceBytes(ShapeOf(*attend, shape(0), shape(1), shape(2)));
  }
  if (const auto* recurrent = std::get_if<op::Recurrent>(&op.kind)) {
    const uint64_t width = graph.weight(op.weights[0]).cols;
    return (Gates(recurrent->cell) + 2) * width * sizeof(float);
  }
  return 0;
}

}  // namespace tinyai
