#include "run/layer_ops.h"

#include <array>
#include <cmath>

#include "kernel/activations.h"
#include "kernel/binary.h"
#include "kernel/elementwise.h"
#include "kernel/matmul.h"
#include "kernel/norms.h"
#include "kernel/pool.h"
#include "kernel/reduce.h"
#include "kernel/reshape.h"
#include "kernel/resize.h"
#include "kernel/softmax.h"
#include "run/layer_pieces.h"

namespace tinyai {
namespace {

// Elements of a piece of what goes element by element: some pages.
constexpr uint64_t kElementGrain = 4096;

// Each element of the result is made of the one in its place.
template <typename Compute>
void ForElements(const LayerJob& job, Compute&& compute) {
  ForPieces(job, job.out_size(), kElementGrain, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    compute(std::span(job.in(0, sample) + begin, end - begin),
            std::span(job.out(sample) + begin, end - begin), sample, begin);
  });
}

// Stretches of `size` elements of operand 0 and the result, in their order.
template <typename Compute>
void ForStretches(const LayerJob& job, uint64_t size, Compute&& compute) {
  ForPieces(job, job.out_size() / size, 1, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i) {
      compute(std::span(job.in(0, sample) + i * size, size),
              std::span(job.out(sample) + i * size, size), sample, i);
    }
  });
}

void Do(const op::Input& input, const LayerJob& job) {
  const auto& inputs = job.pass.inputs;
  const float* const from = input.index < inputs.size() ? inputs[input.index] : nullptr;
  ForPieces(job, job.out_size(), kElementGrain, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    float* const out = job.out(sample);
    if (from == nullptr) {
      std::fill(out + begin, out + end, 0.0F);
    } else {
      const float* const row = from + sample * job.out_size();
      std::copy(row + begin, row + end, out + begin);
    }
  });
}

Activation KernelOf(op::Function function) {
  constexpr std::array kKernels = {
      Activation::kRelu,     Activation::kLeakyRelu, Activation::kGelu,
      Activation::kGeluTanh, Activation::kSilu,      Activation::kSigmoid,
      Activation::kTanh,     Activation::kHardSwish, Activation::kHardSigmoid};
  return kKernels[static_cast<size_t>(function)];
}

void Do(const op::Activation& activation, const LayerJob& job) {
  ForElements(job, [&](std::span<const float> x, std::span<float> out, uint64_t, uint64_t) {
    if (activation.function != op::Function::kClip) {
      Activate(KernelOf(activation.function), activation.alpha, x, out);
      return;
    }
    Binary(BinaryOp::kMax, x, std::array{0.0F}, out);
    Binary(BinaryOp::kMin, out, std::array{activation.alpha}, out);
  });
}

void Do(const op::SiluMul&, const LayerJob& job) {
  ForElements(job, [&](std::span<const float> x, std::span<float> out, uint64_t s, uint64_t begin) {
    if (out.data() != x.data()) std::copy(x.begin(), x.end(), out.begin());
    SiluMul(out, {job.in(1, s) + begin, out.size()});
  });
}

// How the second operand is repeated along the first: in blocks that are equally long in both, or
// in which it has one element.
struct Repetition {
  uint64_t block = 1;                    // elements of the first
  bool single = false;                   // one element of the second for a block
  std::vector<uint64_t> sizes, strides;  // of the axes outside of a block, in blocks

  uint64_t At(uint64_t index) const {  // where the second's part for a block begins
    uint64_t at = 0;
    for (size_t axis = sizes.size(); axis-- > 0;) {
      at += index % sizes[axis] * strides[axis];
      index /= sizes[axis];
    }
    return at;
  }
};
Repetition RepetitionOf(const Shape& a, Shape b) {
  b.insert(b.begin(), a.size() - b.size(), 1);
  Repetition out;
  size_t axis = a.size();
  while (axis > 0 && a[axis - 1] == b[axis - 1]) out.block *= a[--axis];
  if (out.block == 1) {
    out.single = true;
    while (axis > 0 && b[axis - 1] == 1) out.block *= a[--axis];
  }
  uint64_t stride = out.single ? 1 : out.block;
  out.sizes.resize(axis);
  out.strides.resize(axis);
  for (size_t i = axis; i-- > 0;) {
    out.sizes[i] = a[i];
    out.strides[i] = b[i] == 1 ? 0 : stride;
    stride *= b[i];
  }
  return out;
}

