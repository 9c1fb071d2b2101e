#include "kernel/recurrent.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/recurrent.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/activations-inl.h"
#include "kernel/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

void LstmCellSimd(const LstmGates& gates, const float* cell, size_t size, float* new_cell,
                  float* new_hidden) {
  for (size_t i = 0; i < size; i += kLanes) {
    const size_t count = std::min(kLanes, size - i);
    const VF32 input = Sigmoid(LoadFirst(gates.input.data() + i, count));
    const VF32 forget = Sigmoid(LoadFirst(gates.forget.data() + i, count));
    const VF32 candidate = Tanh(LoadFirst(gates.cell.data() + i, count));
    const VF32 output = Sigmoid(LoadFirst(gates.output.data() + i, count));
    const VF32 c = hn::MulAdd(forget, LoadFirst(cell + i, count), hn::Mul(input, candidate));
    StoreFirst(c, count, new_cell + i);
    StoreFirst(hn::Mul(output, Tanh(c)), count, new_hidden + i);
  }
}

void GruCellSimd(const GruGates& gates, const float* state, size_t size, float* new_state) {
  for (size_t i = 0; i < size; i += kLanes) {
    const size_t count = std::min(kLanes, size - i);
    const VF32 reset = Sigmoid(LoadFirst(gates.reset.data() + i, count));
    const VF32 update = Sigmoid(LoadFirst(gates.update.data() + i, count));
    const VF32 hidden = LoadFirst(gates.hidden.data() + i, count);
    const VF32 candidate =
        Tanh(hn::MulAdd(reset, hidden, LoadFirst(gates.input.data() + i, count)));
    // (1 - z) candidate + z state
    const VF32 change = hn::Sub(LoadFirst(state + i, count), candidate);
    StoreFirst(hn::MulAdd(update, change, candidate), count, new_state + i);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(LstmCellSimd);
HWY_EXPORT(GruCellSimd);

void LstmCell(const LstmGates& gates, std::span<const float> cell, std::span<float> new_cell,
              std::span<float> new_hidden) {
  HWY_DYNAMIC_DISPATCH(LstmCellSimd)
  (gates, cell.data(), cell.size(), new_cell.data(), new_hidden.data());
}

void GruCell(const GruGates& gates, std::span<const float> state, std::span<float> new_state) {
  HWY_DYNAMIC_DISPATCH(GruCellSimd)(gates, state.data(), state.size(), new_state.data());
}

}  // namespace tinyai
#endif
