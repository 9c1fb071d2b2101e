#pragma once

#include <algorithm>

#include "base/checked.h"
#include "run/layer_ops.h"

namespace tinyai {

// Pieces per worker that a step is divided into: enough to even out disturbances, few enough that
// taking one costs nothing.
inline constexpr uint64_t kPiecesPerWorker = 4;

// Calls `compute(sample, begin, end)` for the pieces of [0, units) of every sample that are this
// worker's: each a multiple of `grain` units, but for the last.
template <typename Compute>
void ForPieces(const LayerJob& job, uint64_t units, uint64_t grain, Compute&& compute) {
  const uint64_t samples = job.pass.rows();
  const uint64_t wanted = CeilDiv(kPiecesPerWorker * job.plan.workers, samples);
  const uint64_t piece = CeilDiv(CeilDiv(units, job.plan.workers == 1 ? 1 : wanted), grain) * grain;
  const uint64_t pieces = CeilDiv(units, piece);
  for (;;) {
    const uint64_t next = job.next_piece.fetch_add(1, std::memory_order_relaxed);
    if (next >= pieces * samples) return;
    const uint64_t begin = next % pieces * piece;
    compute(next / pieces, begin, std::min(units, begin + piece));
  }
}

// The parts of a shape before an axis, and behind it.
inline uint64_t OuterSize(const Shape& shape, size_t axis) {
  uint64_t size = 1;
  for (size_t i = 0; i < axis; ++i) size *= shape[i];
  return size;
}
inline uint64_t InnerSize(const Shape& shape, size_t axis) {
  uint64_t size = 1;
  for (size_t i = axis + 1; i < shape.size(); ++i) size *= shape[i];
  return size;
}

// The kinds that multiply weights or attend; the others are in layer_ops.cc.
void RunLayerProduct(const op::MatMul&, const LayerJob& job);
void RunLayerProduct(const op::Conv&, const LayerJob& job);
void RunLayerProduct(const op::ConvTranspose&, const LayerJob& job);
void RunLayerProduct(const op::Attend&, const LayerJob& job);
void RunLayerProduct(const op::Recurrent&, const LayerJob& job);

}  // namespace tinyai