void DoBinary(BinaryOp kind, const LayerJob& job) {
  const bool weight = job.op().ins.size() == 1;
  Shape second = weight ? Shape{job.vector(0).size()} : job.shape(1);
  const auto operand = [&](uint64_t sample) {
    return weight ? job.vector(0).data() : job.in(1, sample);
  };
  if (weight && second[0] != job.shape(0).back()) {
    // A vector as long as several axes together: the first operand as rows of it.
    ForStretches(job, second[0],
                 [&](std::span<const float> x, std::span<float> out, uint64_t s, uint64_t) {
                   Binary(kind, x, {operand(s), x.size()}, out);
                 });
    return;
  }
  const Repetition repetition = RepetitionOf(job.shape(0), std::move(second));
  if (repetition.sizes.empty() && !repetition.single) {
    ForElements(job, [&](std::span<const float> x, std::span<float> out, uint64_t s, uint64_t at) {
      Binary(kind, x, {operand(s) + at, x.size()}, out);
    });
    return;
  }
  ForStretches(job, repetition.block,
               [&](std::span<const float> x, std::span<float> out, uint64_t s, uint64_t i) {
                 const float* const y = operand(s) + repetition.At(i);
                 Binary(kind, x, {y, repetition.single ? 1 : x.size()}, out);
               });
}
void Do(const op::Add&, const LayerJob& job) { DoBinary(BinaryOp::kAdd, job); }
void Do(const op::Mul&, const LayerJob& job) { DoBinary(BinaryOp::kMul, job); }

// --- norms ---

void Do(const op::BatchNorm& norm, const LayerJob& job) {
  const uint64_t spatial = InnerSize(job.shape(0), 0);
  ForStretches(
      job, spatial,
      [&](std::span<const float> x, std::span<float> out, uint64_t, uint64_t channel) {
        const auto of = [&](size_t index) { return job.vector(index).subspan(channel, 1); };
        BatchNorm(x, spatial, {.mean = of(2), .variance = of(3), .weight = of(0), .bias = of(1)},
                  norm.epsilon, out);
      });
}
void Do(const op::LayerNorm& norm, const LayerJob& job) {
  ForStretches(job, job.shape(0).back(),
               [&](std::span<const float> x, std::span<float> out, uint64_t, uint64_t) {
                 LayerNorm(x, job.vector(0), job.vector(1), norm.epsilon, out);
               });
}
void Do(const op::RmsNorm& norm, const LayerJob& job) {
  ForStretches(job, norm.group,
               [&](std::span<const float> x, std::span<float> out, uint64_t, uint64_t) {
                 RmsNorm(x, job.vector(0), norm.epsilon, out);
               });
}
void Do(const op::GroupNorm& norm, const LayerJob& job) {
  const uint64_t spatial = InnerSize(job.shape(0), 0);
  const uint64_t channels = job.shape(0)[0] / norm.groups;
  ForStretches(job, channels * spatial,
               [&](std::span<const float> x, std::span<float> out, uint64_t, uint64_t group) {
                 const auto of = [&](size_t index) {
                   return job.vector(index).subspan(group * channels, channels);
                 };
                 GroupNorm(x, spatial, of(0), of(1), norm.epsilon, out);
               });
}

// --- along an axis ---

// Calls `compute(outer, columns)` for the columns of [outer][size][inner].
template <typename Compute>
void ForColumns(const LayerJob& job, uint64_t outer, uint64_t inner, Compute&& compute) {
  const uint64_t grain = inner == 1 ? 1 : std::min<uint64_t>(inner, 64);
  ForPieces(job, outer * inner, grain, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    while (begin < end) {
      const uint64_t row = begin / inner, first = begin % inner;
      const uint64_t last = std::min(inner, first + (end - begin));
      compute(sample, row, IndexRange{first, last});
      begin += last - first;
    }
  });
}

void Do(const op::Softmax& softmax, const LayerJob& job) {
  const Shape& shape = job.shape(0);
  const uint64_t size = shape[softmax.axis], inner = InnerSize(shape, softmax.axis);
  ForColumns(job, OuterSize(shape, softmax.axis), inner,
             [&](uint64_t sample, uint64_t row, IndexRange columns) {
               const uint64_t at = row * size * inner;
               Softmax(job.in(0, sample) + at, size, inner, columns, job.out(sample) + at);
             });
}

void DoReduce(ReduceKind kind, uint64_t outer, uint64_t size, uint64_t inner, const LayerJob& job) {
  ForColumns(job, outer, inner, [&](uint64_t sample, uint64_t row, IndexRange columns) {
    Reduce(kind, job.in(0, sample) + row * size * inner, size, inner, columns,
           job.out(sample) + row * inner + columns.first);
  });
}
void Do(const op::Reduce& reduce, const LayerJob& job) {
  constexpr std::array kKernels = {ReduceKind::kSum, ReduceKind::kMean, ReduceKind::kMax,
                                   ReduceKind::kMin};
  const Shape& shape = job.shape(0);
  const uint64_t outer = OuterSize(shape, reduce.axes.front());
  const uint64_t inner = InnerSize(shape, reduce.axes.back());
  DoReduce(kKernels[static_cast<size_t>(reduce.kind)], outer, job.size(0) / outer / inner, inner,
           job);
}
void Do(const op::GlobalPool& pool, const LayerJob& job) {
  const uint64_t channels = job.shape(0)[0];
  DoReduce(pool.kind == op::PoolKind::kMax ? ReduceKind::kMax : ReduceKind::kMean, channels,
           job.size(0) / channels, 1, job);
}

// --- maps ---

struct Map {
  uint64_t channels, rows, cols;
};
Map MapOf(const Shape& shape) { return {shape[0], shape.size() == 3 ? shape[1] : 1, shape.back()}; }

void Do(const op::Pool& pool, const LayerJob& job) {
  const Map in = MapOf(job.shape(0)), out = MapOf(job.out_shape());
  const op::Window& w = pool.window;
  const auto axis = [&](size_t i, uint64_t from, uint64_t to) {
    return WindowAxis{from, to, w.size[i], w.stride[i], w.dilation[i], w.pad_begin[i]};
  };
  const PoolKind kind = pool.kind == op::PoolKind::kMax ? PoolKind::kMax
                        : pool.count_padding            ? PoolKind::kAveragePadded
                                                        : PoolKind::kAverage;
  ForPieces(job, out.channels, 1, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    Pool(kind, axis(0, in.rows, out.rows), axis(1, in.cols, out.cols),
         {job.in(0, sample), in.rows * in.cols}, {{begin, end}, {0, out.rows}},
         {job.out(sample) + begin * out.rows * out.cols, out.rows * out.cols});
  });
}

void Do(const op::Resize& resize, const LayerJob& job) {
  const Map in = MapOf(job.shape(0)), out = MapOf(job.out_shape());
  const bool nearest = resize.mode == op::ResizeMode::kNearest;
  const ResizeShape shape{.in_rows = in.rows,
                          .in_cols = in.cols,
                          .out_rows = out.rows,
                          .out_cols = out.cols,
                          .kind = nearest ? ResizeKind::kNearest : ResizeKind::kBilinear,
                          .grid = nearest                ? ResizeGrid::kAsymmetric
                                  : resize.align_corners ? ResizeGrid::kAlignCorners
                                                         : ResizeGrid::kHalfPixel};
  ForPieces(job, out.channels, 1, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    Resize(shape, {job.in(0, sample), in.rows * in.cols}, {{begin, end}, {0, out.rows}},
           {job.out(sample) + begin * out.rows * out.cols, out.rows * out.cols});
  });
}

// --- moving ---

void Do(const op::Concat& concat, const LayerJob& job) {
  const uint64_t inner = InnerSize(job.out_shape(), concat.axis);
  const uint64_t stride = job.out_shape()[concat.axis] * inner;
  ForPieces(job, OuterSize(job.out_shape(), concat.axis), 1,
            [&](uint64_t sample, uint64_t begin, uint64_t end) {
              float* out = job.out(sample) + begin * stride;
              for (size_t i = 0; i < job.op().ins.size(); ++i) {
                const uint64_t cols = job.shape(i)[concat.axis] * inner;
                CopyRows(job.in(i, sample) + begin * cols, cols, end - begin, cols, out, stride);
                out += cols;
              }
            });
}
void Do(const op::Slice& slice, const LayerJob& job) {
  const uint64_t inner = InnerSize(job.shape(0), slice.axis);
  const uint64_t from = job.shape(0)[slice.axis] * inner;
  const uint64_t to = (slice.end - slice.begin) * inner;
  ForPieces(job, OuterSize(job.shape(0), slice.axis), 1,
            [&](uint64_t sample, uint64_t begin, uint64_t end) {
              CopyRows(job.in(0, sample) + begin * from + slice.begin * inner, from, end - begin,
                       to, job.out(sample) + begin * to, to);
            });
}
void Do(const op::Paste& paste, const LayerJob& job) {
  const size_t part = job.op().ins.size() - 1;
  const uint64_t inner = InnerSize(paste.shape, paste.axis);
  const uint64_t stride = paste.shape[paste.axis] * inner;
  const uint64_t cols = job.shape(part)[paste.axis] * inner;
  ForPieces(job, OuterSize(paste.shape, paste.axis), 1,
            [&](uint64_t sample, uint64_t begin, uint64_t end) {
              float* const out = job.out(sample) + begin * stride;
              const float* const before = job.in(0, sample) + begin * stride;
              if (part == 1 && before != out) std::copy_n(before, (end - begin) * stride, out);
              CopyRows(job.in(part, sample) + begin * cols, cols, end - begin, cols,
                       out + paste.begin * inner, stride);
            });
}
void Do(const op::Reshape&, const LayerJob& job) {
  ForElements(job, [](std::span<const float> x, std::span<float> out, uint64_t, uint64_t) {
    if (out.data() != x.data()) std::copy(x.begin(), x.end(), out.begin());
  });
}
void Do(const op::Transpose& transpose, const LayerJob& job) {
  const uint64_t inner = InnerSize(job.out_shape(), 0);
  ForPieces(job, job.out_shape()[0], 1, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    Transpose(job.in(0, sample), job.shape(0), transpose.order, {begin, end},
              job.out(sample) + begin * inner);
  });
}
void Do(const op::Pad& pad, const LayerJob& job) {
  const uint64_t inner = InnerSize(job.out_shape(), 0);
  const PadKind kind = pad.mode == op::PadMode::kConstant ? PadKind::kConstant
                       : pad.mode == op::PadMode::kEdge   ? PadKind::kEdge
                                                          : PadKind::kReflect;
  const PadShape shape{job.shape(0), pad.before, job.out_shape(), kind, pad.value};
  ForPieces(job, job.out_shape()[0], 1, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    Pad(shape, job.in(0, sample), {begin, end}, job.out(sample) + begin * inner);
  });
}

// An id that is none is taken for the nearest that there is.
void Do(const op::Lookup&, const LayerJob& job) {
  const Weight& table = job.graph.weight(job.op().weights[0]);
  ForPieces(job, job.size(0), 16, [&](uint64_t sample, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i) {
      const float id = job.in(0, sample)[i];
      const uint64_t last = table.rows - 1;
      const uint64_t row = !(id >= 1)                      ? 0
                           : id < static_cast<float>(last) ? static_cast<uint64_t>(id)
                                                           : last;
      DecodeRow(table.type, job.weight(0) + row * table.row_bytes(),
                {job.out(sample) + i * table.cols, table.cols});
    }
  });
}

template <typename Kind>
requires requires(const Kind& kind, const LayerJob& job) { RunLayerProduct(kind, job); }
void Do(const Kind& kind, const LayerJob& job) { RunLayerProduct(kind, job); }

}  // namespace

void RunLayerOp(const LayerJob& job) {
  std::visit(
      [&](const auto& kind) {
        if constexpr (requires { Do(kind, job); }) Do(kind, job);
      },
      job.op().kind);
}

}  // namespace tinyai
